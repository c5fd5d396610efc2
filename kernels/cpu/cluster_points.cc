#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "kernels/cpu/clusters.h"
#include "kernels/require.h"

namespace kindred {

void CpuClusterPoints::Free::operator()(float* p) const {
  std::free(p);
}

double SquaredLength(const float* c, int64_t n) {
  return ProductInDouble(c, c, n);
}

double ProductInDouble(const float* x, const float* c, int64_t n) {
  double sum = 0;
  for (int64_t j = 0; j < n; ++j) sum += static_cast<double>(x[j]) * static_cast<double>(c[j]);
  return sum;
}

CpuClusterPoints::CpuClusterPoints(CpuContext& context, MatrixView<const float> points)
    : ClusterPoints(points.n_rows, points.n_cols),
      rows_(points.data),
      squared_(static_cast<size_t>(points.n_rows)),
      norms_(static_cast<size_t>(CountPanels(points.n_rows) * kPanelWidth)),
      scales_(static_cast<size_t>(points.n_cols)) {
  const int64_t n = n_points(), d = n_features();
  const auto bytes = static_cast<size_t>(std::max<int64_t>(CountPanels(n) * kPanelWidth * d, 1)) * sizeof(float);
  panels_.reset(static_cast<float*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)));
  if (!panels_) throw Error(ErrorCode::kOutOfMemory, "no " + std::to_string(bytes) + " bytes of memory for points");

  std::vector<float> largest(static_cast<size_t>(n_tasks() * d));
  std::vector<int64_t> not_finite(static_cast<size_t>(n_tasks()), -1);
  context.Run(n_tasks(), [&](int64_t task, int) {
    const int64_t begin = task * kTaskPoints, end = std::min(n, begin + kTaskPoints);
    float* most = largest.data() + task * d;
    for (int64_t p = begin; p < end; ++p) {
      const float* x = row(p);
      bool finite = true;
      for (int64_t j = 0; j < d; ++j) {
        most[j] = std::max(most[j], std::fabs(x[j]));
        finite = finite && std::isfinite(x[j]);
      }
      if (!finite && not_finite[static_cast<size_t>(task)] < 0) not_finite[static_cast<size_t>(task)] = p;
      squared_[static_cast<size_t>(p)] = SquaredLength(x, d);
      norms_[static_cast<size_t>(p)] = static_cast<float>(std::sqrt(squared_[static_cast<size_t>(p)]) * (1 + 0x1p-22));
    }
    std::vector<int64_t> members;
    for (int64_t first = begin; first < end; first += kPanelWidth) {
      members.clear();
      for (int64_t p = first; p < std::min(end, first + kPanelWidth); ++p) members.push_back(p);
      Gather(members, panels_.get() + first * d);
    }
  });
  for (int64_t p : not_finite)
    if (p >= 0) {
      context.Fail(NotFinitePoint(p));
      break;
    }
  for (int64_t j = 0; j < d; ++j) {
    float most = 0;
    for (int64_t task = 0; task < n_tasks(); ++task) most = std::max(most, largest[static_cast<size_t>(task * d + j)]);
    scales_[static_cast<size_t>(j)] = std::isfinite(most) ? std::ldexp(1.0, ClusterScale(most, n)) : 0;
  }
}

void CpuClusterPoints::Gather(std::span<const int64_t> points, float* panel) const {
  const int64_t d = n_features();
  for (int64_t i = 0; i < kPanelWidth; ++i) {
    if (i < std::ssize(points)) {
      const float* x = row(points[static_cast<size_t>(i)]);
      for (int64_t j = 0; j < d; ++j) panel[j * kPanelWidth + i] = x[j];
    } else {
      for (int64_t j = 0; j < d; ++j) panel[j * kPanelWidth + i] = 0;
    }
  }
}

std::unique_ptr<ClusterPoints> CpuBackend::NewClusterPoints(Context& context, MatrixView<const float> points) {
  RequireClusterPoints(points);
  return std::make_unique<CpuClusterPoints>(static_cast<CpuContext&>(context), points);
}

}  // namespace kindred
