// The operations of kernels/backend.h again: plain, slow, in double precision.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/views.h"

namespace kindred::reference {

/// at a. [n_cols x n_cols]
std::vector<double> Gram(HostMatrix<const float> a);

/// a b, for a sparse a. [a.n_rows x b.n_cols]
std::vector<double> SparseProduct(const CsrView& a, HostMatrix<const float> b);

struct Ranked {
  int32_t item;
  float score;
};

/// For each row of left times right: the defined values above 0, the k best of them, in increasing columns.
/// column_scale: n_cols, or empty.
std::vector<std::vector<Ranked>> SparseTopK(const CsrView& left, const CsrView& right,
                                            std::span<const float> column_scale, bool skip_diagonal, int64_t k);

/// a^-1, n x n, by elimination with pivoting.
std::vector<double> Inverse(std::span<const double> a, int64_t n);

/// One row of an ALS half-step: (a0 YtY + sum w y yt + l I) x = sum b y, by Gaussian elimination with pivoting.
std::vector<double> AlsRow(HostMatrix<const float> fixed, std::span<const int32_t> indices,
                           std::span<const float> weights, std::span<const float> targets, double unobserved_weight,
                           double regularization);

/// The same system from x by n_steps of conjugate gradients, preconditioned by the diagonal of a0 YtY + l I.
std::vector<double> AlsRowByGradients(HostMatrix<const float> fixed, std::span<const int32_t> indices,
                                      std::span<const float> weights, std::span<const float> targets,
                                      double unobserved_weight, double regularization, std::vector<double> x,
                                      int64_t n_steps);
/// The same system from x by sweeps over blocks of factors, each solved while the others stay.
std::vector<double> AlsRowByBlocks(HostMatrix<const float> fixed, std::span<const int32_t> indices,
                                   std::span<const float> weights, std::span<const float> targets,
                                   double unobserved_weight, double regularization, std::vector<double> x,
                                   int64_t n_sweeps, int64_t block_size);

/// The objective of AlsHalfStep at x, plus sum b^2/w over w > 0.
double AlsRowLoss(HostMatrix<const float> fixed, std::span<const int32_t> indices, std::span<const float> weights,
                  std::span<const float> targets, double unobserved_weight, double regularization,
                  std::span<const double> x);

/// A query's history and what its items say of others.
struct History {
  CsrView item_item;
  std::span<const int32_t> items;
  std::span<const float> weights;
};

/// The defined score and a full sort. At most n, best first.
std::vector<Ranked> TopN(std::span<const float> query, HostMatrix<const float> items, std::span<const int32_t> excluded,
                         int64_t n, const History& history = {});

}  // namespace kindred::reference
