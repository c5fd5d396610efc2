// Random numbers that depend on a seed and a position only: the same on every machine and thread count.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace kindred {

/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014) over seed and counter.
inline uint64_t RandomBits(uint64_t seed, uint64_t counter) {
  uint64_t z = seed * 0xd1342543de82ef95ULL + (counter + 1) * 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

/// In [0, 1).
inline double RandomUniform(uint64_t seed, uint64_t counter) {
  return static_cast<double>(RandomBits(seed, counter) >> 11) * 0x1p-53;
}

/// Standard normal (Box and Muller 1958).
inline double RandomNormal(uint64_t seed, uint64_t counter) {
  const double radius = std::sqrt(-2 * std::log(1 - RandomUniform(seed, 2 * counter)));
  return radius * std::cos(2 * std::numbers::pi * RandomUniform(seed, 2 * counter + 1));
}

}  // namespace kindred
