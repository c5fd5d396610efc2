// Products of vectors of one length, summed up in double and in their order.
#pragma once

#include <cstddef>
#include <span>

namespace kindred {

inline double Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += double{a[k]} * b[k];
  return sum;
}

inline double Dot(std::span<const float> a, std::span<const double> b) {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}

}  // namespace kindred
