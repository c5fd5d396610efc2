// The tree of a linkage: the order of its leaves, its clusters at a cut, and its JSON. Pictures of it:
// host/clustering/dendrogram_picture.h.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/clustering/linkage.h"

namespace kindred {

/// Merges as of Linkage, and what the points are called. UTF-8.
struct Dendrogram {
  LinkageMethod linkage = LinkageMethod::kWard;
  std::vector<Merge> merges;
  std::vector<std::string> leaf_names;  // one a point
};

/// The points so that no two lines of the tree cross: of two clusters that are merged, that with the point of the
/// lowest index comes first.
std::vector<int32_t> LeafOrder(std::span<const Merge> merges, int64_t n_leaves);

/// The cluster of each point when there are `n_clusters`: after the first n_leaves - n_clusters merges. Clusters are
/// numbered from 0 as they stand in LeafOrder, which is by their first leaf there. Throws kInvalidArgument for less
/// than 1 or more than n_leaves, where there are leaves.
std::vector<int32_t> CutByCount(std::span<const Merge> merges, int64_t n_leaves, int64_t n_clusters);

/// The same, after all merges whose height is at most `height`.
std::vector<int32_t> CutByHeight(std::span<const Merge> merges, int64_t n_leaves, double height);

/// {"linkage": "ward", "merges": [[a, b, height, size], ...], "leaf_names": [...], "leaf_order": [...]}
nlohmann::json DendrogramJson(const Dendrogram& dendrogram);

/// Throws kCorrupt, naming `where` and the member, for what is none: merges must be of clusters that there are and have
/// not been merged, with heights that do not fall, one less than there are leaves.
Dendrogram ParseDendrogram(const nlohmann::json& json, const std::string& where);

}  // namespace kindred
