// Pictures of dendrograms, as a file of SVG and as a figure of a report page (host/report/page.h): leaves one below
// the other, heights from right to left, the clusters of a cut in colours with their names. A thousand leaves can be
// read: names are left out where there is no room for them, and pointing at a leaf shows them. Of more than
// kMostPictureLeaves, what is merged first is drawn as one leaf. Where most heights are small against the largest, the
// axis shows their square roots.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/clustering/dendrogram.h"

namespace kindred {

inline constexpr int64_t kMostPictureLeaves = 1000;

/// Texts are foreign, and escaped.
struct DendrogramPicture {
  std::string title;
  std::string height_name = "distance";         // what heights are
  int64_t n_clusters = 1;                       // of the cut; at most the number of leaves
  std::vector<std::string> cluster_names = {};  // in order of CutByCount's labels; empty: "1", "2", ...
};

/// A file of its own: UTF-8, in the reader's light or dark scheme, without script or anything to load. Throws
/// kInvalidArgument as CutByCount does.
std::string DendrogramSvg(const Dendrogram& dendrogram, const DendrogramPicture& picture);

/// The figure, with its clusters as a table behind a click. Where it is narrow it scrolls.
std::string DendrogramHtml(const Dendrogram& dendrogram, const DendrogramPicture& picture);

}  // namespace kindred
