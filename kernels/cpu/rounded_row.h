// A rotated row as whole numbers from -127 to 127 times a unit, and what that leaves: of items and of queries alike.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/backend.h"
#include "kernels/cpu/simd_codes.h"

namespace kindred {

inline constexpr float kLargestCode = 127;
/// More than the rounding of any norm, which is a sum of up to kMaxIndexFactors squares in double (f 2^-54 of it).
inline constexpr double kRoundUp = 1 + 1e-11;
static_assert(255 * 128 * kMaxIndexFactors <= INT32_MAX, "sums of products of codes fit 32 bits");

inline double Norm(const float* x, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += static_cast<double>(x[k]) * x[k];
  return std::sqrt(sum);
}

inline float Largest(const float* x, int64_t n) {
  float largest = 0;
  for (int64_t k = 0; k < n; ++k) largest = std::max(largest, std::abs(x[k]));
  return largest;
}

struct RoundedRow {
  double squared_rest = 0;                    // of the row less its codes
  double squared_head = 0, squared_tail = 0;  // of the codes of the first `head` factors and of the others
  int32_t sum_head = 0, sum_tail = 0;         // likewise of the codes themselves
};

/// Calls put(k, code) for each factor. Sums of whole numbers are exact in any order, and so may the other be in four.
template <class Put>
RoundedRow RoundRow(const float* row, int64_t f, int64_t head, float unit, const Put& put) {
  constexpr float kToWhole = 0x1.8p23f;  // added and taken away, it rounds
  const float inverse = unit > 0 ? 1 / unit : 0;
  RoundedRow result;
  double rest[kCodeStep] = {};
  for (int64_t k = 0; k < f; k += kCodeStep) {
    int32_t squared = 0, sum = 0;
    for (int64_t j = 0; j < std::min(kCodeStep, f - k); ++j) {
      const float value = row[k + j], near = (value * inverse + kToWhole) - kToWhole;
      const float code = std::clamp(near, -kLargestCode, kLargestCode);
      const double left = value - static_cast<double>(unit) * code;
      rest[j] += left * left;
      const auto whole = static_cast<int32_t>(code);
      squared += whole * whole;
      sum += whole;
      put(k + j, whole);
    }
    (k < head ? result.squared_head : result.squared_tail) += squared;
    (k < head ? result.sum_head : result.sum_tail) += sum;
  }
  result.squared_rest = (rest[0] + rest[1]) + (rest[2] + rest[3]);
  return result;
}

/// At least |R x - unit c|, where float32 makes of R x what was rounded: `norm` is at least |x|, and 2^-120 a factor is
/// for what float32 cannot hold beside numbers near 1.
inline double LeftOf(const RoundedRow& row, double norm, double rotation_error, int64_t f) {
  return (std::sqrt(row.squared_rest) + rotation_error * norm + static_cast<double>(f) * 0x1p-120) * kRoundUp;
}

}  // namespace kindred
