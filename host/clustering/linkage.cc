#include "host/clustering/linkage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "host/clustering/linkage_steps.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr struct {
  LinkageMethod method;
  const char* text;
} kMethods[] = {{LinkageMethod::kWard, "ward"},
                {LinkageMethod::kAverage, "average"},
                {LinkageMethod::kComplete, "complete"},
                {LinkageMethod::kSingle, "single"}};

void Check(const HostMatrix<const float>& points, std::span<const double> weights) {
  constexpr int64_t kMostPoints = int64_t{1} << 30;
  if (points.n_rows > kMostPoints)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("a linkage of {} points; at most {} can be numbered", points.n_rows, kMostPoints));
  for (int64_t r = 0; r < points.n_rows; ++r)
    for (int64_t f = 0; f < points.n_cols; ++f)
      if (const float value = points.row(r)[static_cast<size_t>(f)]; !std::isfinite(value))
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("point {}, feature {}: {} is not a finite number", r, f, value), r);
  if (weights.empty()) return;
  if (static_cast<int64_t>(weights.size()) != points.n_rows)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} weights for {} points; expected one a point", weights.size(), points.n_rows));
  for (size_t r = 0; r < weights.size(); ++r)
    if (!(weights[r] >= kLeastLinkageWeight && weights[r] <= kMostLinkageWeight))
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("point {}: its weight is {}; expected {} to {}", r, weights[r], kLeastLinkageWeight,
                              kMostLinkageWeight),
                  static_cast<int64_t>(r));
}

/// Points without those equal to one before them.
struct DistinctPoints {
  WeightedPoints points;
  std::vector<int32_t> first;         // of each, the index of the first point that it is
  std::vector<PairMerge> duplicates;  // merges of height 0 of the first with the others
};

DistinctPoints Distinct(const HostMatrix<const float>& points, std::span<const double> weights) {
  const auto n = static_cast<size_t>(points.n_rows);
  std::vector<int32_t> order(n), same_as(n);
  std::iota(order.begin(), order.end(), 0);
  const auto compare = [&](int32_t a, int32_t b) {
    const auto row_a = points.row(a), row_b = points.row(b);
    return std::lexicographical_compare_three_way(row_a.begin(), row_a.end(), row_b.begin(), row_b.end());
  };
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    const auto way = compare(a, b);
    return way != 0 ? way < 0 : a < b;
  });
  for (size_t i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(order[i]);
    same_as[at] = i > 0 && compare(order[i - 1], order[i]) == 0 ? same_as[static_cast<size_t>(order[i - 1])] : order[i];
  }

  DistinctPoints distinct;
  distinct.points.n_features = points.n_cols;
  std::vector<int32_t> place(n);
  for (size_t i = 0; i < n; ++i) {
    const double weight = weights.empty() ? 1 : weights[i];
    if (const int32_t first = same_as[i]; first != static_cast<int32_t>(i)) {
      distinct.points.weights[static_cast<size_t>(place[static_cast<size_t>(first)])] += weight;
      distinct.duplicates.push_back({first, static_cast<int32_t>(i), 0});
      continue;
    }
    place[i] = static_cast<int32_t>(distinct.first.size());
    distinct.first.push_back(static_cast<int32_t>(i));
    const auto row = points.row(static_cast<int64_t>(i));
    distinct.points.values.insert(distinct.points.values.end(), row.begin(), row.end());
    distinct.points.weights.push_back(weight);
  }
  distinct.points.n = static_cast<int64_t>(distinct.first.size());
  return distinct;
}

/// Numbers the clusters of merges that are in order of height.
std::vector<Merge> Numbered(const std::vector<PairMerge>& pairs, int64_t n_points, std::span<const double> weights) {
  const auto n = static_cast<size_t>(n_points);
  std::vector<int32_t> parent(n), cluster(n);  // cluster: of a root, the number it goes by
  std::vector<double> size(n, 1);
  std::iota(parent.begin(), parent.end(), 0);
  std::iota(cluster.begin(), cluster.end(), 0);
  std::copy(weights.begin(), weights.end(), size.begin());
  const auto root = [&](int32_t i) {
    while (parent[static_cast<size_t>(i)] != i) {
      int32_t& up = parent[static_cast<size_t>(i)];
      i = up = parent[static_cast<size_t>(up)];
    }
    return static_cast<size_t>(i);
  };
  std::vector<Merge> merges;
  merges.reserve(pairs.size());
  for (const PairMerge& pair : pairs) {
    const size_t a = root(pair.a), b = root(pair.b);
    const auto [low, high] = std::minmax(cluster[a], cluster[b]);
    size[b] += size[a];
    merges.push_back({low, high, pair.height, size[b]});
    parent[a] = static_cast<int32_t>(b);
    cluster[b] = static_cast<int32_t>(n_points + static_cast<int64_t>(merges.size()) - 1);
  }
  return merges;
}

}  // namespace

const char* Text(LinkageMethod method) {
  for (const auto& known : kMethods)
    if (known.method == method) return known.text;
  return "";
}

LinkageMethod ParseLinkageMethod(std::string_view text) {
  for (const auto& known : kMethods)
    if (known.text == text) return known.method;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is no linkage; expected ward, average, complete or single", Printable(text)));
}

double SquaredDistance(const double* a, const double* b, int64_t n_features) {
  double sums[4] = {};
  int64_t f = 0;
  for (; f + 4 <= n_features; f += 4)
    for (int64_t i = 0; i < 4; ++i) sums[i] += (a[f + i] - b[f + i]) * (a[f + i] - b[f + i]);
  for (; f < n_features; ++f) sums[0] += (a[f] - b[f]) * (a[f] - b[f]);
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

std::vector<Merge> Linkage(const HostMatrix<const float>& points, std::span<const double> weights, LinkageMethod method,
                           ThreadPool* pool) {
  Check(points, weights);
  DistinctPoints distinct = Distinct(points, weights);
  std::vector<PairMerge> pairs;
  switch (method) {
    case LinkageMethod::kWard:
      pairs = MergeByWard(std::move(distinct.points), pool);
      break;
    case LinkageMethod::kAverage:
    case LinkageMethod::kComplete:
      pairs = MergeByMatrix(distinct.points, method == LinkageMethod::kComplete, pool);
      break;
    case LinkageMethod::kSingle:
      pairs = MergeBySpanningTree(std::move(distinct.points), pool);
      break;
  }
  std::vector<PairMerge> all = std::move(distinct.duplicates);
  all.reserve(all.size() + pairs.size());
  for (const PairMerge& pair : pairs)
    all.push_back(
        {distinct.first[static_cast<size_t>(pair.a)], distinct.first[static_cast<size_t>(pair.b)], pair.height});
  std::stable_sort(all.begin(), all.end(), [](const PairMerge& a, const PairMerge& b) { return a.height < b.height; });
  return Numbered(all, points.n_rows, weights);
}

}  // namespace kindred
