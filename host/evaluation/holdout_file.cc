#include "host/evaluation/holdout_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

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

/// Whether an event counts more than 0. One without a type does, unless the weighting names such: most splits that come
/// as files have no types.
bool IsPair(const EventBatch& events, size_t at, const EventWeighting& weighting) {
  if (!events.values.empty() && events.values[at] == 0) return false;
  const std::string_view type = events.types.empty() ? std::string_view() : events.types[at];
  if (type.empty() && !weighting.event_weights.contains(type)) return true;
  const std::optional<double> weight = weighting.WeightOf(type);
  if (!weight)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("held-out events have the type '{}', for which there is no weight", Printable(type)));
  return *weight > 0;
}

}  // namespace

Holdout ReadHoldout(std::span<const std::string> paths, const EventReaderOptions& options, const IdMap& users,
                    const IdMap& items, const EventWeighting& weighting) {
  std::vector<std::pair<int32_t, int32_t>> pairs;
  ForeignPairs foreign;
  std::mutex mutex;
  EventSink sink;
  sink.events = [&](const EventBatch& batch) {
    const std::lock_guard lock(mutex);
    for (size_t e = 0; e < batch.users.size(); ++e) {
      if (!IsPair(batch, e, weighting)) continue;
      const int32_t user = users.Find(batch.users[e]), item = items.Find(batch.items[e]);
      if (user >= 0 && item >= 0) {
        pairs.emplace_back(user, item);
      } else {
        foreign.Add(batch.users[e], batch.items[e]);
      }
    }
  };
  sink.bad_row = [](const BadRow& row) { throw Error(ErrorCode::kInvalidArgument, row.Message()); };
  EventReaderOptions reading = options;
  reading.max_bad_rows = 0;
  if (ReadEvents(paths, reading, sink).n_events == 0)
    throw Error(ErrorCode::kInvalidArgument, paths[0] + ": no events; expected held-out interactions");

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

}  // namespace kindred
