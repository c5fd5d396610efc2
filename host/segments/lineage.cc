#include "host/segments/lineage.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

#include "host/clustering/assignment.h"
#include "host/text/text.h"
#include "kernels/error.h"
#include "kernels/views.h"

namespace kindred {
namespace {

using nlohmann::json;

using Counts = std::vector<std::vector<int64_t>>;

int64_t CheckedLabel(int32_t label, int64_t n, const char* which) {
  if (label < -1 || label >= n)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("a label of {} is {}, expected one of {} segments, or -1", which, label, n));
  return label < 0 ? n : label;
}

void CheckLast(const LastVersion& last, size_t n_users) {
  if (last.labels.size() != n_users)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the last version has labels of {} users, expected {}", last.labels.size(), n_users));
  std::set<std::string_view> seen;
  for (const LastSegment& segment : last.segments) {
    int64_t number = 0;
    const char* end = segment.id.data() + segment.id.size();
    const auto [at, error] = std::from_chars(segment.id.data(), end, number);
    if (error != std::errc() || at != end || number < 1 || number >= last.next_id || !seen.insert(segment.id).second)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("a segment of the last version has the id '{}', expected a number from 1 to {} that no "
                              "other has",
                              Printable(segment.id), last.next_id - 1));
  }
}

class Tracing {
 public:
  Tracing(std::span<const int32_t> labels, int64_t n_segments, const LastVersion& last)
      : last_(last), n_old_(last.segments.size()), n_new_(static_cast<size_t>(n_segments)) {
    result_.flows.assign(n_old_ + 1, std::vector<int64_t>(n_new_ + 1, 0));
    of_old_.assign(n_old_, 0);
    of_new_.assign(n_new_, 0);
    for (size_t user = 0; user < labels.size(); ++user) {
      const auto o = static_cast<size_t>(CheckedLabel(last.labels[user], std::ssize(of_old_), "the last version"));
      const auto s = static_cast<size_t>(CheckedLabel(labels[user], n_segments, "this version"));
      ++result_.flows[o][s];
    }
    for (size_t o = 0; o < n_old_; ++o)
      for (size_t s = 0; s < n_new_; ++s) {
        of_old_[o] += result_.flows[o][s];
        of_new_[s] += result_.flows[o][s];
      }
  }

  Lineage Trace() {
    Keep();
    FindChanges();
    CountMovers();
    // Of those that the last version had, some may have left the dataset.
    for (size_t o = 0; o < n_old_; ++o) {
      int64_t n = 0;
      for (const int64_t users : result_.flows[o]) n += users;
      result_.flows[o][n_new_] += std::max<int64_t>(last_.segments[o].size - n, 0);
    }
    result_.flows[n_old_][n_new_] = 0;
    return std::move(result_);
  }

 private:
  int64_t n(size_t o, size_t s) const { return result_.flows[o][s]; }
  bool IsMostOfOld(size_t o, size_t s) const { return n(o, s) > 0 && 2 * n(o, s) >= of_old_[o]; }
  bool IsMostOfNew(size_t o, size_t s) const { return n(o, s) > 0 && 2 * n(o, s) >= of_new_[s]; }

  void Keep() {
    std::vector<double> costs(n_new_ * n_old_, 0);
    for (size_t s = 0; s < n_new_; ++s)
      for (size_t o = 0; o < n_old_; ++o)
        if (IsMostOfOld(o, s) || IsMostOfNew(o, s)) costs[s * n_old_ + o] = -static_cast<double>(n(o, s));
    result_.kept_from = Assign({costs.data(), static_cast<int64_t>(n_new_), static_cast<int64_t>(n_old_)});
    result_.next_id = last_.next_id;
    std::vector<bool> is_kept(n_old_, false);
    for (size_t s = 0; s < n_new_; ++s) {
      int32_t& from = result_.kept_from[s];
      if (from >= 0 && costs[s * n_old_ + static_cast<size_t>(from)] == 0) from = -1;
      if (from < 0) {
        result_.fresh.push_back(s);
        result_.ids.push_back(std::to_string(result_.next_id++));
      } else {
        is_kept[static_cast<size_t>(from)] = true;
        result_.ids.push_back(last_.segments[static_cast<size_t>(from)].id);
      }
    }
    for (size_t o = 0; o < n_old_; ++o)
      if (!is_kept[o]) result_.gone.push_back(o);
  }

  /// Whole is parted where its parts are at least two and have half of it.
  template <class UsersOf>
  static void AddChange(size_t whole, int64_t n_whole, std::vector<size_t> parts, const UsersOf& users_of,
                        std::vector<SegmentChange>& changes) {
    int64_t together = 0;
    for (const size_t part : parts) together += users_of(part);
    if (parts.size() < 2 || 2 * together < n_whole) return;
    std::stable_sort(parts.begin(), parts.end(), [&](size_t a, size_t b) { return users_of(a) > users_of(b); });
    changes.push_back({whole, std::move(parts)});
  }

  void FindChanges() {
    for (size_t o = 0; o < n_old_; ++o) {
      std::vector<size_t> parts;
      for (size_t s = 0; s < n_new_; ++s)
        if (IsMostOfNew(o, s) && 10 * n(o, s) >= of_old_[o]) parts.push_back(s);
      AddChange(
          o, of_old_[o], std::move(parts), [&](size_t s) { return n(o, s); }, result_.split);
    }
    for (size_t s = 0; s < n_new_; ++s) {
      std::vector<size_t> parts;
      for (size_t o = 0; o < n_old_; ++o)
        if (IsMostOfOld(o, s) && 10 * n(o, s) >= of_new_[s]) parts.push_back(o);
      AddChange(
          s, of_new_[s], std::move(parts), [&](size_t o) { return n(o, s); }, result_.merged);
    }
  }

  void CountMovers() {
    for (size_t s = 0; s < n_new_; ++s) {
      result_.n_in_both += of_new_[s];
      result_.n_movers += of_new_[s];
      if (const int32_t from = result_.kept_from[s]; from >= 0) result_.n_movers -= n(static_cast<size_t>(from), s);
    }
    if (result_.n_in_both > 0)
      result_.share_movers = static_cast<double>(result_.n_movers) / static_cast<double>(result_.n_in_both);
  }

  const LastVersion& last_;
  size_t n_old_, n_new_;
  std::vector<int64_t> of_old_, of_new_;  // users in both
  Lineage result_;
};

}  // namespace

Lineage FirstLineage(std::span<const int32_t> labels, int64_t n_segments) {
  return TraceSegments(labels, n_segments, {0, 1, {}, std::vector<int32_t>(labels.size(), -1)});
}

Lineage TraceSegments(std::span<const int32_t> labels, int64_t n_segments, const LastVersion& last) {
  CheckLast(last, labels.size());
  return Tracing(labels, n_segments, last).Trace();
}

json LineageJson(const Lineage& lineage, const LastVersion& last) {
  json from = json::array(), kept = json::array();
  for (const LastSegment& segment : last.segments)
    from.push_back({{"id", segment.id}, {"name", segment.name}, {"size", segment.size}});
  const auto old_id = [&](size_t o) { return last.segments[o].id; };
  const auto new_id = [&](size_t s) { return lineage.ids[s]; };
  const auto list = [](const std::vector<size_t>& segments, const auto& id_of) {
    json ids = json::array();
    for (const size_t segment : segments) ids.push_back(id_of(segment));
    return ids;
  };
  for (size_t s = 0; s < lineage.ids.size(); ++s)
    if (lineage.kept_from[s] >= 0) kept.push_back(lineage.ids[s]);
  json split = json::array(), merged = json::array();
  for (const SegmentChange& change : lineage.split)
    split.push_back({{"id", old_id(change.segment)}, {"into", list(change.parts, new_id)}});
  for (const SegmentChange& change : lineage.merged)
    merged.push_back({{"id", new_id(change.segment)}, {"from", list(change.parts, old_id)}});
  return {{"from_version", last.version},
          {"from", std::move(from)},
          {"flows", lineage.flows},
          {"kept", std::move(kept)},
          {"split", std::move(split)},
          {"merged", std::move(merged)},
          {"new", list(lineage.fresh, new_id)},
          {"gone", list(lineage.gone, old_id)},
          {"n_in_both", lineage.n_in_both},
          {"n_movers", lineage.n_movers},
          {"share_movers", lineage.share_movers}};
}

}  // namespace kindred
