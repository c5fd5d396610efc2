#include "host/clustering/point_filter.h"

#include <algorithm>
#include <cmath>

namespace kindred {
namespace {

double Median(const WeightedPoints& points, int64_t feature, std::vector<double>* column) {
  for (int64_t i = 0; i < points.n; ++i) (*column)[static_cast<size_t>(i)] = points.row(i)[feature];
  const auto middle = column->begin() + points.n / 2;
  std::nth_element(column->begin(), middle, column->end());
  return *middle;
}

}  // namespace

PointFilter::PointFilter(const WeightedPoints& points)
    : simd_(SimdDistancesOf(DetectSimdLevel())), n_features_(points.n_features) {
  if (points.n == 0) return;
  std::vector<double> column(static_cast<size_t>(points.n));
  double largest = 0;
  for (int64_t f = 0; f < n_features_; ++f) {
    centre_.push_back(Median(points, f, &column));
    for (const double value : column) largest = std::max(largest, std::fabs(value - centre_.back()));
  }
  if (largest > 0) scale_ = std::ldexp(1, -std::ilogb(largest) - 1);
  const int64_t n_blocks = (points.n + kBlockPoints - 1) / kBlockPoints, lines = kBlockPoints / 16;
  blocks_.resize(static_cast<size_t>(n_blocks * n_features_ * lines));
  factors_.resize(static_cast<size_t>(n_blocks * lines));
  slacks_.resize(static_cast<size_t>(n_blocks * lines));
  for (int64_t i = 0; i < points.n; ++i) Put(i, points.row(i));
}

void PointFilter::Put(int64_t slot, const double* point) {
  double square = 0;
  for (int64_t f = 0; f < n_features_; ++f) {
    const auto value = static_cast<float>((point[f] - centre_[static_cast<size_t>(f)]) * scale_);
    At(slot, f) = value;
    square += static_cast<double>(value) * value;
  }
  Slack(slot) = static_cast<float>(0x1p-34 * square + 1e-30);
}

void PointFilter::Move(int64_t from, int64_t to) {
  for (int64_t f = 0; f < n_features_; ++f) At(to, f) = At(from, f);
  Factor(to) = Factor(from);
  Slack(to) = Slack(from);
}

PointFilter::Query PointFilter::MakeQuery(int64_t slot) const {
  Query query = {std::vector<float>(static_cast<size_t>(n_features_)), Slack(slot)};
  for (int64_t f = 0; f < n_features_; ++f) query.point[static_cast<size_t>(f)] = At(slot, f);
  return query;
}

void PointFilter::FindNear(const Query& query, int64_t first, int64_t n_blocks, double constant, double factor,
                           uint64_t* near) const {
  const double wider = 1 + 0x1p-10 + 0x1p-22 * static_cast<double>(n_features_);
  const DistanceLimits limits = {static_cast<float>(constant * wider) + query.slack, static_cast<float>(factor * wider),
                                 &Factor(first * kBlockPoints), &Slack(first * kBlockPoints)};
  simd_.find_near(BlockAt(first), n_blocks, n_features_, query.point.data(), limits, near);
}

int64_t PointFilter::slots_per_task() const {
  constexpr int64_t kFloatsPerTask = int64_t{1} << 18;
  return kBlockPoints * std::max<int64_t>(1, kFloatsPerTask / (kBlockPoints * std::max<int64_t>(1, n_features_)));
}

}  // namespace kindred
