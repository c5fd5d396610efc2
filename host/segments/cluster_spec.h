// How users are clustered: the table [clusters] of segments.toml.
//
//   algorithm = "kmeans"        or "mini_batch_kmeans", "ward", "average", "complete", "single"
//   k = "elbow"                 the knee of the inertia; "silhouette": the k with the best silhouette; or a number
//   k_min = 2, k_max = 10       what these choose among
//   height = 12.5               of trees, in place of k: cut there, whatever number of clusters that gives
//   restarts = 10               of each k, of kmeans
//   seeds = "k-means++"         or "k-means||"
//   seed = 0
//   batch_size = 4096           of mini_batch_kmeans
//   silhouette = "exact"        of all users against all; "sampled": of `sample_size` of them. Default: exact for up to
//   sample_size = 10000         so many users
//   min_size = 0                users; smaller clusters are merged into the nearest
//   min_share = 0.0             of the users, likewise
//   names = { "2" = "Champions" }      by the ids of segments
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "host/clustering/k_means.h"
#include "host/clustering/linkage.h"
#include "host/text/toml_table.h"

namespace kindred {

enum class ClusterAlgorithm : uint8_t { kKMeans, kMiniBatchKMeans, kWard, kAverage, kComplete, kSingle };
enum class ChooseK : uint8_t { kSilhouette, kElbow, kFixed, kHeight };

/// "kmeans", "mini_batch_kmeans", "ward", ...
const char* NameOf(ClusterAlgorithm algorithm);
/// Of those that build a tree; none of the others.
std::optional<LinkageMethod> LinkageOf(ClusterAlgorithm algorithm);
/// "silhouette", "elbow", "fixed" or "height".
const char* NameOf(ChooseK choose);

struct ClusterSpec {
  static constexpr int64_t kMaxK = 1000;

  ClusterAlgorithm algorithm = ClusterAlgorithm::kKMeans;
  ChooseK choose = ChooseK::kElbow;
  int64_t k = 0;      // kFixed only
  double height = 0;  // kHeight only
  int64_t k_min = 2, k_max = 10;
  int64_t restarts = 10;
  ClusterSeeds seeds = ClusterSeeds::kPlusPlus;
  int64_t seed = 0;
  int64_t batch_size = 4096;
  std::optional<bool> sampled = {};  // the silhouette
  int64_t sample_size = 10000;
  int64_t min_size = 0;
  double min_share = 0;
  std::map<std::string, std::string, std::less<>> names = {};

  /// Whether the silhouettes of so many users are of a sample.
  bool samples(int64_t n_users) const { return sampled.value_or(true) && n_users > sample_size; }
};

inline constexpr std::string_view kClusterSpecKeys[] = {
    "algorithm", "k",          "height",     "k_min",       "k_max",    "restarts",  "seeds",
    "seed",      "batch_size", "silhouette", "sample_size", "min_size", "min_share", "names"};

/// Throws kUsage with the place.
ClusterSpec ReadClusterSpec(const TomlTable& table);

/// By the keys of the file.
nlohmann::json ClusterSpecJson(const ClusterSpec& spec);

}  // namespace kindred
