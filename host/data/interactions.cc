#include "host/data/interactions.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr int64_t kBlockEvents = int64_t{1} << 16;

/// The first user of each block that one task sums up, and the end: blocks of about kBlockEvents events.
std::vector<int64_t> CutUsers(const EventsView& events) {
  std::vector<int64_t> first = {0};
  while (first.back() < events.n_users()) {
    const auto next = events.indptr.begin() + first.back() + 1;
    const auto end = std::upper_bound(next, events.indptr.end(), *(next - 1) + kBlockEvents);
    first.push_back(std::max(next, end - 1) - events.indptr.begin());
  }
  return first;
}

/// The entries of some users, and room to work.
struct Entries {
  std::vector<int32_t> indices;
  std::vector<float> values;
  // Of one user's events that count:
  std::vector<double> weights;  // or ratings
  std::vector<int64_t> times;   // of ratings, where there are any
  std::vector<uint64_t> order;  // item and place in `weights`, so that an entry's events are added in their order
};

class Summation {
 public:
  Summation(const EventsView& events, const SumOptions& options)
      : events_(events),
        options_(options),
        weights_(options.weighting, options.pair_value == PairValue::kRating ? WithoutValues(events) : events,
                 options.weighting.decays() ? LastTime(events, options.keep) : std::nullopt) {
    if (options.pair_value == PairValue::kRating) CheckRatingWeighting(options.weighting);
  }

  /// Adds a user's entries.
  void Add(int64_t user, Entries& entries) const {
    if (options_.pair_value == PairValue::kRating)
      AddRatings(user, entries);
    else
      AddConfidences(user, entries);
  }

 private:
  void AddConfidences(int64_t user, Entries& entries) const {
    std::vector<double>& weights = entries.weights;
    std::vector<uint64_t>& order = entries.order;
    weights.clear();
    order.clear();
    for (int64_t at = events_.indptr[user]; at < events_.indptr[user + 1]; ++at) {
      if (!options_.keep.empty() && options_.keep[at] == 0) continue;
      const double weight = weights_(at);
      if (weight < 0) RefuseNegative(user, events_.items[at], events_.values[at]);
      if (!(weight > 0)) continue;
      order.push_back(static_cast<uint64_t>(events_.items[at]) << 32 | weights.size());
      weights.push_back(weight);
    }
    std::sort(order.begin(), order.end());
    for (size_t at = 0; at < order.size();) {
      const auto item = static_cast<int32_t>(order[at] >> 32);
      double sum = 0;
      for (; at < order.size() && static_cast<int32_t>(order[at] >> 32) == item; ++at)
        sum += weights[static_cast<uint32_t>(order[at])];
      sum = std::min(sum, options_.weighting.confidence_cap);
      if (sum > std::numeric_limits<float>::max()) RefuseSum(user, item, sum);
      const auto value = static_cast<float>(sum);
      if (value == 0) continue;
      entries.indices.push_back(item);
      entries.values.push_back(value);
    }
  }

  void AddRatings(int64_t user, Entries& entries) const {
    auto& [indices, values, ratings, times, order] = entries;
    ratings.clear();
    times.clear();
    order.clear();
    for (int64_t at = events_.indptr[user]; at < events_.indptr[user + 1]; ++at) {
      if ((!options_.keep.empty() && options_.keep[at] == 0) || weights_(at) == 0) continue;
      order.push_back(static_cast<uint64_t>(events_.items[at]) << 32 | ratings.size());
      ratings.push_back(events_.values[at]);
      times.push_back(events_.times.empty() ? 0 : events_.times[at]);
    }
    std::sort(order.begin(), order.end());
    for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
      while (end < order.size() && order[end] >> 32 == order[begin] >> 32) ++end;
      const int64_t last = times[static_cast<uint32_t>(order[end - 1])];
      double sum = 0, count = 0;
      for (size_t at = begin; at < end; ++at) {
        if (times[static_cast<uint32_t>(order[at])] != last) continue;
        sum += ratings[static_cast<uint32_t>(order[at])];
        ++count;
      }
      indices.push_back(static_cast<int32_t>(order[begin] >> 32));
      values.push_back(static_cast<float>(sum / count));
    }
  }

  static std::string Name(const IdMap* ids, int64_t i) {
    return ids != nullptr ? fmt::format("'{}'", Printable(ids->Id(i))) : fmt::format("{}", i);
  }

  [[noreturn]] void RefuseSum(int64_t user, int32_t item, double sum) const {
    throw Error(ErrorCode::kNumeric, fmt::format("the events of user {} and item {} sum to {:g}, more than a float32 "
                                                 "holds; expected smaller values or weights, or a cap",
                                                 Name(options_.users, user), Name(options_.items, item), sum));
  }

  [[noreturn]] void RefuseNegative(int64_t user, int32_t item, float value) const {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("an event of user {} and item {} has the value {:g}; expected a number >= 0, as implicit "
                            "feedback needs: negative ones are ratings, for --feedback explicit",
                            Name(options_.users, user), Name(options_.items, item), value));
  }

  const EventsView& events_;
  const SumOptions& options_;
  EventWeights weights_;
};

}  // namespace

Csr Transpose(const CsrView& matrix) {
  Csr out;
  out.n_rows = matrix.n_cols;
  out.n_cols = matrix.n_rows;
  out.indptr.assign(static_cast<size_t>(out.n_rows) + 1, 0);
  out.indices.resize(static_cast<size_t>(matrix.nnz()));
  out.values.resize(matrix.values.size());
  for (const int32_t column : matrix.indices) ++out.indptr[static_cast<size_t>(column) + 1];
  std::partial_sum(out.indptr.begin(), out.indptr.end(), out.indptr.begin());

  std::vector<int64_t> next(out.indptr.begin(), out.indptr.end() - 1);
  for (int64_t row = 0; row < matrix.n_rows; ++row) {
    for (int64_t at = matrix.indptr[row]; at < matrix.indptr[row + 1]; ++at) {
      const auto to = static_cast<size_t>(next[matrix.indices[at]]++);
      out.indices[to] = static_cast<int32_t>(row);
      if (!out.values.empty()) out.values[to] = matrix.values[at];
    }
  }
  return out;
}

Csr SelectRows(const CsrView& matrix, std::span<const int32_t> rows) {
  Csr out;
  out.n_rows = static_cast<int64_t>(rows.size());
  out.n_cols = matrix.n_cols;
  for (const int32_t row : rows) {
    const auto indices = matrix.row(row);
    const auto values = matrix.row_values(row);
    out.indices.insert(out.indices.end(), indices.begin(), indices.end());
    out.values.insert(out.values.end(), values.begin(), values.end());
    out.indptr.push_back(static_cast<int64_t>(out.indices.size()));
  }
  return out;
}

std::vector<double> ColumnSums(const CsrView& matrix) {
  std::vector<double> sums(static_cast<size_t>(matrix.n_cols), 0);
  for (size_t e = 0; e < matrix.indices.size(); ++e) sums[static_cast<size_t>(matrix.indices[e])] += matrix.values[e];
  return sums;
}

int64_t LongestRow(const CsrView& matrix) {
  std::vector<int64_t> columns(static_cast<size_t>(matrix.n_cols), 0);
  int64_t longest = 0;
  for (const int32_t column : matrix.indices) longest = std::max(longest, ++columns[static_cast<size_t>(column)]);
  for (int64_t row = 0; row < matrix.n_rows; ++row)
    longest = std::max(longest, matrix.indptr[row + 1] - matrix.indptr[row]);
  return longest;
}

void CheckRatingWeighting(const EventWeighting& weighting) {
  const auto refuse = [](const std::string& what, const char* expected) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("explicit feedback takes ratings as they are, and {} would change them; expected {}", what,
                            expected));
  };
  if (weighting.value_cap < kNoLimit) refuse("a value cap", "--value-cap none");
  if (weighting.confidence_cap < kNoLimit) refuse("a confidence cap", "--confidence-cap none");
  if (weighting.decays()) refuse("a half-life", "--half-life none");
  for (const auto& [type, weight] : weighting.event_weights)
    if (weight != 0 && weight != 1)
      refuse(fmt::format("the weight {:g} of '{}'", weight, Printable(type)),
             "1 for types whose values are ratings and 0 for others, or --event-weight none");
}

Csr SumEvents(const EventsView& events, int64_t n_items, const SumOptions& options) {
  Csr out;
  out.n_rows = events.n_users();
  out.n_cols = n_items;
  out.indptr.resize(static_cast<size_t>(out.n_rows) + 1);
  const std::vector<int64_t> first_users = CutUsers(events);
  std::vector<Entries> blocks(first_users.size() - 1);
  const Summation summation(events, options);
  const auto sum = [&](int64_t b, int) {
    for (int64_t user = first_users[b]; user < first_users[b + 1]; ++user) {
      summation.Add(user, blocks[b]);
      out.indptr[user + 1] = static_cast<int64_t>(blocks[b].indices.size());
    }
    blocks[b].weights = {};
    blocks[b].times = {};
    blocks[b].order = {};
  };
  const auto n_blocks = static_cast<int64_t>(blocks.size());
  if (options.pool != nullptr)
    options.pool->Run(n_blocks, options.pool->n_threads(), sum);
  else
    for (int64_t b = 0; b < n_blocks; ++b) sum(b, 0);

  size_t nnz = 0;
  for (const Entries& block : blocks) nnz += block.indices.size();
  out.indices.reserve(nnz);
  out.values.reserve(nnz);
  for (size_t b = 0; b < blocks.size(); ++b) {
    const auto before = static_cast<int64_t>(out.indices.size());
    for (int64_t user = first_users[b]; user < first_users[b + 1]; ++user) out.indptr[user + 1] += before;
    const Entries block = std::exchange(blocks[b], {});
    out.indices.insert(out.indices.end(), block.indices.begin(), block.indices.end());
    out.values.insert(out.values.end(), block.values.begin(), block.values.end());
  }
  return out;
}

}  // namespace kindred
