// Approximate rows of an ALS half-step; see simd.h. Compiled once for each instruction set.
//
// What both methods need of an entry is a product with its factors y and the sum of its factors times a coefficient
// that follows from it: one pass over y, four entries at a time.
#include "kernels/cpu/simd_approximate.h"

#include "kernels/cpu/simd_dense.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {
namespace {

typedef float Vec4 __attribute__((vector_size(16)));
#if KINDRED_SIMD_BYTES == 64
typedef float Vec8 __attribute__((vector_size(32)));
#endif

constexpr int64_t kPanelRows = 64;
constexpr float kTinyDiagonal = 1e-6f;  // of D against its largest: below it D is no preconditioner
constexpr double kConverged = 0x1p-46;  // of the squared residual against the first: what float32 can reach

bool IsFinite(double value) {
  return value * 0 == 0;
}

inline Vec4 Fold(Vec v) {
#if KINDRED_SIMD_BYTES == 64
  const Vec8 half = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                    __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  return __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
#elif KINDRED_SIMD_BYTES == 32
  return __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
#else
  return v;
#endif
}

// The sums of four vectors, as four lanes.
inline Vec4 Sum4(Vec a, Vec b, Vec c, Vec d) {
  const Vec4 w = Fold(a), x = Fold(b), y = Fold(c), z = Fold(d);
  const Vec4 wx = __builtin_shufflevector(w, x, 0, 4, 1, 5) + __builtin_shufflevector(w, x, 2, 6, 3, 7);
  const Vec4 yz = __builtin_shufflevector(y, z, 0, 4, 1, 5) + __builtin_shufflevector(y, z, 2, 6, 3, 7);
  return __builtin_shufflevector(wx, yz, 0, 1, 4, 5) + __builtin_shufflevector(wx, yz, 2, 3, 6, 7);
}

// The products of four rows with v.
inline Vec4 Products(const float* const (&y)[4], const float* v, int64_t n) {
  Vec sums[4] = {};
  int64_t k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    const Vec right = Load(v + k);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sums[j] += Load(y[j] + k) * right;
  }
  Vec4 products = Sum4(sums[0], sums[1], sums[2], sums[3]);
  for (; k < n; ++k) products += Vec4{y[0][k], y[1][k], y[2][k], y[3][k]} * v[k];
  return products;
}

// Calls visit(entry, y . v) for the factors [from, from + n) of every entry.
template <class Visit>
void ForProducts(const ApproximateRow& row, int64_t from, int64_t n, const float* v, const Visit& visit) {
  for (int64_t e = 0; e < row.n_entries; e += 4) {
    const int64_t count = row.n_entries - e < 4 ? row.n_entries - e : 4;
    const float* y[4];
    for (int64_t j = 0; j < 4; ++j)
      y[j] = row.fixed + static_cast<int64_t>(row.indices[e + (j < count ? j : 0)]) * row.n_factors + from;
    const Vec4 products = Products(y, v, n);
    for (int64_t j = 0; j < count; ++j) visit(e + j, products[j]);
  }
}

// out += the sum over a panel's rows of coefficient(row, y . v) y.
template <class Coefficient>
void AddPanel(const float* panel, int64_t n_rows, int64_t width, const float* v, float* out,
              const Coefficient& coefficient) {
  for (int64_t r = 0; r < n_rows; r += 4) {
    const int64_t count = n_rows - r < 4 ? n_rows - r : 4;
    const float* y[4];
    for (int64_t j = 0; j < 4; ++j) y[j] = panel + (r + (j < count ? j : 0)) * width;
    const Vec4 products = Products(y, v, width);
    Vec by[4];
    for (int64_t j = 0; j < 4; ++j) by[j] = Splat(j < count ? coefficient(r + j, products[j]) : 0);
    for (int64_t k = 0; k < width; k += kLanes)
      Store(out + k, Load(out + k) + (by[0] * Load(y[0] + k) + by[1] * Load(y[1] + k)) +
                         (by[2] * Load(y[2] + k) + by[3] * Load(y[3] + k)));
  }
}

// Factors [from, from + n) of entries [begin, begin + count), zero up to `width`.
void Gather(const ApproximateRow& row, int64_t begin, int64_t count, int64_t from, int64_t n, int64_t width,
            float* panel) {
  for (int64_t r = 0; r < count; ++r) {
    const float* y = row.fixed + static_cast<int64_t>(row.indices[begin + r]) * row.n_factors + from;
    float* to = panel + r * width;
    int64_t k = 0;
    for (; k + kLanes <= n; k += kLanes) Store(to + k, Load(y + k));
    for (; k < n; ++k) to[k] = y[k];
    for (; k < width; ++k) to[k] = 0;
  }
}

// A row's entries in panels: all in one that is gathered once, or, of long rows, gathered again in every pass.
class Panels {
 public:
  Panels(const ApproximateRow& row, int64_t width, float* memory)
      : row_(row),
        width_(width),
        memory_(memory),
        whole_(row.n_entries * width <= kGatheredFloats || row.n_entries <= kPanelRows) {
    if (whole_) Gather(row_, 0, row_.n_entries, 0, row_.n_factors, width_, memory_);
  }

  // out += the sum over entries of coefficient(entry, y . v) y.
  template <class Coefficient>
  void Add(const float* v, float* out, const Coefficient& coefficient) const {
    const int64_t step = whole_ ? row_.n_entries : kPanelRows;
    for (int64_t begin = 0; begin < row_.n_entries; begin += step) {
      const int64_t count = row_.n_entries - begin < step ? row_.n_entries - begin : step;
      if (!whole_) Gather(row_, begin, count, 0, row_.n_factors, width_, memory_);
      AddPanel(memory_, count, width_, v, out,
               [&](int64_t r, float product) { return coefficient(begin + r, product); });
    }
  }

 private:
  const ApproximateRow& row_;
  int64_t width_;
  float* memory_;
  bool whole_;
};

float Dot(const float* a, const float* b, int64_t width) {
  Vec sums = {};
  for (int64_t k = 0; k < width; k += kLanes) sums += Load(a + k) * Load(b + k);
  return Sum(sums);
}

// An entry's part of the objective, sum b^2/w over w > 0 included.
inline double EntryLoss(double w, double b, double score) {
  if (w == 0) return -2 * b * score;
  const double miss = score - b / w;
  return w * miss * miss;
}

// D^-1, as far as D can be inverted. [width]
void InvertDiagonal(const float* diagonal, int64_t n, int64_t width, float* inverse) {
  float largest = 0;
  for (int64_t k = 0; k < n; ++k) largest = diagonal[k] > largest ? diagonal[k] : largest;
  const float least = largest > 0 ? kTinyDiagonal * largest : 1;
  for (int64_t k = 0; k < width; ++k) inverse[k] = k < n ? 1 / (diagonal[k] > least ? diagonal[k] : least) : 0;
}

}  // namespace

bool StepGradients(ApproximateRow& row, int64_t n_steps) {
  const int64_t f = row.n_factors, width = RoundUp(f, 16);
  float *x = row.workspace, *inverse = x + width, *residual = inverse + width, *direction = residual + width;
  float* image = direction + width;
  const Panels panels(row, width, image + width);
  for (int64_t k = 0; k < width; ++k) {
    x[k] = k < f ? row.solution[k] : 0;
    residual[k] = k < f ? -row.diagonal[k] * x[k] : 0;
    direction[k] = image[k] = 0;
  }
  InvertDiagonal(row.diagonal, f, width, inverse);

  double loss = -static_cast<double>(Dot(x, residual, width));
  panels.Add(x, residual, [&](int64_t e, float score) {
    loss += EntryLoss(row.weights[e], row.targets[e], score);
    return row.targets[e] - row.weights[e] * score;
  });
  for (int64_t k = 0; k < width; ++k) direction[k] = inverse[k] * residual[k];
  double squared = Dot(residual, direction, width);
  const double enough = kConverged * squared;
  for (int64_t step = 0; step < n_steps && squared > enough; ++step) {
    for (int64_t k = 0; k < f; ++k) image[k] = row.diagonal[k] * direction[k];
    panels.Add(direction, image, [&](int64_t e, float product) { return row.weights[e] * product; });
    const double curvature = Dot(direction, image, width);
    if (!(curvature > 0)) break;
    const float length = static_cast<float>(squared / curvature);
    loss -= squared / curvature * squared;
    for (int64_t k = 0; k < width; ++k) {
      x[k] += length * direction[k];
      residual[k] -= length * image[k];
      image[k] = inverse[k] * residual[k];
    }
    const double last = squared;
    squared = Dot(residual, image, width);
    const float keep = static_cast<float>(squared / last);
    for (int64_t k = 0; k < width; ++k) direction[k] = image[k] + keep * direction[k];
  }
  float check = 0;
  for (int64_t k = 0; k < f; ++k) {
    row.solution[k] = x[k];
    check += x[k] * 0.0f;
  }
  row.loss = loss;
  return check == 0 && IsFinite(loss) && IsFinite(squared);
}

bool SweepBlocks(ApproximateRow& row, int64_t n_sweeps, int64_t block_size) {
  const int64_t f = row.n_factors, n = row.n_entries, most = RoundUp(block_size, 16);
  float* rest = row.workspace;  // b - w x.y of every entry; while a block is solved, of the x without it
  float* part = rest + RoundUp(n, 16);
  float *right = part + most, *system = right + most, *panel = system + most * most;
  float* const x = row.solution;
  ForProducts(row, 0, f, x, [&](int64_t e, float score) { rest[e] = row.targets[e] - row.weights[e] * score; });
  for (int64_t sweep = 0; sweep < n_sweeps; ++sweep) {
    for (int64_t from = 0; from < f; from += block_size) {
      const int64_t size = f - from < block_size ? f - from : block_size, width = RoundUp(size, 16);
      for (int64_t k = 0; k < width; ++k) {
        part[k] = k < size ? x[from + k] : 0;
        right[k] = 0;
      }
      for (int64_t k = 0; k < width * width; ++k) system[k] = 0;
      for (int64_t begin = 0; begin < n; begin += kPanelRows) {
        const int64_t count = n - begin < kPanelRows ? n - begin : kPanelRows;
        Gather(row, begin, count, from, size, width, panel);
        AddPanel(panel, count, width, part, right,
                 [&](int64_t r, float product) { return rest[begin + r] += row.weights[begin + r] * product; });
        for (int64_t r = 0; r < count; ++r) {
          const Vec root = Splat(__builtin_sqrtf(row.weights[begin + r]));
          for (int64_t k = 0; k < width; k += kLanes) Store(panel + r * width + k, Load(panel + r * width + k) * root);
        }
        RankUpdate(panel, count, width, system);
      }
      for (int64_t k = 0; k < size; ++k) system[k * width + k] += row.diagonal[from + k];
      const float floor = __builtin_sqrtf(static_cast<float>(size)) * kRounding;
      if (!SolvePositive(system, size, width, floor, right, part)) return false;
      for (int64_t k = 0; k < size; ++k) x[from + k] = part[k];
      ForProducts(row, from, size, x + from, [&](int64_t e, float product) { rest[e] -= row.weights[e] * product; });
    }
  }
  float check = 0;
  double loss = 0;
  bool carries = false;
  for (int64_t k = 0; k < f; ++k) {
    check += x[k] * 0.0f;
    loss += static_cast<double>(row.diagonal[k]) * x[k] * x[k];
  }
  for (int64_t e = 0; e < n; ++e) {
    if (row.weights[e] > 0)
      loss += static_cast<double>(rest[e]) * rest[e] / row.weights[e];
    else
      carries = carries || row.targets[e] != 0;
  }
  if (carries)
    ForProducts(row, 0, f, x, [&](int64_t e, float score) {
      if (row.weights[e] == 0) loss -= 2.0 * row.targets[e] * score;
    });
  row.loss = loss;
  return check == 0 && IsFinite(loss);
}

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
