// CUDA's small vector types.
#pragma once

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_in = 1, unsigned y_in = 1, unsigned z_in = 1) : x(x_in), y(y_in), z(z_in) {}
};
struct uint3 {
  unsigned x, y, z;
};

#define KINDRED_SIMT_VECTOR2(T, name, alignment) \
  struct alignas(alignment) name {               \
    T x, y;                                      \
  };                                             \
  constexpr name make_##name(T x, T y) {         \
    return {x, y};                               \
  }
#define KINDRED_SIMT_VECTOR4(T, name)              \
  struct alignas(16) name {                        \
    T x, y, z, w;                                  \
  };                                               \
  constexpr name make_##name(T x, T y, T z, T w) { \
    return {x, y, z, w};                           \
  }
KINDRED_SIMT_VECTOR2(float, float2, 8)
KINDRED_SIMT_VECTOR2(int, int2, 8)
KINDRED_SIMT_VECTOR2(unsigned, uint2, 8)
KINDRED_SIMT_VECTOR2(double, double2, 16)
KINDRED_SIMT_VECTOR2(unsigned long long, ulonglong2, 16)
KINDRED_SIMT_VECTOR4(float, float4)
KINDRED_SIMT_VECTOR4(int, int4)
KINDRED_SIMT_VECTOR4(unsigned, uint4)
#undef KINDRED_SIMT_VECTOR2
#undef KINDRED_SIMT_VECTOR4
