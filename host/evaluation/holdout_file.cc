#include "host/evaluation/holdout_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "host/evaluation/rated_holdout.h"
#include "host/text/text.h"

namespace kindred {
namespace {

// Distinct (user, item) pairs where at least one id is foreign, as indices into a map that grows.
class ForeignPairs {
 public:
  void Add(std::string_view user, std::string_view item) { pairs_.emplace(users_.Intern(user), items_.Intern(item)); }

  void Count(const IdMap& known_users, Holdout& holdout) const {
    std::set<int32_t> missing_users;
    for (const auto& [user, item] : pairs_) {
      const int32_t known = known_users.Find(users_.view().Id(user));
      if (known >= 0) {
        ++holdout.n_missing_items[static_cast<size_t>(known)];
      } else {
        ++holdout.n_missing_user_items;
        missing_users.insert(user);
      }
    }
    holdout.n_missing_users = static_cast<int64_t>(missing_users.size());
  }

 private:
  IdMapBuilder users_, items_;
  std::set<std::pair<int32_t, int32_t>> pairs_;
};

/// Whether an event's type counts more than 0. One without a type does, unless the weighting names such: most splits
/// that come as files have no types.
bool Counts(const EventBatch& events, size_t at, const EventWeighting& weighting) {
  const std::string_view type = events.types.empty() ? std::string_view() : events.types[at];
  if (type.empty() && !weighting.event_weights.contains(type)) return true;
  const std::optional<double> weight = weighting.WeightOf(type);
  if (!weight)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("held-out events have the type '{}', for which there is no weight", Printable(type)));
  return *weight > 0;
}

bool IsPair(const EventBatch& events, size_t at, const EventWeighting& weighting) {
  return (events.values.empty() || events.values[at] != 0) && Counts(events, at, weighting);
}

/// Reads all files; throws for bad rows and where there are no events.
EventReaderSummary ReadAll(std::span<const std::string> paths, EventReaderOptions options,
                           const std::function<void(const EventBatch&)>& take) {
  std::mutex mutex;
  EventSink sink;
  sink.events = [&](const EventBatch& batch) {
    const std::lock_guard lock(mutex);
    take(batch);
  };
  sink.bad_row = [](const BadRow& row) { throw Error(ErrorCode::kInvalidArgument, row.Message()); };
  options.max_bad_rows = 0;
  const EventReaderSummary summary = ReadEvents(paths, options, sink);
  if (summary.n_events == 0)
    throw Error(ErrorCode::kInvalidArgument, paths[0] + ": no events; expected held-out interactions");
  return summary;
}

/// An id's index, or -1 - k for one that the map lacks.
int32_t IndexOf(std::string_view id, const IdMap& known, IdMapBuilder& foreign) {
  const int32_t index = known.Find(id);
  return index >= 0 ? index : -1 - foreign.Intern(id);
}

/// Where each id comes in the order of the ids.
std::vector<int32_t> Order(const IdMap& ids) {
  std::vector<int32_t> sorted(static_cast<size_t>(ids.size())), order(sorted.size());
  std::iota(sorted.begin(), sorted.end(), 0);
  std::sort(sorted.begin(), sorted.end(), [&](int32_t a, int32_t b) { return ids.Id(a) < ids.Id(b); });
  for (size_t place = 0; place < sorted.size(); ++place) order[sorted[place]] = static_cast<int32_t>(place);
  return order;
}

struct Rated {
  int32_t user, item;
  int64_t time;
  float rating;
  auto operator<=>(const Rated&) const = default;
};

/// Sorts, and leaves one of each pair: the mean of its last ratings.
void JoinRatings(std::vector<Rated>& all) {
  std::sort(all.begin(), all.end());
  size_t n = 0;
  for (size_t begin = 0, end = 0; begin < all.size(); begin = end) {
    while (end < all.size() && all[end].user == all[begin].user && all[end].item == all[begin].item) ++end;
    double sum = 0, count = 0;
    for (size_t at = begin; at < end; ++at) {
      if (all[at].time != all[end - 1].time) continue;
      sum += all[at].rating;
      ++count;
    }
    all[n] = all[begin];
    all[n++].rating = static_cast<float>(sum / count);
  }
  all.resize(n);
}

}  // namespace

Holdout ReadHoldout(std::span<const std::string> paths, const EventReaderOptions& options, const IdMap& users,
                    const IdMap& items, const EventWeighting& weighting) {
  std::vector<std::pair<int32_t, int32_t>> pairs;
  ForeignPairs foreign;
  ReadAll(paths, options, [&](const EventBatch& batch) {
    for (size_t e = 0; e < batch.users.size(); ++e) {
      if (!IsPair(batch, e, weighting)) continue;
      const int32_t user = users.Find(batch.users[e]), item = items.Find(batch.items[e]);
      if (user >= 0 && item >= 0) {
        pairs.emplace_back(user, item);
      } else {
        foreign.Add(batch.users[e], batch.items[e]);
      }
    }
  });
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  Holdout holdout;
  holdout.n_missing_items.assign(static_cast<size_t>(users.size()), 0);
  foreign.Count(users, holdout);
  Csr& relevant = holdout.relevant;
  relevant.n_rows = users.size();
  relevant.n_cols = items.size();
  relevant.indptr.assign(static_cast<size_t>(users.size()) + 1, 0);
  for (const auto& [user, item] : pairs) {
    ++relevant.indptr[static_cast<size_t>(user) + 1];
    relevant.indices.push_back(item);
  }
  for (size_t r = 1; r < relevant.indptr.size(); ++r) relevant.indptr[r] += relevant.indptr[r - 1];
  relevant.values.assign(relevant.indices.size(), 1.0f);
  return holdout;
}

RatedHoldout ReadRatedHoldout(std::span<const std::string> paths, const EventReaderOptions& options, const IdMap& users,
                              const IdMap& items, const EventWeighting& weighting) {
  std::vector<Rated> all;
  IdMapBuilder foreign_users, foreign_items;
  const EventReaderSummary summary = ReadAll(paths, options, [&](const EventBatch& batch) {
    for (size_t e = 0; e < batch.values.size(); ++e)
      if (Counts(batch, e, weighting))
        all.push_back({IndexOf(batch.users[e], users, foreign_users), IndexOf(batch.items[e], items, foreign_items),
                       batch.times.empty() ? 0 : batch.times[e], batch.values[e]});
  });
  if (!summary.has_values)
    throw Error(ErrorCode::kInvalidArgument, paths[0] + ": no values; expected the held-out ratings in a value column");
  // Which foreign id came first is up to the threads.
  const std::vector<int32_t> user_order = Order(foreign_users.view()), item_order = Order(foreign_items.view());
  for (Rated& pair : all) {
    if (pair.user < 0) pair.user = -1 - user_order[-1 - pair.user];
    if (pair.item < 0) pair.item = -1 - item_order[-1 - pair.item];
  }
  JoinRatings(all);

  RatedHoldout holdout;
  Csr& ratings = holdout.ratings;
  ratings.n_rows = users.size();
  ratings.n_cols = items.size();
  ratings.indptr.assign(static_cast<size_t>(users.size()) + 1, 0);
  for (const Rated& pair : all) {
    if (pair.user < 0 || pair.item < 0) {
      holdout.missing.push_back({pair.user, pair.item, pair.rating});
      continue;
    }
    ++ratings.indptr[static_cast<size_t>(pair.user) + 1];
    ratings.indices.push_back(pair.item);
    ratings.values.push_back(pair.rating);
  }
  std::partial_sum(ratings.indptr.begin(), ratings.indptr.end(), ratings.indptr.begin());
  return holdout;
}

}  // namespace kindred
