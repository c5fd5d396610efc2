#include "tests/reference/clusters.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kindred::reference {
namespace {

double Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t j = 0; j < a.size(); ++j) sum += double{a[j]} * double{b[j]};
  return sum;
}

double SquaredDistance(std::span<const float> x, std::span<const float> c) {
  return std::max(0.0, Dot(x, x) + (Dot(c, c) - 2 * Dot(x, c)));
}

int Bits(int64_t n) {
  int bits = 0;
  while (n > 0) {
    n /= 2;
    ++bits;
  }
  return bits;
}

// The largest power of two by which the value remains below 2^b.
int Power(double most, int64_t n) {
  if (most == 0) return 0;
  int power = 0;
  const double limit = std::ldexp(1.0, std::min(51, 62 - Bits(n)));
  while (std::ldexp(most, power) < limit) ++power;
  while (std::ldexp(most, power) >= limit) --power;
  return power;
}

}  // namespace

Assignment Assign(HostMatrix<const float> points, HostMatrix<const float> centroids) {
  Assignment found;
  for (int64_t p = 0; p < points.n_rows; ++p) {
    const auto x = points.row(p);
    double least = std::numeric_limits<double>::infinity(), next = least;
    int32_t label = 0;
    for (int64_t c = 0; c < centroids.n_rows; ++c) {
      const auto y = centroids.row(c);
      const double key = Dot(y, y) - 2 * Dot(x, y);
      if (key < least) {
        next = least;
        least = key;
        label = static_cast<int32_t>(c);
      } else if (key < next) {
        next = key;
      }
    }
    found.labels.push_back(label);
    found.distances.push_back(std::max(0.0, Dot(x, x) + least));
    found.other_distances.push_back(std::max(0.0, Dot(x, x) + next));
  }
  return found;
}

Lloyd::Lloyd(HostMatrix<const float> points, std::vector<float> centroids)
    : points_(points), centroids_(std::move(centroids)), labels_(static_cast<size_t>(points.n_rows), -1) {}

int64_t Lloyd::Step() {
  const int64_t d = points_.n_cols, k = static_cast<int64_t>(centroids_.size()) / d;
  const Assignment found = Assign(points_, {centroids_.data(), k, d});
  int64_t n_changed = 0;
  for (size_t p = 0; p < labels_.size(); ++p) {
    n_changed += labels_[p] != found.labels[p];
    labels_[p] = found.labels[p];
  }
  FillEmpty(found);
  shift_ = 0;
  std::vector<int> powers;
  for (int64_t j = 0; j < d; ++j) {
    double most = 0;
    for (int64_t p = 0; p < points_.n_rows; ++p) most = std::max(most, std::fabs(double{points_.row(p)[j]}));
    powers.push_back(Power(most, points_.n_rows));
  }
  for (int64_t c = 0; c < k; ++c) {
    std::vector<int64_t> sums(static_cast<size_t>(d));
    int64_t count = 0;
    for (int64_t p = 0; p < points_.n_rows; ++p) {
      if (labels_[static_cast<size_t>(p)] != c) continue;
      ++count;
      for (size_t j = 0; j < sums.size(); ++j) sums[j] += std::llrint(std::ldexp(double{points_.row(p)[j]}, powers[j]));
    }
    if (count == 0) continue;
    double way = 0;
    for (size_t j = 0; j < sums.size(); ++j) {
      float& place = centroids_[static_cast<size_t>(c * d) + j];
      const auto mean =
          static_cast<float>(std::ldexp(static_cast<double>(sums[j]) / static_cast<double>(count), -powers[j]));
      const float step = mean - place;
      way += double{step} * double{step};
      place = mean;
    }
    shift_ += way;
  }
  return n_changed;
}

void Lloyd::FillEmpty(const Assignment& found) {
  const int64_t k = static_cast<int64_t>(centroids_.size()) / points_.n_cols;
  std::vector<int64_t> counts(static_cast<size_t>(k));
  for (int32_t label : labels_) ++counts[static_cast<size_t>(label)];
  std::vector<bool> moved(labels_.size());
  for (size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] > 0) continue;
    size_t farthest = labels_.size();
    double most = 0;
    for (size_t p = 0; p < labels_.size(); ++p)
      if (!moved[p] && found.distances[p] > most && counts[static_cast<size_t>(labels_[p])] > 1) {
        most = found.distances[p];
        farthest = p;
      }
    if (farthest == labels_.size()) return;
    --counts[static_cast<size_t>(labels_[farthest])];
    labels_[farthest] = static_cast<int32_t>(c);
    counts[c] = 1;
    moved[farthest] = true;
  }
}

std::vector<int32_t> Seeds(HostMatrix<const float> points, std::span<const uint64_t> draws, int64_t k,
                           int64_t n_trials) {
  const int64_t n = points.n_rows;
  const auto part = [](uint64_t r, uint64_t of) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(r) * of) >> 64);
  };
  std::vector<int32_t> chosen(static_cast<size_t>(k), -1);
  if (n == 0 || k == 0) return chosen;
  chosen[0] = static_cast<int32_t>(part(draws[0], static_cast<uint64_t>(n)));
  std::vector<double> nearest(static_cast<size_t>(n), std::numeric_limits<double>::infinity());
  for (int64_t i = 1; i < k; ++i) {
    double most = 0;
    for (int64_t p = 0; p < n; ++p) {
      double& m = nearest[static_cast<size_t>(p)];
      m = std::min(m, SquaredDistance(points.row(p), points.row(chosen[static_cast<size_t>(i - 1)])));
      most = std::max(most, m);
    }
    if (most == 0) return chosen;
    const int power = Power(most, n);
    const auto weight = [&](double m) { return static_cast<uint64_t>(std::llrint(std::ldexp(m, power))); };
    uint64_t total = 0;
    for (double m : nearest) total += weight(m);
    uint64_t least = std::numeric_limits<uint64_t>::max();
    for (int64_t t = 0; t < n_trials; ++t) {
      uint64_t before = part(draws[static_cast<size_t>(i * n_trials + t)], total);
      int64_t p = 0;
      while (before >= weight(nearest[static_cast<size_t>(p)])) before -= weight(nearest[static_cast<size_t>(p++)]);
      uint64_t left = 0;
      for (int64_t q = 0; q < n; ++q)
        left += weight(std::min(nearest[static_cast<size_t>(q)], SquaredDistance(points.row(q), points.row(p))));
      if (left < least) {
        least = left;
        chosen[static_cast<size_t>(i)] = static_cast<int32_t>(p);
      }
    }
  }
  return chosen;
}

std::vector<double> Silhouettes(HostMatrix<const float> points, std::span<const int32_t> labels, int64_t n_clusters) {
  const auto is_member = [&](size_t p) { return labels[p] >= 0 && labels[p] < n_clusters; };
  std::vector<double> silhouettes(labels.size());
  for (size_t p = 0; p < labels.size(); ++p) {
    if (!is_member(p)) continue;
    std::vector<double> sums(static_cast<size_t>(n_clusters)), counts(sums.size());
    for (size_t q = 0; q < labels.size(); ++q) {
      if (!is_member(q)) continue;
      double squares = 0;
      for (int64_t j = 0; j < points.n_cols; ++j) {
        const double way = double{points.row(static_cast<int64_t>(p))[static_cast<size_t>(j)]} -
                           double{points.row(static_cast<int64_t>(q))[static_cast<size_t>(j)]};
        squares += way * way;
      }
      sums[static_cast<size_t>(labels[q])] += std::sqrt(squares);
      ++counts[static_cast<size_t>(labels[q])];
    }
    const auto own = static_cast<size_t>(labels[p]);
    double b = std::numeric_limits<double>::infinity();
    for (size_t c = 0; c < sums.size(); ++c)
      if (c != own && counts[c] > 0) b = std::min(b, sums[c] / counts[c]);
    if (counts[own] < 2 || std::isinf(b)) continue;
    const double a = sums[own] / (counts[own] - 1);
    if (std::max(a, b) > 0) silhouettes[p] = (b - a) / std::max(a, b);
  }
  return silhouettes;
}

}  // namespace kindred::reference
