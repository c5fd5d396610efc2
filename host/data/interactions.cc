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
  std::vector<double> weights;
  std::vector<uint64_t> order;  // item and place in `weights`, so that an entry's events are added in their order
};

class Summation {
 public:
  Summation(const EventsView& events, const SumOptions& options)
      : events_(events),
        options_(options),
        weights_(options.weighting, events,
                 options.weighting.decays() ? LastTime(events, options.keep) : std::nullopt) {}

  /// Adds a user's entries.
  void Add(int64_t user, Entries& entries) const {
    std::vector<double>& weights = entries.weights;
    std::vector<uint64_t>& order = entries.order;
    weights.clear();
    order.clear();
    for (int64_t at = events_.indptr[user]; at < events_.indptr[user + 1]; ++at) {
      if (!options_.keep.empty() && options_.keep[at] == 0) continue;
      const double weight = weights_(at);
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

 private:
  [[noreturn]] void RefuseSum(int64_t user, int32_t item, double sum) const {
    const auto name = [](const IdMap* ids, int64_t i) {
      return ids != nullptr ? fmt::format("'{}'", Printable(ids->Id(i))) : fmt::format("{}", i);
    };
    throw Error(ErrorCode::kNumeric, fmt::format("the events of user {} and item {} sum to {:g}, more than a float32 "
                                                 "holds; expected smaller values or weights, or a cap",
                                                 name(options_.users, user), name(options_.items, item), sum));
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
