// Agglomerative clustering: the two clusters that are nearest to each other are merged, until there is one.
//
// The distance of two clusters A and B of total weights a and b, d being Euclidean:
//   Ward      sqrt(2 a b / (a + b)) d(mean of A, mean of B)   (Ward 1963)
//   average   the mean of d(x, y) over x in A, y in B, each weighing as much as it says
//   complete  the largest d(x, y)
//   single    the smallest d(x, y)
//
// Exact, and in double from the float32 values on. Merges and heights are those of SciPy's `linkage`, but where
// distances are equal: what is merged first then decides what comes later. Here points that are equal are merged
// first, in order of their index, and of clusters equally near to one the last on the chain is taken, else the one with
// the lowest index, where a cluster has the largest of its parts' (of equal points: the first's).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/views.h"

namespace kindred {

enum class LinkageMethod { kWard, kAverage, kComplete, kSingle };

/// "ward", "average", "complete" or "single".
const char* Text(LinkageMethod method);
/// Throws kInvalidArgument naming the four.
LinkageMethod ParseLinkageMethod(std::string_view text);

/// Clusters are numbered as SciPy does: cluster i < n_points is point i alone, and n_points + m is made by merge m.
struct Merge {
  int32_t a = 0;  // a < b
  int32_t b = 0;
  double height = 0;  // the distance of a and b; no less than that of any merge before
  double size = 0;    // the sum of the weights of the points in it; without weights, their number
};

/// Average and complete linkage keep the distances of all pairs of different points, 8 bytes each.
inline constexpr int64_t kMostLinkageBytes = int64_t{4} << 30;
/// So many different points fit: n (n - 1) / 2 pairs.
inline constexpr int64_t kMostMatrixPoints = 32768;

/// Of a point. Between these no distance of clusters is too small or too large for a double.
inline constexpr double kLeastLinkageWeight = 1e-30, kMostLinkageWeight = 1e30;

/// The n_points - 1 merges, none for fewer than two points. Without `weights`, each is 1: with them a point stands for
/// so many, as a micro-cluster does; single and complete linkage take them for sizes alone.
///
/// Ward and single linkage take memory of 12 n_points n_features bytes, and time of n_points^2 n_features: by the
/// nearest-neighbour chain over centroids (Murtagh 1983) and by a minimum spanning tree (Prim 1957; Gower and Ross
/// 1969), where most points are ruled out by distances in float32 that cannot be wrong about it. Average and complete
/// linkage: the chain over a matrix of distances (Lance and Williams 1967; Muellner 2011). For more points than that
/// matrix may hold: K-Means first, then the linkage of its clusters with their sizes as weights.
///
/// On the threads of `pool` (null: the caller's), on which the result does not depend. Throws kInvalidArgument for a
/// value that is not finite or a weight out of range (row() says whose), for weights that are not one a point, and for
/// more than 2^30 points; kOutOfMemory, saying how much it would take, for more different points than
/// kMostMatrixPoints.
std::vector<Merge> Linkage(const HostMatrix<const float>& points, std::span<const double> weights, LinkageMethod method,
                           ThreadPool* pool);

}  // namespace kindred
