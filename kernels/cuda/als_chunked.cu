// Long rows of the ALS half-step by several blocks: huge rows, and systems of more than 128 factors.
//
// Method: each block assembles one tile of 128 columns of one chunk's Gram matrix (als_primal.h); one block adds the
// chunks of a row in order, into shared memory, and solves the system there, or, where it has no place there, in global
// memory with its panel of 32 columns in shared memory. In batches that a fixed amount of memory holds; where a row is
// cut depends on the row alone. Bytes: n f 4 gathered once a tile row, and the partial matrices written and read.
// Flops: 3 n f^2 on tensor cores + f^3/3.
#include <algorithm>
#include <type_traits>

#include "kernels/cuda/als_primal.h"
#include "kernels/cuda/cholesky.h"

namespace kindred::cuda {
namespace {

constexpr int64_t kStaticShared = 1024;  // more than these kernels declare

struct ChunkSums {
  float* grams;       // [n_chunks, width, width]
  float* rights;      // [n_chunks, width]
  double* constants;  // [n_chunks]
};

// One tile of one chunk's Gram matrix: on the diagonal, with the right-hand side, or, kSquare, below it.
template <bool kSquare, bool kBf16x3>
__global__ void __launch_bounds__(GramTile<kFusedFactors, kSquare, kBf16x3>::kThreads, kSquare ? 1 : 2)
    AssembleChunk(AlsArguments a, const ChunkedPrimal::Chunk* chunks, int64_t width, ChunkSums sums) {
  using Tile = GramTile<kFusedFactors, kSquare, kBf16x3>;
  KINDRED_DYNAMIC_SHARED(float, memory);
  KINDRED_SHARED(double, scratch, 32);
  const ChunkedPrimal::Chunk chunk = chunks[blockIdx.x];
  int left = static_cast<int>(blockIdx.y), top = left;
  if constexpr (kSquare) {
    left = 1;
    while (top >= left) top -= left++;
  }
  Tile tile(a, memory, left * kFusedFactors, top * kFusedFactors);
  tile.Assemble(chunk.begin - a.first_entry, chunk.end - a.first_entry);
  float* gram = sums.grams + (blockIdx.x * width + left * kFusedFactors) * width + top * kFusedFactors;
  const int ld = static_cast<int>(width);
  tile.ForEach([&](int r, int c, float value) { gram[r * ld + c] = value; });
  if constexpr (!kSquare) {
    __syncthreads();
    if (threadIdx.x < kFusedFactors)
      sums.rights[blockIdx.x * width + left * kFusedFactors + threadIdx.x] = tile.Right(static_cast<int>(threadIdx.x));
    const double constant = BlockSum(tile.Constant(), scratch);
    if (threadIdx.x == 0 && left == 0) sums.constants[blockIdx.x] = constant;
  }
}

// Where the arrays of SolveChunks lie, in floats.
template <bool kBf16x3>
struct SharedSystem {
  __host__ __device__ explicit SharedSystem(int f)
      : floors(PanelMatrix<kBf16x3>::Floats(f)),
        x(floors + PanelMatrix<kBf16x3>::Padded(f)),
        sums(x + PanelMatrix<kBf16x3>::Padded(f)),
        end(sums + 16 * 8) {}
  int floors, x, sums, end;
};

// One block a row: its chunks added in order, with its diagonal, and the system solved, all in shared memory.
template <bool kBf16x3>
__global__ void __launch_bounds__(256)
    SolveChunks(AlsArguments a, const ChunkedPrimal::Row* rows, int64_t width, ChunkSums sums) {
  KINDRED_DYNAMIC_SHARED(float, memory);
  KINDRED_SHARED(double, scratch, 32);
  const ChunkedPrimal::Row row = rows[blockIdx.x];
  const int f = static_cast<int>(a.n_factors), t = static_cast<int>(threadIdx.x),
            n_threads = static_cast<int>(blockDim.x);
  const SharedSystem<kBf16x3> layout(f);
  const PanelMatrix<kBf16x3> system(memory, f);
  constexpr int kAtOnce = 4;  // rows a warp has under way
  const int n_warps = n_threads / 32, lane = t & 31;
  for (int first = t / 32; first < system.n_rows(); first += kAtOnce * n_warps)
    for (int c = lane * 4; c < system.n_rows(); c += 128) {
      float4 rows_sums[kAtOnce] = {};
      for (int64_t chunk = row.first_chunk; chunk < row.end_chunk; ++chunk)
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i) {
          const int r = first + i * n_warps;
          if (r >= system.n_rows() || c > r) continue;
          const float4 part = *reinterpret_cast<const float4*>(sums.grams + (chunk * width + r) * width + c);
          rows_sums[i].x += part.x;
          rows_sums[i].y += part.y;
          rows_sums[i].z += part.z;
          rows_sums[i].w += part.w;
        }
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        const int r = first + i * n_warps;
        if (r < system.n_rows() && c <= r) *reinterpret_cast<float4*>(&system.At(r, c)) = rows_sums[i];
      }
    }
  for (int k = t; k < system.n_rows(); k += n_threads) {
    float sum = 0;
    for (int64_t chunk = row.first_chunk; chunk < row.end_chunk; ++chunk) sum += sums.rights[chunk * width + k];
    system.Right(k) = sum;
  }
  double constant = 0;
  if (t == 0)
    for (int64_t chunk = row.first_chunk; chunk < row.end_chunk; ++chunk) constant += sums.constants[chunk];
  __syncthreads();
  for (int k = t; k < system.n_rows(); k += n_threads) {
    const float value = k < f ? system.At(k, k) + Diagonal(a, row.row, k) : 1.0f;
    system.At(k, k) = value;
    memory[layout.floors + k] = k < f ? PivotFloor(f, value) : 0.0f;
  }
  __syncthreads();
  SolveSystem(
      a, row.row, system, memory + layout.floors, memory + layout.x, memory + layout.sums, [&] { return constant; },
      scratch);
}

// The systems of a batch: each row's chunks added in order, with its diagonal; the right-hand side as row n_factors.
struct Systems {
  float* matrices;    // [n_rows, width + 1, width]
  float* floors;      // [n_rows, width]
  double* constants;  // [n_rows]
};

__global__ void AddChunks(AlsArguments a, const ChunkedPrimal::Row* rows, int64_t width, ChunkSums sums,
                          Systems systems) {
  const ChunkedPrimal::Row row = rows[blockIdx.y];
  const int64_t f = a.n_factors, place = blockIdx.y;
  const int64_t e = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x, r = e / width, c = e % width;
  float* matrix = systems.matrices + place * (width + 1) * width;
  if (r < f && c <= r) {
    float sum = 0;
    for (int64_t chunk = row.first_chunk; chunk < row.end_chunk; ++chunk) sum += sums.grams[chunk * width * width + e];
    if (r == c) {
      sum += Diagonal(a, row.row, r);
      systems.floors[place * width + r] = PivotFloor(f, sum);
    }
    matrix[e] = sum;
  }
  if (e < f) {
    float sum = 0;
    for (int64_t chunk = row.first_chunk; chunk < row.end_chunk; ++chunk) sum += sums.rights[chunk * width + e];
    matrix[f * width + e] = sum;
  }
  if (e > 0) return;
  double sum = 0;
  for (int64_t chunk = row.first_chunk; chunk < row.end_chunk; ++chunk) sum += sums.constants[chunk];
  systems.constants[place] = sum;
}

// One block a row, where the system lies. Shared memory: x, and the panel of Cholesky where there is room for it.
__global__ void __launch_bounds__(256)
    SolveAdded(AlsArguments a, const ChunkedPrimal::Row* rows, int64_t width, Systems systems, bool has_panel) {
  KINDRED_DYNAMIC_SHARED(float, x);
  KINDRED_SHARED(double, scratch, 32);
  const int64_t place = blockIdx.x, row = rows[place].row;
  const int f = static_cast<int>(a.n_factors), ld = static_cast<int>(width), t = static_cast<int>(threadIdx.x);
  float* system = systems.matrices + place * (width + 1) * width;
  const bool solved =
      BlockCholesky(system, f, f + 1, ld, systems.floors + place * width, has_panel ? x + width : nullptr);
  double loss = t == 0 ? systems.constants[place] : 0.0, norm = 0;
  if (solved) {
    for (int k = t; k < f; k += 256) {
      x[k] = system[f * ld + k];
      loss -= static_cast<double>(x[k]) * x[k];
    }
    __syncthreads();
    BlockBackward(system, f, ld, x);
    for (int k = t; k < f; k += 256) {
      a.solved[row * f + k] = x[k];
      norm += static_cast<double>(x[k]) * x[k];
    }
  }
  loss = BlockSum(loss, scratch);
  if (t == 0 && a.loss != nullptr) a.loss[row] = loss;
  FinishRow(a, row, solved, BlockSum(norm, scratch));
}

}  // namespace

ChunkedPrimal::ChunkedPrimal(int64_t n_factors, int64_t max_bytes)
    : n_factors_(n_factors),
      max_bytes_(max_bytes),
      width_((n_factors + kFusedFactors - 1) / kFusedFactors * kFusedFactors),
      max_chunks_(std::clamp<int64_t>((kMaxBytes - Bytes(0, 1)) / std::max<int64_t>(Bytes(1, 0), 1), 1, 256)) {}

int64_t ChunkedPrimal::Bytes(int64_t n_chunks, int64_t n_rows) const {
  const int64_t chunk = width_ * width_ * 4 + width_ * 4 + 8 + static_cast<int64_t>(sizeof(Chunk));
  const int64_t row = (width_ + 1) * width_ * 4 + width_ * 4 + 8 + static_cast<int64_t>(sizeof(Row));
  return n_chunks * chunk + n_rows * row + (n_chunks + n_rows > 0 ? 8 * 256 : 0);  // each array starts at a multiple
}

int64_t ChunkedPrimal::MaxWorkspaceBytes(int64_t n_factors, int64_t n_rows, int64_t n_entries) {
  const ChunkedPrimal shape(n_factors);
  const int64_t n_chunks = n_rows + n_entries / kMinChunkEntries;
  return std::min(shape.Bytes(n_chunks, n_rows), std::max(kMaxBytes, shape.Bytes(shape.max_chunks_, 1)));
}

void ChunkedPrimal::Add(int64_t row, int64_t begin, int64_t end) {
  // The cut depends on the row alone: the same bits, whatever the memory.
  const int64_t each = std::max(kMinChunkEntries, ((end - begin + max_chunks_ - 1) / max_chunks_ + 31) / 32 * 32);
  const int64_t n_chunks = (end - begin + each - 1) / each;
  const auto bytes = [&](const Batch& batch) {
    return Bytes(static_cast<int64_t>(batch.chunks.size()) + n_chunks, static_cast<int64_t>(batch.rows.size()) + 1);
  };
  if (batches_.empty() || bytes(batches_.back()) > max_bytes_) batches_.emplace_back();
  Batch& batch = batches_.back();
  workspace_bytes_ = std::max(workspace_bytes_, bytes(batch));
  const auto first = static_cast<int64_t>(batch.chunks.size());
  for (int64_t at = begin; at < end; at += each) batch.chunks.push_back({at, std::min(at + each, end)});
  batch.rows.push_back({row, first, static_cast<int64_t>(batch.chunks.size())});
}

void ChunkedPrimal::Launch(CudaContext& context, const AlsArguments& a, GramPrecision precision, int64_t shared_bytes,
                           char* workspace) {
  for (Batch& batch : batches_) LaunchBatch(context, a, precision, shared_bytes, std::move(batch), workspace);
  batches_.clear();
}

void ChunkedPrimal::LaunchBatch(CudaContext& context, const AlsArguments& a, GramPrecision precision,
                                int64_t shared_bytes, Batch batch, char* workspace) const {
  const auto n_chunks = static_cast<int64_t>(batch.chunks.size()), n_rows = static_cast<int64_t>(batch.rows.size());
  Arena arena(workspace);
  auto* chunks = arena.Take<Chunk>(n_chunks);
  auto* rows = arena.Take<Row>(n_rows);
  const ChunkSums sums = {arena.Take<float>(n_chunks * width_ * width_), arena.Take<float>(n_chunks * width_),
                          arena.Take<double>(n_chunks)};
  const Systems systems = {arena.Take<float>(n_rows * (width_ + 1) * width_), arena.Take<float>(n_rows * width_),
                           arena.Take<double>(n_rows)};
  const auto kept = std::make_shared<const Batch>(std::move(batch));
  Stream& stream = context.stream();
  stream.CopyToDevice(chunks, kept->chunks.data(), n_chunks * static_cast<int64_t>(sizeof(Chunk)));
  stream.CopyToDevice(rows, kept->rows.data(), n_rows * static_cast<int64_t>(sizeof(Row)));
  context.Keep(kept);

  const int64_t n_tiles = width_ / kFusedFactors;
  const auto assemble = [&]<class Tile>(std::type_identity<Tile>, auto kernel, int64_t n_pairs) {
    if (n_pairs > 0)
      cuda::Launch(kernel, dim3(static_cast<unsigned>(n_chunks), static_cast<unsigned>(n_pairs)), dim3(Tile::kThreads),
                   static_cast<size_t>(Tile::kFloats) * sizeof(float), stream.handle(), a, chunks, width_, sums);
  };
  const auto solve = [&]<bool kBf16x3>(std::bool_constant<kBf16x3>) {
    assemble(std::type_identity<GramTile<kFusedFactors, false, kBf16x3>>(), AssembleChunk<false, kBf16x3>, n_tiles);
    assemble(std::type_identity<GramTile<kFusedFactors, true, kBf16x3>>(), AssembleChunk<true, kBf16x3>,
             n_tiles * (n_tiles - 1) / 2);
    const auto shared = SharedSystem<kBf16x3>(static_cast<int>(n_factors_)).end * static_cast<int64_t>(sizeof(float));
    if (shared + kStaticShared > shared_bytes) return false;
    cuda::Launch(SolveChunks<kBf16x3>, dim3(static_cast<unsigned>(n_rows)), dim3(256), static_cast<size_t>(shared),
                 stream.handle(), a, rows, width_, sums);
    return true;
  };
  if (precision == GramPrecision::kBf16x3 ? solve(std::true_type()) : solve(std::false_type())) return;
  cuda::Launch(AddChunks, dim3(Blocks(width_ * width_, 256), static_cast<unsigned>(n_rows)), dim3(256), 0,
               stream.handle(), a, rows, width_, sums, systems);
  const int64_t panel = (n_factors_ + 1 - kCholeskyBlock) * kCholeskyPanelStride;
  const bool has_panel = panel > 0 && (width_ + panel) * 4 + kStaticShared <= shared_bytes;
  cuda::Launch(SolveAdded, dim3(static_cast<unsigned>(n_rows)), dim3(256),
               static_cast<size_t>(width_ + (has_panel ? panel : 0)) * sizeof(float), stream.handle(), a, rows, width_,
               systems, has_panel);
}

}  // namespace kindred::cuda
