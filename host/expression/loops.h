// The inner loops of expressions over numbers and booleans, compiled once for each instruction set and chosen at run
// time. All of them give the same bits: none contracts products and sums.
//
// loops.cc includes nothing whose inline functions another file could be given compiled for a processor that is not
// there. Numbers are doubles, NaN where missing; booleans are bytes, 0, 1 or 2 where missing; `out` never overlaps what
// is read.
#pragma once

#include <cstdint>

namespace kindred {

/// Which operand of two is one value for all rows.
enum class Shape : uint8_t { kBothVary, kRightConstant, kLeftConstant };
inline constexpr int kShapes = 3;

struct Loops {
  using Binary = void (*)(const double* a, const double* b, int64_t n, double* out);
  using Compare = void (*)(const double* a, const double* b, int64_t n, uint8_t* out);
  using Booleans = void (*)(const uint8_t* a, const uint8_t* b, int64_t n, uint8_t* out);

  /// + - * / % min max coalesce. What is no finite number is missing; % has the sign of a, as fmod.
  Binary binary[8][kShapes];
  /// -a, |a|, round (halves away from zero), floor, ceil.
  void (*unary[5])(const double* a, int64_t n, double* out);
  /// = != < <= > >=. Missing: 0.
  Compare compare[6][kShapes];
  void (*compare_floats[6])(const float* a, double b, int64_t n, uint8_t* out);
  void (*compare_integers[6])(const int64_t* a, double b, int64_t n, uint8_t* out);
  /// Whether each is one of the set; for small sets.
  void (*is_any)(const double* a, int64_t n, const double* set, int64_t n_set, uint8_t* out);

  void (*floats)(const float* a, int64_t n, double* out);
  void (*integers)(const int64_t* a, int64_t n, double* out);
  void (*present)(const double* a, int64_t n, uint8_t* out);
  void (*present_floats)(const float* a, int64_t n, uint8_t* out);
  void (*present_integers)(const int64_t* a, int64_t n, uint8_t* out);
  void (*choose)(const uint8_t* condition, const double* yes, const double* no, int64_t n, double* out);

  /// a and b, a or b (of 0 and 1), a = b, a != b, coalesce.
  Booleans booleans[5];
  void (*choose_booleans)(const uint8_t* condition, const uint8_t* yes, const uint8_t* no, int64_t n, uint8_t* out);
  /// 1 where a is `value`, else 0; and the other way round.
  void (*is_value)(const uint8_t* a, uint8_t value, int64_t n, uint8_t* out);
  void (*is_not_value)(const uint8_t* a, uint8_t value, int64_t n, uint8_t* out);
};

/// The best for this processor.
const Loops& ChooseLoops();

}  // namespace kindred
