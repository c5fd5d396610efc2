// The ALS half-step: short rows in the dual, one block a row; long rows in the primal, in chunks.
//
// Method: as kernels/cpu/als.cc, in the eigenbasis of the fixed side's Gram matrix. Dual (n <= min(f, 128)): panels of
// 32 columns of the gathered, scaled rows pass through shared memory while each thread holds a tile of the n x n system
// in registers; Cholesky in shared memory. Primal: a block multiplies a 64 x 64 tile of one chunk's Gram matrix, on
// tensor cores from bf16 parts (high high + high rest + rest high) or in float32; chunks of a row are added in order;
// Cholesky in shared memory up to n_factors 128, by the library above. No atomics but the lowering of a flag to the
// least failing row: same input, same bits. Bytes to move: nnz f 4 gathered twice in the dual, once a tile row in the
// primal. Not measured on a GPU yet.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "kernels/cuda/als.h"
#include "kernels/cuda/backend.h"
#include "kernels/cuda/block.h"
#include "kernels/require.h"

namespace kindred::cuda {
namespace {

constexpr float kTinyEigenvalue = 1e-6f;  // of min(D) against max(D): below it the dual loses its digits

__device__ float Diagonal(const AlsArguments& a, int64_t row, int64_t k) {
  return a.unobserved_weight * a.eigenvalues[k] + a.regularization[row];
}

// One thread a row of the order: which rows that are short enough for the dual must take the primal all the same.
__global__ void FindIllConditioned(AlsArguments a, int64_t first, int64_t n_rows, uint8_t* ill, unsigned* n_ill) {
  const int64_t place = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (place >= n_rows) return;
  const int64_t row = a.order[first + place];
  const bool found = !(Diagonal(a, row, a.n_factors - 1) > kTinyEigenvalue * Diagonal(a, row, 0));
  ill[place] = found ? 1 : 0;
  if (found) atomicAdd(n_ill, 1u);
}

__global__ void SolveEmpty(AlsArguments a, int64_t first) {
  const int64_t row = a.order[first + blockIdx.x];
  for (int64_t k = threadIdx.x; k < a.n_factors; k += blockDim.x) a.solved[row * a.n_factors + k] = 0;
  if (threadIdx.x > 0) return;
  if (a.loss != nullptr) a.loss[row] = 0;
  if (a.squared_norm != nullptr) a.squared_norm[row] = 0;
}

// What every solver ends with, by the whole block: norm, loss, and the flag where a value is not finite.
__device__ void Finish(const AlsArguments& a, int64_t row, const float* x, double loss, bool solved, double* scratch) {
  double norm = 0;
  for (int64_t k = threadIdx.x; k < a.n_factors; k += blockDim.x) norm += static_cast<double>(x[k]) * x[k];
  norm = BlockSum(norm, scratch);
  if (threadIdx.x > 0) return;
  if (!solved || norm * 0 != 0) atomicMin(a.failure, static_cast<unsigned long long>(row));
  if (a.loss != nullptr) a.loss[row] = loss;
  if (a.squared_norm != nullptr) a.squared_norm[row] = norm;
}

// Rows of at most kMaxEntries entries; kSide^2 threads, each with a square of (kMaxEntries / kSide)^2 entries.
template <int kMaxEntries, int kSide>
__global__ void __launch_bounds__(kSide* kSide) SolveDual(AlsArguments a, int64_t first, const uint8_t* ill) {
  constexpr int kThreads = kSide * kSide, kEach = kMaxEntries / kSide, kPanel = 32;
  if (ill != nullptr && ill[blockIdx.x] != 0) return;
  KINDRED_DYNAMIC_SHARED(float, memory);
  KINDRED_SHARED(double, scratch, 32);
  float* panel = memory;                                    // kMaxEntries x (kPanel + 1)
  float* system = panel + kMaxEntries * (kPanel + 1);       // kMaxEntries x (kMaxEntries + 1)
  float* right = system + kMaxEntries * (kMaxEntries + 1);  // g, then y
  float* goal = right + kMaxEntries;                        // g
  float* root = goal + kMaxEntries;                         // w^1/2
  float* beside = root + kMaxEntries;                       // b where w = 0, else 0
  int* index = reinterpret_cast<int*>(beside + kMaxEntries);
  float* carried = reinterpret_cast<float*>(index + kMaxEntries);  // n_factors: D^-1/2 sum of beside y
  const int t = static_cast<int>(threadIdx.x);
  const int64_t row = a.order[first + blockIdx.x], begin = a.indptr[row], f = a.n_factors;
  const int n = static_cast<int>(a.indptr[row + 1] - begin);

  int carries = 0;
  for (int i = t; i < kMaxEntries; i += kThreads) {
    const float w = i < n ? a.weights[begin + i] : 0.0f, b = i < n ? a.targets[begin + i] : 0.0f;
    root[i] = sqrtf(w);
    goal[i] = right[i] = w > 0 ? b / root[i] : 0.0f;
    beside[i] = w > 0 ? 0.0f : b;
    index[i] = i < n ? a.indices[begin + i] : 0;
    if (beside[i] != 0) carries = 1;
  }
  carries = __syncthreads_or(carries);

  float sums[kEach][kEach] = {};
  const int tr = t / kSide, tc = t % kSide;
  for (int64_t p = 0; p < f; p += kPanel) {
    const int64_t column = p + t % kPanel;
    const float scale = column < f ? 1.0f / sqrtf(Diagonal(a, row, column)) : 0.0f;
    for (int i = t / kPanel; i < kMaxEntries; i += kThreads / kPanel)
      panel[i * (kPanel + 1) + t % kPanel] =
          root[i] > 0 && column < f ? root[i] * scale * a.fixed[index[i] * f + column] : 0.0f;
    __syncthreads();
    for (int c = 0; c < kPanel; ++c) {
      float left[kEach], top[kEach];
#pragma unroll
      for (int e = 0; e < kEach; ++e) {
        left[e] = panel[(tr + kSide * e) * (kPanel + 1) + c];
        top[e] = panel[(tc + kSide * e) * (kPanel + 1) + c];
      }
#pragma unroll
      for (int r = 0; r < kEach; ++r)
#pragma unroll
        for (int q = 0; q < kEach; ++q) sums[r][q] = fmaf(left[r], top[q], sums[r][q]);
    }
    __syncthreads();
  }
#pragma unroll
  for (int r = 0; r < kEach; ++r)
#pragma unroll
    for (int q = 0; q < kEach; ++q) {
      const int i = tr + kSide * r, j = tc + kSide * q;
      if (j <= i) system[i * (kMaxEntries + 1) + j] = sums[r][q] + (i == j ? 1.0f : 0.0f);
    }

  if (carries != 0) {
    for (int64_t k = t; k < f; k += kThreads) {
      float sum = 0;
      for (int i = 0; i < n; ++i)
        if (beside[i] != 0) sum = fmaf(beside[i], a.fixed[index[i] * f + k], sum);
      carried[k] = sum / sqrtf(Diagonal(a, row, k));
    }
    __syncthreads();
    for (int i = t; i < n; i += kThreads) {
      double dot = 0;
      if (root[i] > 0)
        for (int64_t k = 0; k < f; ++k)
          dot += static_cast<double>(root[i] * a.fixed[index[i] * f + k] / sqrtf(Diagonal(a, row, k))) * carried[k];
      right[i] = static_cast<float>(goal[i] - dot);
    }
  }
  KeepDiagonal(system, n, kMaxEntries + 1);
  const bool solved = BlockCholesky(system, n, kMaxEntries + 1, 0.0f);
  if (solved) BlockSolve(system, n, kMaxEntries + 1, right, nullptr);

  float* x = a.solved + row * f;
  double gain = 0;  // x . sum b y, needed where something is carried
  for (int64_t k = t; k < f; k += kThreads) {
    const float scale = 1.0f / sqrtf(Diagonal(a, row, k));
    float sum = 0, pull = 0;
    for (int i = 0; i < n; ++i) {
      const float y = a.fixed[index[i] * f + k];
      if (root[i] > 0) sum = fmaf(right[i] * root[i], y, sum);
      if (carries != 0) pull = fmaf(goal[i] * root[i] + beside[i], y, pull);
    }
    x[k] = scale * (scale * sum + (carries != 0 ? carried[k] : 0.0f));
    gain += static_cast<double>(x[k]) * pull;
  }
  gain = BlockSum(gain, scratch);
  double plain = 0, squared = 0;
  for (int i = t; i < n; i += kThreads) {
    plain += static_cast<double>(goal[i]) * right[i];
    squared += static_cast<double>(goal[i]) * goal[i];
  }
  plain = BlockSum(plain, scratch);
  squared = BlockSum(squared, scratch);
  Finish(a, row, x, carries != 0 ? squared - gain : plain, solved, scratch);
}

// One 64 x 64 tile of a chunk's sum of w y yt; 128 threads. Tiles below the diagonal only.
constexpr int kTile = 64, kStep = 16, kTileStride = kTile + 4, kGramThreads = 128;

__device__ void LoadStep(const AlsArguments& a, const PrimalChunk& chunk, int64_t entry, int64_t column, float* to) {
  for (int e = static_cast<int>(threadIdx.x); e < kStep * kTile; e += kGramThreads) {
    const int64_t at = entry + e / kTile, k = column + e % kTile;
    const bool inside = at < chunk.end && k < a.n_factors;
    to[e / kTile * kTileStride + e % kTile] =
        inside ? sqrtf(a.weights[at]) * a.fixed[a.indices[at] * a.n_factors + k] : 0.0f;
  }
}

// The bf16 parts of the pair (x, y): what rounding keeps, and the rounded rest.
__device__ void Split(float x, float y, uint32_t& high, uint32_t& rest) {
  high = PackBf16(x, y);
  rest = PackBf16(x - Bf16Value(high & 0xffffu), y - Bf16Value(high >> 16));
}

template <bool kBf16x3>
__global__ void __launch_bounds__(kGramThreads, 4)
    ChunkGram(AlsArguments a, const PrimalChunk* chunks, int64_t width, float* grams) {
  KINDRED_SHARED(float, left, kStep* kTileStride);
  KINDRED_SHARED(float, top, kStep* kTileStride);
  const PrimalChunk chunk = chunks[blockIdx.x];
  int tile_row = 0, tile_column = static_cast<int>(blockIdx.y);
  while (tile_column > tile_row) tile_column -= ++tile_row;
  const int t = static_cast<int>(threadIdx.x), lane = t & 31, warp = t >> 5, group = lane >> 2, quad = lane & 3;
  const int64_t first_row = static_cast<int64_t>(tile_row) * kTile,
                first_column = static_cast<int64_t>(tile_column) * kTile;
  float sums[8][4] = {};  // rows 16 warp + group (+ 8), columns 8 j + 2 quad (+ 1)
  for (int64_t entry = chunk.begin; entry < chunk.end; entry += kStep) {
    LoadStep(a, chunk, entry, first_row, left);
    LoadStep(a, chunk, entry, first_column, top);
    __syncthreads();
    if constexpr (kBf16x3) {
      uint32_t high[4], rest[4];
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const int m = warp * 16 + group + (r & 1) * 8, k = quad * 2 + (r >> 1) * 8;
        Split(left[k * kTileStride + m], left[(k + 1) * kTileStride + m], high[r], rest[r]);
      }
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        uint32_t top_high[2], top_rest[2];
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const int k = quad * 2 + r * 8, m = j * 8 + group;
          Split(top[k * kTileStride + m], top[(k + 1) * kTileStride + m], top_high[r], top_rest[r]);
        }
        MmaBf16(sums[j], rest, top_high);
        MmaBf16(sums[j], high, top_rest);
        MmaBf16(sums[j], high, top_high);
      }
    } else {
      for (int k = 0; k < kStep; ++k)
#pragma unroll
        for (int j = 0; j < 8; ++j)
#pragma unroll
          for (int r = 0; r < 4; ++r)
            sums[j][r] = fmaf(left[k * kTileStride + warp * 16 + group + (r >> 1) * 8],
                              top[k * kTileStride + j * 8 + quad * 2 + (r & 1)], sums[j][r]);
    }
    __syncthreads();
  }
  float* gram = grams + static_cast<int64_t>(blockIdx.x) * width * width;
#pragma unroll
  for (int j = 0; j < 8; ++j)
#pragma unroll
    for (int r = 0; r < 4; ++r)
      gram[(first_row + warp * 16 + group + (r >> 1) * 8) * width + first_column + j * 8 + quad * 2 + (r & 1)] =
          sums[j][r];
}

// right[chunk] = sum b y, and in place n_factors: sum b^2/w over w > 0. One block a chunk.
__global__ void ChunkRight(AlsArguments a, const PrimalChunk* chunks, float* rights, double* constants) {
  KINDRED_SHARED(double, scratch, 32);
  const PrimalChunk chunk = chunks[blockIdx.x];
  for (int64_t k = threadIdx.x; k < a.n_factors; k += blockDim.x) {
    float sum = 0;
    for (int64_t e = chunk.begin; e < chunk.end; ++e)
      sum = fmaf(a.targets[e], a.fixed[a.indices[e] * a.n_factors + k], sum);
    rights[static_cast<int64_t>(blockIdx.x) * a.n_factors + k] = sum;
  }
  double constant = 0;
  for (int64_t e = chunk.begin + threadIdx.x; e < chunk.end; e += blockDim.x)
    if (a.weights[e] > 0) constant += static_cast<double>(a.targets[e]) * a.targets[e] / a.weights[e];
  constant = BlockSum(constant, scratch);
  if (threadIdx.x == 0) constants[blockIdx.x] = constant;
}

// The system of each row: its chunks added in order, and its diagonal.
__global__ void AddChunks(AlsArguments a, const PrimalRow* rows, int64_t width, const float* grams, const float* rights,
                          const double* constants, PrimalSystems systems) {
  const PrimalRow row = rows[blockIdx.y];
  const int64_t f = a.n_factors, place = blockIdx.y;
  const int64_t e = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x, r = e / width, c = e % width;
  if (r < f && c <= r) {
    float sum = 0;
    for (int64_t chunk = row.first_chunk; chunk < row.end_chunk; ++chunk) sum += grams[chunk * width * width + e];
    if (r == c) {
      sum += Diagonal(a, row.row, r);
      systems.diagonals[place * f + r] = sum;
    }
    systems.matrices[place * width * width + e] = sum;
  }
  if (e < f) {
    float sum = 0;
    for (int64_t chunk = row.first_chunk; chunk < row.end_chunk; ++chunk) sum += rights[chunk * f + e];
    systems.rights[place * f + e] = sum;
  }
  if (e > 0) return;
  double sum = 0;
  for (int64_t chunk = row.first_chunk; chunk < row.end_chunk; ++chunk) sum += constants[chunk];
  systems.constants[place] = sum;
}

constexpr float kRounding = 0x1p-15f;  // as on the CPU (kernels/cpu/simd.cc)

// One block a row, the system in shared memory: n_factors up to kSharedFactors.
__global__ void SolveInShared(AlsArguments a, const PrimalRow* rows, int64_t width, PrimalSystems systems) {
  KINDRED_DYNAMIC_SHARED(float, memory);
  KINDRED_SHARED(double, scratch, 32);
  KINDRED_SHARED(double, gain, 1);
  const int64_t row = rows[blockIdx.x].row, place = blockIdx.x;
  const int f = static_cast<int>(a.n_factors), ld = f + 1;
  const int t = static_cast<int>(threadIdx.x), n_threads = static_cast<int>(blockDim.x);
  float* system = memory;
  float* x = system + f * ld;
  const float* matrix = systems.matrices + place * width * width;
  for (int e = t; e < f * f; e += n_threads)
    if (e % f <= e / f) system[e / f * ld + e % f] = matrix[e / f * width + e % f];
  for (int k = t; k < f; k += n_threads) x[k] = systems.rights[place * f + k];
  if (t == 0) gain[0] = 0;
  KeepDiagonal(system, f, ld);
  const bool solved = BlockCholesky(system, f, ld, sqrtf(static_cast<float>(f)) * kRounding);
  if (solved) BlockSolve(system, f, ld, x, gain);
  for (int k = t; k < f; k += n_threads) a.solved[row * f + k] = x[k];
  Finish(a, row, x, systems.constants[place] - gain[0], solved, scratch);
}

// One block a row, the factor left by the library in global memory.
__global__ void SolveFactored(AlsArguments a, const PrimalRow* rows, int64_t width, PrimalSystems systems) {
  KINDRED_DYNAMIC_SHARED(float, x);
  KINDRED_SHARED(double, scratch, 32);
  KINDRED_SHARED(double, gain, 1);
  const int64_t row = rows[blockIdx.x].row, place = blockIdx.x;
  const int f = static_cast<int>(a.n_factors);
  const float* l = systems.matrices + place * width * width;
  int lost = systems.info[place] != 0 ? 1 : 0;
  for (int k = static_cast<int>(threadIdx.x); k < f; k += static_cast<int>(blockDim.x)) {
    x[k] = systems.rights[place * f + k];
    const float pivot = l[k * width + k] * l[k * width + k];
    if (!(pivot > sqrtf(static_cast<float>(f)) * kRounding * systems.diagonals[place * f + k])) lost = 1;
  }
  if (threadIdx.x == 0) gain[0] = 0;
  lost = __syncthreads_or(lost);
  if (lost == 0) BlockSolve(l, f, static_cast<int>(width), x, gain);
  for (int k = static_cast<int>(threadIdx.x); k < f; k += static_cast<int>(blockDim.x)) a.solved[row * f + k] = x[k];
  Finish(a, row, x, systems.constants[place] - gain[0], lost == 0, scratch);
}

template <int kMaxEntries, int kSide>
void LaunchDual(const AlsArguments& a, int64_t first, int64_t count, const uint8_t* ill, StreamHandle stream) {
  if (count == 0) return;
  const size_t floats =
      kMaxEntries * 33 + kMaxEntries * (kMaxEntries + 1) + kMaxEntries * 5 + static_cast<size_t>(a.n_factors);
  Launch(SolveDual<kMaxEntries, kSide>, dim3(static_cast<unsigned>(count)), dim3(kSide * kSide), floats * sizeof(float),
         stream, a, first, ill);
}

// Solves rows of the primal, as many at once as the workspace holds.
class PrimalSolver {
 public:
  PrimalSolver(CudaContext& context, const AlsArguments& a, const CudaSparseRows& rows, GramPrecision precision)
      : context_(context), a_(a), rows_(rows), precision_(precision) {
    width_ = (a.n_factors + kTile - 1) / kTile * kTile;
    const int64_t matrix = width_ * width_ * 4;
    chunk_bytes_ = matrix + a.n_factors * 4 + 8 + static_cast<int64_t>(sizeof(PrimalChunk));
    row_bytes_ = matrix + a.n_factors * 8 + 8 + 4 + static_cast<int64_t>(sizeof(PrimalRow));
  }

  void Solve(const std::vector<int64_t>& list) {
    for (int64_t row : list) {
      const int64_t n_chunks = (rows_.Degree(row) + kChunkEntries - 1) / kChunkEntries;
      if (!batch_.empty() && Bytes() + n_chunks * chunk_bytes_ + row_bytes_ > kBatchBytes) Flush();
      const auto first = static_cast<int64_t>(chunks_.size());
      for (int64_t c = 0; c < n_chunks; ++c) {
        const int64_t begin = rows_.host_indptr[static_cast<size_t>(row)] + c * kChunkEntries;
        chunks_.push_back({begin, std::min(begin + kChunkEntries, rows_.host_indptr[static_cast<size_t>(row) + 1])});
      }
      batch_.push_back({row, first, static_cast<int64_t>(chunks_.size())});
    }
    if (!batch_.empty()) Flush();
  }

 private:
  static constexpr int64_t kChunkEntries = 2048;
  static constexpr int64_t kBatchBytes = int64_t{1} << 30;
  static constexpr int64_t kSharedFactors = 128;

  int64_t Bytes() const {
    return static_cast<int64_t>(chunks_.size()) * chunk_bytes_ + static_cast<int64_t>(batch_.size()) * row_bytes_;
  }

  void Flush() {
    const auto n_chunks = static_cast<int64_t>(chunks_.size()), n_rows = static_cast<int64_t>(batch_.size());
    const int64_t f = a_.n_factors, matrix = width_ * width_;
    Stream& stream = context_.stream();
    // The largest alignment first.
    char* memory = context_.Reserve(Bytes());
    const auto take = [&](int64_t bytes) {
      char* taken = memory;
      memory += bytes;
      return taken;
    };
    auto* chunks = reinterpret_cast<PrimalChunk*>(take(n_chunks * static_cast<int64_t>(sizeof(PrimalChunk))));
    auto* rows = reinterpret_cast<PrimalRow*>(take(n_rows * static_cast<int64_t>(sizeof(PrimalRow))));
    auto* constants = reinterpret_cast<double*>(take(n_chunks * 8));
    PrimalSystems systems;
    systems.constants = reinterpret_cast<double*>(take(n_rows * 8));
    auto* grams = reinterpret_cast<float*>(take(n_chunks * matrix * 4));
    auto* rights = reinterpret_cast<float*>(take(n_chunks * f * 4));
    systems.matrices = reinterpret_cast<float*>(take(n_rows * matrix * 4));
    systems.rights = reinterpret_cast<float*>(take(n_rows * f * 4));
    systems.diagonals = reinterpret_cast<float*>(take(n_rows * f * 4));
    systems.info = reinterpret_cast<int32_t*>(take(n_rows * 4));

    const auto host_chunks = std::make_shared<std::vector<PrimalChunk>>(std::move(chunks_));
    const auto host_rows = std::make_shared<std::vector<PrimalRow>>(std::move(batch_));
    chunks_.clear();
    batch_.clear();
    stream.CopyToDevice(chunks, host_chunks->data(), n_chunks * static_cast<int64_t>(sizeof(PrimalChunk)));
    stream.CopyToDevice(rows, host_rows->data(), n_rows * static_cast<int64_t>(sizeof(PrimalRow)));
    context_.Keep(host_chunks);
    context_.Keep(host_rows);

    const int64_t n_tiles = width_ / kTile;
    const dim3 tiles(static_cast<unsigned>(n_chunks), static_cast<unsigned>(n_tiles * (n_tiles + 1) / 2));
    Launch(precision_ == GramPrecision::kBf16x3 ? ChunkGram<true> : ChunkGram<false>, tiles, dim3(kGramThreads), 0,
           stream.handle(), a_, chunks, width_, grams);
    Launch(ChunkRight, dim3(static_cast<unsigned>(n_chunks)), dim3(128), 0, stream.handle(), a_, chunks, rights,
           constants);
    Launch(AddChunks, dim3(Blocks(matrix, 256), static_cast<unsigned>(n_rows)), dim3(256), 0, stream.handle(), a_, rows,
           width_, grams, rights, constants, systems);
    if (f <= kSharedFactors) {
      Launch(SolveInShared, dim3(static_cast<unsigned>(n_rows)), dim3(256), static_cast<size_t>(f * (f + 2)) * 4,
             stream.handle(), a_, rows, width_, systems);
    } else {
      stream.Cholesky(f, systems.matrices, width_, matrix, n_rows, systems.info);
      Launch(SolveFactored, dim3(static_cast<unsigned>(n_rows)), dim3(256), static_cast<size_t>(f) * 4, stream.handle(),
             a_, rows, width_, systems);
    }
  }

  CudaContext& context_;
  const AlsArguments& a_;
  const CudaSparseRows& rows_;
  GramPrecision precision_;
  int64_t width_ = 0, chunk_bytes_ = 0, row_bytes_ = 0;
  std::vector<PrimalChunk> chunks_;
  std::vector<PrimalRow> batch_;
};

}  // namespace

CudaSparseRows::CudaSparseRows(const CsrView& rows, std::span<const float> targets_in)
    : SparseRows(rows.n_rows, rows.n_cols, rows.nnz()), host_indptr(rows.indptr.begin(), rows.indptr.end()) {
  order_host.resize(static_cast<size_t>(rows.n_rows));
  std::iota(order_host.begin(), order_host.end(), int64_t{0});
  std::stable_sort(order_host.begin(), order_host.end(), [&](int64_t a, int64_t b) { return Degree(a) > Degree(b); });
  Stream stream;
  const auto upload = [&](const auto& host) {
    const auto bytes = static_cast<int64_t>(host.size() * sizeof(host[0]));
    DeviceMemory memory(bytes);
    stream.CopyToDevice(memory.data(), host.data(), bytes);
    return memory;
  };
  indptr = upload(rows.indptr);
  indices = upload(rows.indices);
  weights = upload(rows.values);
  if (!targets_in.empty()) targets = upload(targets_in);
  order = upload(order_host);
  stream.Synchronize();
}

int64_t CudaSparseRows::FirstOfAtMost(int64_t n_entries) const {
  return std::partition_point(order_host.begin(), order_host.end(),
                              [&](int64_t row) { return Degree(row) > n_entries; }) -
         order_host.begin();
}

std::unique_ptr<SparseRows> CudaBackend::NewSparseRows(const CsrView& weights, std::span<const float> targets,
                                                       std::shared_ptr<const void>) {
  RequireSparseRows(weights, targets);
  return std::make_unique<CudaSparseRows>(weights, targets);
}

void CudaBackend::SolveAls(Context& context, const AlsHalfStep& step) {
  RequireAlsShapes(step);
  auto& cuda = static_cast<CudaContext&>(context);
  Stream& stream = cuda.stream();
  const auto& rows = static_cast<const CudaSparseRows&>(*step.observed);
  const int64_t f = step.fixed.n_cols;
  if (rows.n_rows() == 0) return;
  AlsArguments a;
  a.fixed = step.fixed.data;
  a.eigenvalues = step.eigenvalues.data;
  a.regularization = step.regularization.data;
  a.indptr = rows.indptr.as<int64_t>();
  a.indices = rows.indices.as<int32_t>();
  a.weights = rows.weights.as<float>();
  a.targets = rows.targets.data() != nullptr ? rows.targets.as<float>() : a.weights;
  a.order = rows.order.as<int64_t>();
  a.n_factors = f;
  a.unobserved_weight = step.unobserved_weight;
  a.solved = step.solved.data;
  a.loss = step.loss.data;
  a.squared_norm = step.squared_norm.data;
  a.failure = cuda.NewFlag([&rows, f](unsigned long long row) {
    return Error(ErrorCode::kNumeric, "ALS: the system of row " + std::to_string(row) + " (" +
                                          std::to_string(rows.Degree(static_cast<int64_t>(row))) +
                                          " entries, n_factors " + std::to_string(f) +
                                          ") is singular; a larger regularization helps");
  });

  constexpr int64_t kMaxDual = 128;
  const int64_t first_short = rows.FirstOfAtMost(std::min(f, kMaxDual)), first_empty = rows.FirstOfAtMost(0);
  const int64_t n_short = first_empty - first_short;
  std::vector<int64_t> primal(rows.order_host.begin(), rows.order_host.begin() + first_short);
  DeviceMemory ill(std::max<int64_t>(n_short, 1)), n_ill(8);
  std::vector<uint8_t> ill_host;
  if (n_short > 0) {
    stream.Zero(n_ill.data(), 8);
    Launch(FindIllConditioned, dim3(Blocks(n_short, 256)), dim3(256), 0, stream.handle(), a, first_short, n_short,
           ill.as<uint8_t>(), n_ill.as<unsigned>());
    unsigned found = 0;
    stream.CopyToHost(&found, n_ill.data(), sizeof found);
    stream.Synchronize();
    if (found > 0) {
      ill_host.resize(static_cast<size_t>(n_short));
      stream.CopyToHost(ill_host.data(), ill.data(), n_short);
      stream.Synchronize();
      for (int64_t place = 0; place < n_short; ++place)
        if (ill_host[static_cast<size_t>(place)] != 0)
          primal.push_back(rows.order_host[static_cast<size_t>(first_short + place)]);
    }
  }
  const auto dual = [&](int64_t most) { return std::max(first_short, rows.FirstOfAtMost(most)); };
  const auto flags = [&](int64_t first) {
    return ill_host.empty() ? nullptr : ill.as<uint8_t>() + (first - first_short);
  };
  const int64_t up_to_64 = dual(64), up_to_32 = dual(32);
  LaunchDual<128, 16>(a, first_short, up_to_64 - first_short, flags(first_short), stream.handle());
  LaunchDual<64, 16>(a, up_to_64, up_to_32 - up_to_64, flags(up_to_64), stream.handle());
  LaunchDual<32, 8>(a, up_to_32, first_empty - up_to_32, flags(up_to_32), stream.handle());
  PrimalSolver(cuda, a, rows, precision_).Solve(primal);
  if (rows.n_rows() > first_empty)
    Launch(SolveEmpty, dim3(static_cast<unsigned>(rows.n_rows() - first_empty)), dim3(128), 0, stream.handle(), a,
           first_empty);
  if (!ill_host.empty()) stream.Synchronize();  // the flags are freed here
}

}  // namespace kindred::cuda
