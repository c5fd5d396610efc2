// Small dense systems in double, for tests: plain Gaussian elimination with pivoting.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "host/models/model.h"

namespace kindred {

using Dense = std::vector<std::vector<double>>;

/// The x of a x = b.
inline std::vector<double> SolveDense(Dense a, std::vector<double> b) {
  const size_t n = b.size();
  for (size_t c = 0; c < n; ++c) {
    size_t pivot = c;
    for (size_t r = c; r < n; ++r)
      if (std::abs(a[r][c]) > std::abs(a[pivot][c])) pivot = r;
    std::swap(a[c], a[pivot]);
    std::swap(b[c], b[pivot]);
    for (size_t r = c + 1; r < n; ++r) {
      const double factor = a[r][c] / a[c][c];
      for (size_t k = c; k < n; ++k) a[r][k] -= factor * a[c][k];
      b[r] -= factor * b[c];
    }
  }
  for (size_t c = n; c-- > 0;) {
    for (size_t k = c + 1; k < n; ++k) b[c] -= a[c][k] * b[k];
    b[c] /= a[c][c];
  }
  return b;
}

/// a0 diag(e) + sum_j w_j y_j y_jt + l I of a history; w is 1 for a model of ratings.
inline Dense RowMatrix(const ModelView& model, std::span<const int32_t> items, std::span<const float> values) {
  const auto f = static_cast<size_t>(model.n_factors());
  const double l = model.objective.RowRegularization(static_cast<int64_t>(items.size()), model.n_items());
  Dense a(f, std::vector<double>(f, 0));
  for (size_t r = 0; r < f; ++r) {
    a[r][r] = double{model.objective.unobserved_weight} * model.eigenvalues[r] + l;
    for (size_t c = 0; c < f; ++c)
      for (size_t j = 0; j < items.size(); ++j) {
        const auto y = model.item_factors.row(items[j]);
        a[r][c] += (model.has_ratings() ? 1.0 : double{values[j]}) * y[r] * y[c];
      }
  }
  return a;
}

inline std::vector<double> ToDouble(std::span<const float> v) {
  return {v.begin(), v.end()};
}

inline double DotDense(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}

}  // namespace kindred
