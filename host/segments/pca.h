// The two directions in which points differ most (principal components), for a map of users.
//
// Of points x_1 .. x_n with the mean m: the covariance C = 1/n sum (x_i - m)(x_i - m)^T, its eigenvalues l_1 >= l_2 >=
// ... and unit eigenvectors v_j. A point lies at ((x - m) . v_1, (x - m) . v_2); `explained` is l_j / trace C. The sign
// of v_j, which the definition leaves open, is such that its entry of largest size (the first of those) is positive.
// All in double (Pearson 1901; Eigen's SelfAdjointEigenSolver).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/views.h"

namespace kindred {

struct PrincipalComponents {
  std::vector<double> mean;                     // [n_features]
  std::array<std::vector<double>, 2> loadings;  // [n_features] each; zeros for one that is not there
  std::array<double, 2> explained = {0, 0};     // parts of the variance; 0 where nothing differs

  std::array<double, 2> Place(std::span<const float> point) const;
};

/// Of the points that have a label >= 0; none are all zeros. Cost: n_points x n_features^2; bits do not depend on
/// threads, since it runs on the caller's.
PrincipalComponents FitPrincipalComponents(HostMatrix<const float> points, std::span<const int32_t> labels);

/// A point of the map.
struct MapPoint {
  int32_t user = 0;
  double x = 0, y = 0;
  int32_t segment = 0;
};
inline constexpr size_t kMostMapPoints = 2000;

/// Users with a label >= 0, in their order; of more than `most` those with the least RandomBits(seed 0, user), which a
/// longer table of users changes only by what it adds.
std::vector<MapPoint> MapOf(const PrincipalComponents& components, HostMatrix<const float> points,
                            std::span<const int32_t> labels, size_t most = kMostMapPoints);

}  // namespace kindred
