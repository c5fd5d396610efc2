// Short rows of the ALS half-step, in the dual: one block a row.
//
// Method (Woodbury, in the eigenbasis): K = I + R Y D^-1 Yt R with R = diag(w^1/2), n x n for n entries; y = K^-1 g
// with g = b / w^1/2; x = D^-1 Yt R y. The gathered rows pass through shared memory by 16-byte asynchronous copies:
// whole, where they are small, so that each is read once, else 32 columns at a time in a ring of two. Each thread holds
// a tile of K in registers; Cholesky and both solves stay in shared memory. Entries with w = 0 and b != 0 are carried
// beside: x gains D^-1 sum b y, and g loses its projection. Bytes: n f 4 gathered once (whole) or twice (ring). Flops:
// n^2 f + n^3/3.
#include "kernels/cuda/als.h"
#include "kernels/cuda/block.h"
#include "kernels/cuda/panel_cholesky.h"

namespace kindred::cuda {
namespace {

constexpr float kTinyEigenvalue = 1e-6f;  // of min(D) against max(D): below it the dual loses its digits
constexpr int kPanel = 32, kPanelStride = kPanel + 4;
constexpr int64_t kWholeBytes = 36 * 1024;  // of gathered rows that are kept whole

__host__ __device__ constexpr int64_t Padded(int64_t f) {
  return (f + kPanel - 1) / kPanel * kPanel;
}

// Where the arrays of a block lie, in floats.
struct DualLayout {
  __host__ __device__ DualLayout(int max_entries, int64_t f, bool whole)
      : stride(whole ? static_cast<int>(Padded(f)) + 4 : kPanelStride),
        inverse(max_entries * stride * (whole ? 1 : 2)),
        system(inverse + static_cast<int>(Padded(f))),
        root(system + PanelMatrix<false>::Floats(max_entries)),
        goal(root + max_entries),
        beside(goal + max_entries),
        answer(beside + max_entries),
        index(answer + max_entries),
        carried(index + max_entries),
        partial(carried + static_cast<int>(Padded(f))),
        end(partial + 256) {}

  int stride;  // of a gathered row
  int inverse, system, root, goal, beside, answer, index, carried, partial, end;
};

// Columns [column, column + width) of the row's entries to shared memory, by all threads; zeros past n and f.
template <int kMaxEntries, int kThreads>
__device__ void Gather(const AlsArguments& a, const int* index, int n, int64_t column, int width, float* to,
                       int stride) {
  const int64_t f = a.n_factors;
  const int each = width / 4, t = static_cast<int>(threadIdx.x);
  for (int e = t; e < kMaxEntries * each; e += kThreads) {
    const int i = e / each;
    const int64_t k = column + e % each * 4;
    float* place = to + i * stride + e % each * 4;
    const float* from = a.fixed + index[i] * f + k;
    if (f % 4 == 0) {
      const bool inside = i < n && k < f;
      CopyAsync16(place, inside ? from : a.fixed, inside ? 16 : 0);
    } else {
      for (int q = 0; q < 4; ++q) place[q] = i < n && k + q < f ? from[q] : 0.0f;
    }
  }
  CommitCopies();
}

// sums += y y^t / D over one panel of 32 columns; thread (tr, tc) has rows tr + kSide e and columns tc + kSide e.
template <int kEach, int kSide>
__device__ void Multiply(const float* panel, int stride, const float* inverse, int tr, int tc,
                         float (&sums)[kEach][kEach]) {
  constexpr int kAtOnce = 4;  // rows of the tile whose left factors are in registers
#pragma unroll 1
  for (int c = 0; c < kPanel; c += 4) {
    const float4 scale = *reinterpret_cast<const float4*>(inverse + c);
#pragma unroll
    for (int base = 0; base < kEach; base += kAtOnce) {
      float4 left[kAtOnce];
#pragma unroll
      for (int r = 0; r < kAtOnce; ++r) {
        left[r] = *reinterpret_cast<const float4*>(panel + (tr + kSide * (base + r)) * stride + c);
        left[r].x *= scale.x;
        left[r].y *= scale.y;
        left[r].z *= scale.z;
        left[r].w *= scale.w;
      }
#pragma unroll
      for (int q = 0; q < kEach; ++q) {
        const float4 top = *reinterpret_cast<const float4*>(panel + (tc + kSide * q) * stride + c);
#pragma unroll
        for (int r = 0; r < kAtOnce; ++r) {
          float& sum = sums[base + r][q];
          sum = fmaf(left[r].w, top.w, fmaf(left[r].z, top.z, fmaf(left[r].y, top.y, fmaf(left[r].x, top.x, sum))));
        }
      }
    }
  }
}

// What the entries of weight 0 pull: carried[k] = sum b y, and answer = g - R Y D^-1 carried; answer[i] is thread
// i % kThreads's until the next barrier.
template <int kThreads>
__device__ void CarryBeside(const AlsArguments& a, const int* index, int n, const float* root, const float* beside,
                            const float* goal, const float* inverse, float* carried, float* answer) {
  const int64_t f = a.n_factors;
  for (int64_t k = threadIdx.x; k < f; k += kThreads) {
    float sum = 0;
    for (int i = 0; i < n; ++i)
      if (beside[i] != 0) sum = fmaf(beside[i], a.fixed[index[i] * f + k], sum);
    carried[k] = sum;
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < n; i += kThreads) {
    double dot = 0;
    if (root[i] > 0)
      for (int64_t k = 0; k < f; ++k) dot += static_cast<double>(a.fixed[index[i] * f + k] * inverse[k]) * carried[k];
    answer[i] = static_cast<float>(goal[i] - root[i] * dot);
  }
}

// Rows of at most kMaxEntries entries; kSide^2 threads, each with a square of (kMaxEntries / kSide)^2 entries of K.
template <int kMaxEntries, int kSide, bool kWhole>
__global__ void __launch_bounds__(kSide* kSide, kMaxEntries == 32 ? 8 : 2) SolveDual(AlsArguments a, int64_t first) {
  constexpr int kThreads = kSide * kSide, kEach = kMaxEntries / kSide;
  KINDRED_DYNAMIC_SHARED(float, memory);
  KINDRED_SHARED(double, scratch, 32);
  const int64_t row = a.order[first + blockIdx.x], begin = a.indptr[row] - a.first_entry, f = a.n_factors;
  const int n = static_cast<int>(a.indptr[row + 1] - a.indptr[row]), t = static_cast<int>(threadIdx.x);
  if (!(Diagonal(a, row, f - 1) > kTinyEigenvalue * Diagonal(a, row, 0))) {
    if (t == 0) Append(a.ill_conditioned, row);
    return;
  }
  const DualLayout layout(kMaxEntries, f, kWhole);
  const PanelMatrix<false> system(memory + layout.system, n);
  float *root = memory + layout.root, *goal = memory + layout.goal;
  float *beside = memory + layout.beside, *answer = memory + layout.answer, *inverse = memory + layout.inverse;
  float *carried = memory + layout.carried, *partial = memory + layout.partial;
  int* index = reinterpret_cast<int*>(memory + layout.index);
  const int padded = static_cast<int>(Padded(f));

  int carries = 0;
  for (int i = t; i < kMaxEntries; i += kThreads) {
    const float w = i < n ? a.weights[begin + i] : 0.0f, b = i < n ? a.targets[begin + i] : 0.0f;
    root[i] = sqrtf(w);
    goal[i] = w > 0 ? b / root[i] : 0.0f;
    answer[i] = goal[i];
    beside[i] = w > 0 ? 0.0f : b;
    index[i] = i < n ? a.indices[begin + i] : 0;
    if (beside[i] != 0) carries = 1;
  }
  for (int k = t; k < padded; k += kThreads) inverse[k] = k < f ? 1.0f / Diagonal(a, row, k) : 0.0f;
  carries = __syncthreads_or(carries);

  float sums[kEach][kEach] = {};
  if constexpr (kWhole) {
    Gather<kMaxEntries, kThreads>(a, index, n, 0, padded, memory, layout.stride);
    WaitForCopies<0>();
    __syncthreads();
    for (int column = 0; column < padded; column += kPanel)
      Multiply<kEach, kSide>(memory + column, layout.stride, inverse + column, t / kSide, t % kSide, sums);
  } else {
    constexpr int kSlot = kMaxEntries * kPanelStride;
    Gather<kMaxEntries, kThreads>(a, index, n, 0, kPanel, memory, kPanelStride);
    for (int column = 0, slot = 0; column < padded; column += kPanel, slot ^= 1) {
      if (column + kPanel < padded)
        Gather<kMaxEntries, kThreads>(a, index, n, column + kPanel, kPanel, memory + (slot ^ 1) * kSlot, kPanelStride);
      else
        CommitCopies();
      WaitForCopies<1>();
      __syncthreads();
      Multiply<kEach, kSide>(memory + slot * kSlot, kPanelStride, inverse + column, t / kSide, t % kSide, sums);
      __syncthreads();
    }
  }
  if (carries != 0) CarryBeside<kThreads>(a, index, n, root, beside, goal, inverse, carried, answer);
#pragma unroll
  for (int r = 0; r < kEach; ++r)
#pragma unroll
    for (int q = 0; q < kEach; ++q) {
      const int i = t / kSide + kSide * r, j = t % kSide + kSide * q;
      if (i < system.n_rows() && j <= i)
        system.At(i, j) = root[i] * root[j] * sums[r][q] + (i == j ? 1.0f : 0.0f);  // past n, roots are 0
    }
  for (int i = t; i < system.n_rows(); i += kThreads) system.Right(i) = answer[i];
  __syncthreads();
  const bool solved = system.Factor(nullptr);
  if (solved) system.Backward(answer, partial);

  // x, with the entries of a column shared out to as many threads as there are.
  const auto entry = [&](int i, int64_t k) {
    if constexpr (kWhole) return memory[i * layout.stride + k];
    return a.fixed[index[i] * f + k];
  };
  const int n_groups = padded < kThreads ? kThreads / padded : 1, group = padded < kThreads ? t / padded : 0;
  double norm = 0, gain = 0;
  for (int64_t base = 0; base < f; base += kThreads) {
    const int64_t k = base + (padded < kThreads ? t % padded : t);
    float sum = 0;
    if (k < f && group < n_groups)
      for (int i = group; i < n; i += n_groups) sum = fmaf(answer[i] * root[i], entry(i, k), sum);
    if (n_groups > 1) {
      partial[t] = sum;
      __syncthreads();
      for (int g = 1; g < n_groups; ++g)
        if (group == 0) sum += partial[g * padded + t];
    }
    if (k >= f || group > 0) continue;
    const float x = inverse[k] * (sum + (carries != 0 ? carried[k] : 0.0f));
    a.solved[row * f + k] = x;
    norm += static_cast<double>(x) * x;
    if (carries == 0) continue;
    float pull = 0;
    for (int i = 0; i < n; ++i) pull = fmaf(goal[i] * root[i] + beside[i], entry(i, k), pull);
    gain += static_cast<double>(x) * pull;
  }
  double plain = 0;  // g . y, or |g|^2 - x . sum b y where something is carried
  for (int i = t; i < n; i += kThreads) plain += static_cast<double>(goal[i]) * (carries != 0 ? goal[i] : answer[i]);
  const double loss = BlockSum(plain - gain, scratch);
  if (t == 0 && a.loss != nullptr) a.loss[row] = loss;
  FinishRow(a, row, solved, BlockSum(norm, scratch));
}

template <int kMaxEntries, int kSide, bool kWhole>
void LaunchShape(const AlsArguments& a, int64_t first, int64_t count, StreamHandle stream) {
  const DualLayout layout(kMaxEntries, a.n_factors, kWhole);
  Launch(SolveDual<kMaxEntries, kSide, kWhole>, dim3(static_cast<unsigned>(count)), dim3(kSide * kSide),
         static_cast<size_t>(layout.end) * sizeof(float), stream, a, first);
}

bool FitsWhole(int max_entries, int64_t f) {
  return max_entries * (Padded(f) + 4) * static_cast<int64_t>(sizeof(float)) <= kWholeBytes;
}

}  // namespace

int64_t MaxDualEntries(int64_t n_factors, int64_t shared_bytes) {
  if (n_factors <= kFusedFactors) return n_factors <= 64 ? 32 : 64;
  const DualLayout layout(128, n_factors, false);
  return layout.end * static_cast<int64_t>(sizeof(float)) + 1024 <= shared_bytes ? 128 : 64;
}

void LaunchDual(const AlsArguments& a, int max_entries, int64_t first, int64_t count, StreamHandle stream) {
  if (count == 0) return;
  const bool whole = FitsWhole(max_entries, a.n_factors);
  if (max_entries > 64)
    LaunchShape<128, 16, false>(a, first, count, stream);
  else if (max_entries > 32)
    (whole ? LaunchShape<64, 16, true> : LaunchShape<64, 16, false>)(a, first, count, stream);
  else
    (whole ? LaunchShape<32, 8, true> : LaunchShape<32, 8, false>)(a, first, count, stream);
}

}  // namespace kindred::cuda
