// What became of the last version's segments: which are the same, which were split, merged, are new or gone, and who
// moved.
//
// Segments are compared by the users that are in a segment of both versions. Let n(o, s) be those in the old segment o
// and the new one s, n(o) and n(s) their sums.
//
//   kept    o and s are matched one to one so that the sum of n(o, s) over matched pairs is largest (the Hungarian
//           method), among pairs of which n(o, s) is at least half of n(o) or of n(s). s has o's id then, and its name.
//   split   o is split where two new segments or more each have at least a tenth of n(o) and are at least half of o's
//           members (n(o, s) >= n(s) / 2), and have at least half of n(o) together: a segment that some of them joined
//           is no part of a split. One part may have kept the id.
//   merged  the same the other way: s is merged of old segments that gave it at least half of theirs, and a tenth of
//           n(s) each.
//   gone    an old segment that was not kept; new, a segment that has no id from before.
//
// (After the transitions of MONIC, Spiliopoulou et al. 2006, with one-to-one matching.) Ids are numbers as text: new
// segments get the next ones that were never used, in the order of segments, so that an id never means two things.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace kindred {

struct LastSegment {
  std::string id;
  std::string name;
  int64_t size = 0;  // of the last version, users who are gone from the dataset included
};

struct LastVersion {
  int64_t version = 0;
  int64_t next_id = 1;  // the least number that no segment ever had as its id
  std::vector<LastSegment> segments;
  std::vector<int32_t> labels;  // [n_users of now] index in `segments`; -1: in none, or not there then
};

struct SegmentChange {
  size_t segment = 0;         // the one that was split, among the old, or merged, among the new
  std::vector<size_t> parts;  // of the other version, those with most users first
};

struct Lineage {
  std::vector<std::string> ids;    // [n_segments]
  std::vector<int32_t> kept_from;  // [n_segments] index of the old one; -1: new
  int64_t next_id = 1;
  /// [old + 1][new + 1] users: last row, those who were in none; last column, those who are in none now or are gone.
  std::vector<std::vector<int64_t>> flows;
  std::vector<SegmentChange> split, merged;
  std::vector<size_t> gone, fresh;  // of the old, of the new
  int64_t n_in_both = 0;
  int64_t n_movers = 0;     // of them, those whose segment's id changed
  double share_movers = 0;  // 0 where nobody is in both
};

/// Ids of a first version: "1", "2", ...
Lineage FirstLineage(std::span<const int32_t> labels, int64_t n_segments);

/// `labels`: 0 .. n_segments - 1, or -1. Throws kInvalidArgument where they do not fit, as where ids of the last
/// version are not numbers below its next_id, or there twice.
Lineage TraceSegments(std::span<const int32_t> labels, int64_t n_segments, const LastVersion& last);

/// {"from_version", "from": [{"id", "name", "size"}], "flows", "kept": [id], "split": [{"id", "into": [id]}],
/// "merged": [{"id", "from": [id]}], "new": [id], "gone": [id], "n_in_both", "n_movers", "share_movers"}: the member
/// "lineage" of the report but for the drift (host/segments/drift.h).
nlohmann::json LineageJson(const Lineage& lineage, const LastVersion& last);

}  // namespace kindred
