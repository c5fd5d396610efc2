// Seeded random values for tests. A failing test prints the seed with SCOPED_TRACE.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace kindred {

inline std::vector<float> RandomNormal(int64_t n, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) v = normal(engine);
  return values;
}

}  // namespace kindred
