#include "host/evaluation/holdout_file.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

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

}  // namespace

Holdout ReadHoldout(std::span<const std::string> paths, const EventReaderOptions& options, const IdMap& users,
                    const IdMap& items) {
  std::vector<std::pair<int32_t, int32_t>> pairs;
  ForeignPairs foreign;
  EventSink sink;
  sink.event = [&](const Event& event) {
    if (event.value == 0) return;
    const int32_t user = users.Find(event.user), item = items.Find(event.item);
    if (user >= 0 && item >= 0) {
      pairs.emplace_back(user, item);
    } else {
      foreign.Add(event.user, event.item);
    }
  };
  sink.bad_row = [](const BadRow& row) { throw Error(ErrorCode::kInvalidArgument, row.Message()); };
  if (ReadEvents(paths, options, sink).n_events == 0)
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
