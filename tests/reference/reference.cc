#include "tests/reference/reference.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace kindred::reference {

std::vector<double> Gram(HostMatrix<const float> a) {
  const int64_t f = a.n_cols;
  std::vector<double> gram(static_cast<size_t>(f * f), 0);
  for (int64_t r = 0; r < a.n_rows; ++r)
    for (int64_t i = 0; i < f; ++i)
      for (int64_t j = 0; j < f; ++j)
        gram[static_cast<size_t>(i * f + j)] += static_cast<double>(a.row(r)[i]) * static_cast<double>(a.row(r)[j]);
  return gram;
}

std::vector<double> AlsRow(HostMatrix<const float> fixed, std::span<const int32_t> indices,
                           std::span<const float> weights, std::span<const float> targets, double unobserved_weight,
                           double regularization) {
  const auto f = static_cast<size_t>(fixed.n_cols);
  std::vector<double> a = Gram(fixed);
  std::vector<double> x(f, 0);
  for (double& v : a) v *= unobserved_weight;
  for (size_t k = 0; k < f; ++k) a[k * f + k] += regularization;
  for (size_t e = 0; e < indices.size(); ++e) {
    const auto y = fixed.row(indices[e]);
    for (size_t i = 0; i < f; ++i) {
      for (size_t j = 0; j < f; ++j) a[i * f + j] += static_cast<double>(weights[e]) * y[i] * y[j];
      x[i] += static_cast<double>(targets[e]) * y[i];
    }
  }
  for (size_t k = 0; k < f; ++k) {
    size_t pivot = k;
    for (size_t i = k + 1; i < f; ++i)
      if (std::abs(a[i * f + k]) > std::abs(a[pivot * f + k])) pivot = i;
    for (size_t j = 0; j < f; ++j) std::swap(a[k * f + j], a[pivot * f + j]);
    std::swap(x[k], x[pivot]);
    for (size_t i = k + 1; i < f; ++i) {
      const double factor = a[i * f + k] / a[k * f + k];
      for (size_t j = k; j < f; ++j) a[i * f + j] -= factor * a[k * f + j];
      x[i] -= factor * x[k];
    }
  }
  for (size_t k = f; k-- > 0;) {
    for (size_t j = k + 1; j < f; ++j) x[k] -= a[k * f + j] * x[j];
    x[k] /= a[k * f + k];
  }
  return x;
}

double AlsRowLoss(HostMatrix<const float> fixed, std::span<const int32_t> indices, std::span<const float> weights,
                  std::span<const float> targets, double unobserved_weight, double regularization,
                  std::span<const double> x) {
  const auto dot = [&](int64_t r) {
    double sum = 0;
    for (size_t k = 0; k < x.size(); ++k) sum += fixed.row(r)[k] * x[k];
    return sum;
  };
  double loss = 0;
  for (double v : x) loss += regularization * v * v;
  for (int64_t r = 0; r < fixed.n_rows; ++r) loss += unobserved_weight * dot(r) * dot(r);
  for (size_t e = 0; e < indices.size(); ++e) {
    const double w = weights[e], b = targets[e], score = dot(indices[e]);
    loss += w * score * score - 2 * b * score + (w > 0 ? b * b / w : 0);
  }
  return loss;
}

std::vector<Ranked> TopN(std::span<const float> query, HostMatrix<const float> items, std::span<const int32_t> excluded,
                         int64_t n) {
  std::vector<Ranked> all;
  for (int32_t i = 0; i < items.n_rows; ++i) {
    if (std::find(excluded.begin(), excluded.end(), i) != excluded.end()) continue;
    double sum = 0;
    for (size_t k = 0; k < query.size(); ++k) sum += static_cast<double>(query[k]) * items.row(i)[k];
    if (!std::isnan(static_cast<float>(sum))) all.push_back({i, static_cast<float>(sum)});
  }
  std::stable_sort(all.begin(), all.end(), [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  all.resize(std::min(all.size(), static_cast<size_t>(std::max<int64_t>(n, 0))));
  return all;
}

}  // namespace kindred::reference
