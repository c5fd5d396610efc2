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

std::vector<double> SparseProduct(const CsrView& a, HostMatrix<const float> b) {
  const auto width = static_cast<size_t>(b.n_cols);
  std::vector<double> product(static_cast<size_t>(a.n_rows) * width, 0);
  for (int64_t r = 0; r < a.n_rows; ++r)
    for (size_t e = 0; e < a.row(r).size(); ++e)
      for (size_t k = 0; k < width; ++k)
        product[static_cast<size_t>(r) * width + k] += double{a.row_values(r)[e]} * b.row(a.row(r)[e])[k];
  return product;
}

std::vector<std::vector<Ranked>> SparseTopK(const CsrView& left, const CsrView& right,
                                            std::span<const float> column_scale, bool skip_diagonal, int64_t k) {
  std::vector<std::vector<Ranked>> rows(static_cast<size_t>(left.n_rows));
  for (int64_t r = 0; r < left.n_rows; ++r) {
    std::vector<double> sums(static_cast<size_t>(right.n_cols), 0);
    for (size_t e = 0; e < left.row(r).size(); ++e)
      for (size_t o = 0; o < right.row(left.row(r)[e]).size(); ++o)
        sums[static_cast<size_t>(right.row(left.row(r)[e])[o])] +=
            double{left.row_values(r)[e]} * double{right.row_values(left.row(r)[e])[o]};
    std::vector<Ranked>& row = rows[static_cast<size_t>(r)];
    for (int32_t c = 0; c < right.n_cols; ++c) {
      const double scale = column_scale.empty() ? 1 : column_scale[static_cast<size_t>(c)];
      const auto value = static_cast<float>(scale * sums[static_cast<size_t>(c)]);
      if (value > 0 && !(skip_diagonal && c == r)) row.push_back({c, value});
    }
    std::stable_sort(row.begin(), row.end(), [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
    row.resize(std::min(row.size(), static_cast<size_t>(k)));
    std::sort(row.begin(), row.end(), [](const Ranked& a, const Ranked& b) { return a.item < b.item; });
  }
  return rows;
}

std::vector<double> Inverse(std::span<const double> a, int64_t n_rows) {
  const auto n = static_cast<size_t>(n_rows);
  std::vector<double> rest(a.begin(), a.end()), inverse(n * n, 0);
  for (size_t i = 0; i < n; ++i) inverse[i * n + i] = 1;
  for (size_t k = 0; k < n; ++k) {
    size_t pivot = k;
    for (size_t i = k + 1; i < n; ++i)
      if (std::abs(rest[i * n + k]) > std::abs(rest[pivot * n + k])) pivot = i;
    const double by = rest[pivot * n + k];
    for (size_t j = 0; j < n; ++j) {
      std::swap(rest[k * n + j], rest[pivot * n + j]);
      std::swap(inverse[k * n + j], inverse[pivot * n + j]);
      rest[k * n + j] /= by;
      inverse[k * n + j] /= by;
    }
    for (size_t i = 0; i < n; ++i) {
      const double factor = rest[i * n + k];
      if (i == k || factor == 0) continue;
      for (size_t j = 0; j < n; ++j) {
        rest[i * n + j] -= factor * rest[k * n + j];
        inverse[i * n + j] -= factor * inverse[k * n + j];
      }
    }
  }
  return inverse;
}

namespace {

// a0 YtY + sum w y yt + l I, and sum b y.
struct System {
  System(HostMatrix<const float> fixed, std::span<const int32_t> indices, std::span<const float> weights,
         std::span<const float> targets, double unobserved_weight, double regularization)
      : f(static_cast<size_t>(fixed.n_cols)), a(Gram(fixed)), right(f, 0) {
    for (double& v : a) v *= unobserved_weight;
    for (size_t k = 0; k < f; ++k) {
      a[k * f + k] += regularization;
      diagonal.push_back(a[k * f + k]);
    }
    for (size_t e = 0; e < indices.size(); ++e) {
      const auto y = fixed.row(indices[e]);
      for (size_t i = 0; i < f; ++i) {
        for (size_t j = 0; j < f; ++j) a[i * f + j] += static_cast<double>(weights[e]) * y[i] * y[j];
        right[i] += static_cast<double>(targets[e]) * y[i];
      }
    }
  }

  size_t f;
  std::vector<double> a, right;
  std::vector<double> diagonal;  // without the entries
};

// a x = b, n x n.
std::vector<double> Eliminate(std::vector<double> a, std::vector<double> x) {
  const size_t n = x.size();
  for (size_t k = 0; k < n; ++k) {
    size_t pivot = k;
    for (size_t i = k + 1; i < n; ++i)
      if (std::abs(a[i * n + k]) > std::abs(a[pivot * n + k])) pivot = i;
    for (size_t j = 0; j < n; ++j) std::swap(a[k * n + j], a[pivot * n + j]);
    std::swap(x[k], x[pivot]);
    for (size_t i = k + 1; i < n; ++i) {
      const double factor = a[i * n + k] / a[k * n + k];
      for (size_t j = k; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
      x[i] -= factor * x[k];
    }
  }
  for (size_t k = n; k-- > 0;) {
    for (size_t j = k + 1; j < n; ++j) x[k] -= a[k * n + j] * x[j];
    x[k] /= a[k * n + k];
  }
  return x;
}

}  // namespace

std::vector<double> AlsRow(HostMatrix<const float> fixed, std::span<const int32_t> indices,
                           std::span<const float> weights, std::span<const float> targets, double unobserved_weight,
                           double regularization) {
  System system(fixed, indices, weights, targets, unobserved_weight, regularization);
  return Eliminate(std::move(system.a), std::move(system.right));
}

std::vector<double> AlsRowByGradients(HostMatrix<const float> fixed, std::span<const int32_t> indices,
                                      std::span<const float> weights, std::span<const float> targets,
                                      double unobserved_weight, double regularization, std::vector<double> x,
                                      int64_t n_steps) {
  const System system(fixed, indices, weights, targets, unobserved_weight, regularization);
  const size_t f = system.f;
  const auto times = [&](const std::vector<double>& v) {
    std::vector<double> product(f, 0);
    for (size_t i = 0; i < f; ++i)
      for (size_t j = 0; j < f; ++j) product[i] += system.a[i * f + j] * v[j];
    return product;
  };
  const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
    return sum;
  };
  std::vector<double> residual = times(x), direction(f);
  for (size_t k = 0; k < f; ++k) {
    residual[k] = system.right[k] - residual[k];
    direction[k] = residual[k] / system.diagonal[k];
  }
  double squared = dot(residual, direction);
  for (int64_t step = 0; step < n_steps && squared > 0; ++step) {
    const std::vector<double> image = times(direction);
    const double length = squared / dot(direction, image), last = squared;
    std::vector<double> scaled(f);
    for (size_t k = 0; k < f; ++k) {
      x[k] += length * direction[k];
      residual[k] -= length * image[k];
      scaled[k] = residual[k] / system.diagonal[k];
    }
    squared = dot(residual, scaled);
    for (size_t k = 0; k < f; ++k) direction[k] = scaled[k] + squared / last * direction[k];
  }
  return x;
}

std::vector<double> AlsRowByBlocks(HostMatrix<const float> fixed, std::span<const int32_t> indices,
                                   std::span<const float> weights, std::span<const float> targets,
                                   double unobserved_weight, double regularization, std::vector<double> x,
                                   int64_t n_sweeps, int64_t block_size) {
  const System system(fixed, indices, weights, targets, unobserved_weight, regularization);
  const size_t f = system.f;
  for (int64_t sweep = 0; sweep < n_sweeps; ++sweep) {
    for (size_t first = 0; first < f; first += static_cast<size_t>(block_size)) {
      const size_t end = std::min(f, first + static_cast<size_t>(block_size)), n = end - first;
      std::vector<double> block(n * n), right(n);
      for (size_t i = 0; i < n; ++i) {
        right[i] = system.right[first + i];
        for (size_t j = 0; j < f; ++j) {
          const double a = system.a[(first + i) * f + j];
          if (j >= first && j < end)
            block[i * n + j - first] = a;
          else
            right[i] -= a * x[j];
        }
      }
      const std::vector<double> solved = Eliminate(std::move(block), std::move(right));
      std::copy(solved.begin(), solved.end(), x.begin() + static_cast<int64_t>(first));
    }
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
                         int64_t n, const History& history) {
  std::vector<double> from_history(static_cast<size_t>(items.n_rows));
  for (size_t place = 0; place < history.items.size(); ++place) {
    const auto columns = history.item_item.row(history.items[place]);
    const auto values = history.item_item.row_values(history.items[place]);
    for (size_t e = 0; e < columns.size(); ++e)
      from_history[static_cast<size_t>(columns[e])] += static_cast<double>(history.weights[place]) * values[e];
  }
  std::vector<Ranked> all;
  for (int32_t i = 0; i < items.n_rows; ++i) {
    if (std::binary_search(excluded.begin(), excluded.end(), i)) continue;
    double sum = 0;
    for (size_t k = 0; k < query.size(); ++k) sum += static_cast<double>(query[k]) * items.row(i)[k];
    sum += from_history[static_cast<size_t>(i)];
    if (!std::isnan(static_cast<float>(sum))) all.push_back({i, static_cast<float>(sum)});
  }
  std::stable_sort(all.begin(), all.end(), [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  all.resize(std::min(all.size(), static_cast<size_t>(std::max<int64_t>(n, 0))));
  return all;
}

}  // namespace kindred::reference
