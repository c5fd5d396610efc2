// The operations of kernels/clusters.h again: plain and slow.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/views.h"

namespace kindred::reference {

/// Each point's centroid, its distance^2, and that to the next one, as defined.
struct Assignment {
  std::vector<int32_t> labels;
  std::vector<double> distances, other_distances;
};
Assignment Assign(HostMatrix<const float> points, HostMatrix<const float> centroids);

/// One run of Lloyd's method, step by step.
class Lloyd {
 public:
  Lloyd(HostMatrix<const float> points, std::vector<float> centroids);

  /// Returns how many points have another label than before.
  int64_t Step();

  const std::vector<float>& centroids() const { return centroids_; }
  const std::vector<int32_t>& labels() const { return labels_; }
  double shift() const { return shift_; }

 private:
  void FillEmpty(const Assignment& found);

  HostMatrix<const float> points_;
  std::vector<float> centroids_;
  std::vector<int32_t> labels_;
  double shift_ = 0;
};

/// The points of one seeding; k x n_trials draws.
std::vector<int32_t> Seeds(HostMatrix<const float> points, std::span<const uint64_t> draws, int64_t k,
                           int64_t n_trials);

/// By the book, in double.
std::vector<double> Silhouettes(HostMatrix<const float> points, std::span<const int32_t> labels, int64_t n_clusters);

}  // namespace kindred::reference
