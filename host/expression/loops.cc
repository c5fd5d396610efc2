// See loops.h: compiled once for each instruction set.
#include "host/expression/loops.h"

namespace kindred::KINDRED_LOOPS_NAMESPACE {
namespace {

constexpr int64_t kMissingInteger = INT64_MIN;
constexpr uint8_t kMissingBoolean = 2;
constexpr double kMissing = __builtin_nan("");

double Finite(double a) {
  return a - a == 0 ? a : kMissing;
}

struct Add {
  static double Of(double a, double b) { return Finite(a + b); }
};
struct Subtract {
  static double Of(double a, double b) { return Finite(a - b); }
};
struct Multiply {
  static double Of(double a, double b) { return Finite(a * b); }
};
struct Divide {
  static double Of(double a, double b) { return Finite(a / b); }
};
struct Modulo {
  static double Of(double a, double b) { return Finite(__builtin_fmod(a, b)); }
};
struct Minimum {
  static double Of(double a, double b) { return a < b || a != a ? a : b; }
};
struct Maximum {
  static double Of(double a, double b) { return a > b || a != a ? a : b; }
};
struct Coalesce {
  static double Of(double a, double b) { return a == a ? a : b; }
};

struct Negate {
  static double Of(double a) { return -a; }
};
struct Absolute {
  static double Of(double a) { return __builtin_fabs(a); }
};
struct Round {
  static double Of(double a) {
    const double whole = __builtin_trunc(a);
    return __builtin_fabs(a - whole) >= 0.5 ? whole + __builtin_copysign(1.0, a) : whole;
  }
};
struct Floor {
  static double Of(double a) { return __builtin_floor(a); }
};
struct Ceil {
  static double Of(double a) { return __builtin_ceil(a); }
};

struct Equal {
  static bool Of(double a, double b) { return a == b; }
};
struct Differ {
  static bool Of(double a, double b) { return (a < b) | (a > b); }
};
struct Less {
  static bool Of(double a, double b) { return a < b; }
};
struct LessEqual {
  static bool Of(double a, double b) { return a <= b; }
};
struct Greater {
  static bool Of(double a, double b) { return a > b; }
};
struct GreaterEqual {
  static bool Of(double a, double b) { return a >= b; }
};

template <typename Operation, Shape kShape, typename Out>
void TwoLoop(const double* a, const double* b, int64_t n, Out* __restrict out) {
  if constexpr (kShape == Shape::kBothVary) {
    for (int64_t i = 0; i < n; ++i) out[i] = Operation::Of(a[i], b[i]);
  } else if constexpr (kShape == Shape::kRightConstant) {
    const double right = *b;
    for (int64_t i = 0; i < n; ++i) out[i] = Operation::Of(a[i], right);
  } else {
    const double left = *a;
    for (int64_t i = 0; i < n; ++i) out[i] = Operation::Of(left, b[i]);
  }
}

template <typename Operation>
void OneLoop(const double* a, int64_t n, double* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = Operation::Of(a[i]);
}

template <typename Operation>
void CompareFloats(const float* a, double b, int64_t n, uint8_t* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = Operation::Of(static_cast<double>(a[i]), b);
}

template <typename Operation>
void CompareIntegers(const int64_t* a, double b, int64_t n, uint8_t* __restrict out) {
  for (int64_t i = 0; i < n; ++i)
    out[i] = Operation::Of(static_cast<double>(a[i]), b) & static_cast<int>(a[i] != kMissingInteger);
}

void IsAny(const double* a, int64_t n, const double* set, int64_t n_set, uint8_t* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = 0;
  for (int64_t j = 0; j < n_set; ++j) {
    const double value = set[j];
    for (int64_t i = 0; i < n; ++i) out[i] |= static_cast<uint8_t>(a[i] == value);
  }
}

void Floats(const float* a, int64_t n, double* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<double>(a[i]);
}
void Integers(const int64_t* a, int64_t n, double* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] == kMissingInteger ? kMissing : static_cast<double>(a[i]);
}

template <typename Real>
void Present(const Real* a, int64_t n, uint8_t* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] == a[i];
}
void PresentIntegers(const int64_t* a, int64_t n, uint8_t* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] != kMissingInteger;
}

template <typename Value>
void Choose(const uint8_t* condition, const Value* yes, const Value* no, int64_t n, Value* __restrict out) {
  for (int64_t i = 0; i < n; ++i) {
    const Value a = yes[i], b = no[i];
    out[i] = condition[i] != 0 ? a : b;
  }
}

struct And {
  static uint8_t Of(uint8_t a, uint8_t b) { return a & b; }
};
struct Or {
  static uint8_t Of(uint8_t a, uint8_t b) { return a | b; }
};
struct EqualBooleans {
  static uint8_t Of(uint8_t a, uint8_t b) { return (a == b) & (a != kMissingBoolean); }
};
struct DifferBooleans {
  static uint8_t Of(uint8_t a, uint8_t b) { return (a != b) & (a != kMissingBoolean) & (b != kMissingBoolean); }
};
struct CoalesceBooleans {
  static uint8_t Of(uint8_t a, uint8_t b) { return a != kMissingBoolean ? a : b; }
};

template <typename Operation>
void BooleansLoop(const uint8_t* a, const uint8_t* b, int64_t n, uint8_t* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = Operation::Of(a[i], b[i]);
}

void IsValue(const uint8_t* a, uint8_t value, int64_t n, uint8_t* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] == value;
}
void IsNotValue(const uint8_t* a, uint8_t value, int64_t n, uint8_t* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] != value;
}

#define SHAPES(operation, out)                                                                 \
  {                                                                                            \
    TwoLoop<operation, Shape::kBothVary, out>, TwoLoop<operation, Shape::kRightConstant, out>, \
        TwoLoop<operation, Shape::kLeftConstant, out>                                          \
  }

}  // namespace

extern const Loops kLoops;
const Loops kLoops = {
    {SHAPES(Add, double), SHAPES(Subtract, double), SHAPES(Multiply, double), SHAPES(Divide, double),
     SHAPES(Modulo, double), SHAPES(Minimum, double), SHAPES(Maximum, double), SHAPES(Coalesce, double)},
    {OneLoop<Negate>, OneLoop<Absolute>, OneLoop<Round>, OneLoop<Floor>, OneLoop<Ceil>},
    {SHAPES(Equal, uint8_t), SHAPES(Differ, uint8_t), SHAPES(Less, uint8_t), SHAPES(LessEqual, uint8_t),
     SHAPES(Greater, uint8_t), SHAPES(GreaterEqual, uint8_t)},
    {CompareFloats<Equal>, CompareFloats<Differ>, CompareFloats<Less>, CompareFloats<LessEqual>, CompareFloats<Greater>,
     CompareFloats<GreaterEqual>},
    {CompareIntegers<Equal>, CompareIntegers<Differ>, CompareIntegers<Less>, CompareIntegers<LessEqual>,
     CompareIntegers<Greater>, CompareIntegers<GreaterEqual>},
    IsAny,
    Floats,
    Integers,
    Present<double>,
    Present<float>,
    PresentIntegers,
    Choose<double>,
    {BooleansLoop<And>, BooleansLoop<Or>, BooleansLoop<EqualBooleans>, BooleansLoop<DifferBooleans>,
     BooleansLoop<CoalesceBooleans>},
    Choose<uint8_t>,
    IsValue,
    IsNotValue,
};
#undef SHAPES

}  // namespace kindred::KINDRED_LOOPS_NAMESPACE
