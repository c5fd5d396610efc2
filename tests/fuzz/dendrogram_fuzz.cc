// Any bytes as the JSON of a dendrogram: refused, or one that can be cut and drawn.
#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "host/clustering/dendrogram_picture.h"
#include "kernels/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const nlohmann::json json = nlohmann::json::parse(data, data + size, nullptr, false);
  kindred::Dendrogram dendrogram;
  try {
    dendrogram = kindred::ParseDendrogram(json, "input");
  } catch (const kindred::Error&) {
    return 0;
  }
  const auto n_leaves = static_cast<int64_t>(dendrogram.leaf_names.size());
  kindred::DendrogramPicture picture = {.title = "t"};
  picture.n_clusters = std::clamp<int64_t>(n_leaves, 1, 3);
  if (kindred::DendrogramSvg(dendrogram, picture).empty() || kindred::DendrogramHtml(dendrogram, picture).empty())
    std::abort();
  if (static_cast<int64_t>(kindred::LeafOrder(dendrogram.merges, n_leaves).size()) != n_leaves) std::abort();
  return 0;
}
