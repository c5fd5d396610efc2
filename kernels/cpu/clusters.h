// What the CPU's clustering operations share: points with their panels, and the scratch of one worker.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/backend.h"

namespace kindred {

class CpuClusterPoints : public ClusterPoints {
 public:
  /// Points of a task: what stays in a core's cache while all runs look at it.
  static constexpr int64_t kTaskPoints = 512;

  CpuClusterPoints(CpuContext& context, MatrixView<const float> points);

  const float* row(int64_t p) const { return rows_ + p * n_features(); }
  /// The panel (kernels/cpu/simd.h) that point p, a multiple of kPanelWidth, begins; zeros behind the last point.
  const float* panel(int64_t p) const { return panels_.get() + p * n_features(); }
  const double* squared() const { return squared_.data(); }  // x.x, as defined
  double squared(int64_t p) const { return squared_[static_cast<size_t>(p)]; }
  /// |x|, not below; of whole panels.
  const float* norms() const { return norms_.data(); }
  float norm(int64_t p) const { return norms_[static_cast<size_t>(p)]; }
  std::span<const double> scales() const { return scales_; }  // 2^e of each feature
  int64_t n_tasks() const { return (n_points() + kTaskPoints - 1) / kTaskPoints; }

  /// Writes `count` points, at most kPanelWidth, as a panel; zeros behind them.
  void Gather(std::span<const int64_t> points, float* panel) const;

 private:
  struct Free {
    void operator()(float* p) const;
  };
  const float* rows_;
  std::unique_ptr<float, Free> panels_;
  std::vector<double> squared_;
  std::vector<float> norms_;
  std::vector<double> scales_;
};

/// c.c as defined.
double SquaredLength(const float* c, int64_t n);
/// x.c as defined.
double ProductInDouble(const float* x, const float* c, int64_t n);
/// distance^2 as defined, of x.x, c.c and x.c.
inline double SquaredDistance(double xx, double cc, double xc) {
  const double distance = xx + (cc - 2 * xc);
  return distance > 0 ? distance : 0;
}

}  // namespace kindred
