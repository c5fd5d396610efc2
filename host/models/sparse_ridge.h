// Ridge regression of many targets on sparse features, by conjugate gradients.
//
//   minimize |Y - X W|^2 + ridge |W|^2:   (Xt X + ridge I) W = Xt Y
//
// Each column of W has steps and lengths of its own (Hestenes and Stiefel 1952, on the normal equations: CGLS; Bjorck
// 1996), while the products are made for all columns at once on the backend: Xt X is never formed, so that neither many
// features nor many rows matter more than their entries do.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "host/data/interactions.h"
#include "kernels/backend.h"

namespace kindred {

/// A column is done where its residual has kRidgeTolerance of the length it had at W = 0, and all are after
/// kMostRidgeSteps: what is left then is smaller than what the ridge does.
inline constexpr double kRidgeTolerance = 1e-4;
inline constexpr int kMostRidgeSteps = 200;

/// Features as rows on a backend, for several regressions on the same.
class SparseRidge {
 public:
  /// `features` must outlive this.
  SparseRidge(Backend& backend, const CsrView& features);

  /// W [n_features x n_targets], for targets Y [n_rows x n_targets] and ridge > 0. Deterministic. Cost of a step: 4 nnz
  /// n_targets flops on the backend, and on the host, which holds W and what goes with it, four passes over matrices as
  /// large as W and one over one as large as Y; three such matrices, two of W's size, go between the two. Memory: 4
  /// matrices as large as W and 2 as large as Y on the host, 2 and 1 on the backend.
  std::vector<float> Fit(std::span<const float> targets, int64_t n_targets, double ridge) const;

 private:
  Backend& backend_;
  CsrView features_;
  Csr transpose_;
  std::unique_ptr<SparseRows> rows_, columns_;
};

/// features times factors, a row for each row of the features. [n_rows x n_factors]
std::vector<float> MultiplyFeatures(Backend& backend, const CsrView& features, std::span<const float> factors,
                                    int64_t n_factors);

}  // namespace kindred
