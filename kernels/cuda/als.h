// The parts of the CUDA half-step: what its kernels are given, and how much memory they ask for.
//
//   als.cu             rows made resident or streamed, the order of launches, the plan
//   als_dual.cu        short rows
//   als_primal.cu      long rows, for n_factors up to 128
//   als_chunked.cu     huge rows, and larger systems
//   als_gradients.cu   rows that need not be exact, by conjugate gradients
//   als_blocks.cu      the same by sweeps over blocks of factors
//   als_double.cu      the few rows that float32 cannot tell from singular ones
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cuda/backend.h"

namespace kindred::cuda {

/// Rows that kernels leave to a later one, in no order: rows do not depend on each other.
struct RowList {
  int64_t* rows = nullptr;
  unsigned* count = nullptr;
};

/// A half-step (kernels/backend.h) in device pointers, for the rows of one tile.
struct AlsArguments {
  const float* fixed = nullptr;
  const float* eigenvalues = nullptr;
  const float* regularization = nullptr;
  const int64_t* indptr = nullptr;   // of all rows
  const int32_t* indices = nullptr;  // of the tile's entries, and so on
  const float* weights = nullptr;
  const float* targets = nullptr;
  const int64_t* order = nullptr;  // the tile's rows, longest first
  int64_t first_entry = 0;         // of the tile
  int64_t n_factors = 0;
  float unobserved_weight = 0;
  float* solved = nullptr;
  double* loss = nullptr;          // or null
  double* squared_norm = nullptr;  // or null
  RowList ill_conditioned;         // the dual's rows that must take the primal
  RowList unsolved;                // to be solved in double
  unsigned long long* failure = nullptr;
};

/// D[k] of a row, in the eigenbasis: a0 e + l.
__device__ inline float Diagonal(const AlsArguments& a, int64_t row, int64_t k) {
  return a.unobserved_weight * a.eigenvalues[k] + a.regularization[row];
}
__device__ inline void Append(const RowList& list, int64_t row) {
  list.rows[atomicAdd(list.count, 1u)] = row;
}
/// What a block ends a row with: its norm, or a place in the list of unsolved rows.
__device__ inline void FinishRow(const AlsArguments& a, int64_t row, bool solved, double norm) {
  if (threadIdx.x > 0) return;
  if (!solved || norm * 0 != 0) Append(a.unsolved, row);
  if (a.squared_norm != nullptr) a.squared_norm[row] = norm;
}

/// The largest dual system: what of 128 and 64 entries the device's shared memory holds, and n_factors allow.
int64_t MaxDualEntries(int64_t n_factors, int64_t shared_bytes);
/// Solves the rows order[first, first + count), of at most `max_entries` (32, 64 or 128) entries each.
void LaunchDual(const AlsArguments& a, int max_entries, int64_t first, int64_t count, StreamHandle stream);

/// Largest n_factors whose system is assembled and solved in one block's shared memory.
constexpr int64_t kFusedFactors = 128;
/// Entries of a row above which several blocks share its assembly.
constexpr int64_t kFusedEntries = 4096;
/// Solves the rows order[first, first + count) for n_factors up to kFusedFactors.
void LaunchPrimal(const AlsArguments& a, GramPrecision precision, int64_t first, int64_t count, StreamHandle stream);
/// Solves the rows of the list, as many as there are when the kernel starts, by n_blocks blocks.
void LaunchPrimal(const AlsArguments& a, GramPrecision precision, const RowList& list, int n_blocks,
                  StreamHandle stream);

/// Rows in chunks: any n_factors, any number of entries. In batches that a fixed amount of memory holds.
class ChunkedPrimal {
 public:
  /// Entries [begin, end) of one row.
  struct Chunk {
    int64_t begin, end;
  };
  /// A row and its chunks within its batch.
  struct Row {
    int64_t row, first_chunk, end_chunk;
  };
  /// Memory of at most max_bytes, or of the longest row.
  ChunkedPrimal(int64_t n_factors, int64_t max_bytes = kMaxBytes);

  void Add(int64_t row, int64_t begin, int64_t end);
  /// What Launch needs for the rows added until now.
  int64_t workspace_bytes() const { return workspace_bytes_; }
  /// Queues all rows; the descriptions of its batches live in the context until Wait.
  void Launch(CudaContext& context, const AlsArguments& a, GramPrecision precision, int64_t shared_bytes,
              char* workspace);

  /// No fewer bytes than workspace_bytes() can become for these numbers.
  static int64_t MaxWorkspaceBytes(int64_t n_factors, int64_t n_rows, int64_t n_entries);

  static constexpr int64_t kMaxBytes = int64_t{512} << 20;
  static constexpr int64_t kMinChunkEntries = 2048;

 private:
  struct Batch {
    std::vector<Chunk> chunks;
    std::vector<Row> rows;
  };
  int64_t Bytes(int64_t n_chunks, int64_t n_rows) const;
  void LaunchBatch(CudaContext& context, const AlsArguments& a, GramPrecision precision, int64_t shared_bytes,
                   Batch batch, char* workspace) const;

  int64_t n_factors_, max_bytes_, width_, max_chunks_;
  int64_t workspace_bytes_ = 0;
  std::vector<Batch> batches_;
};

/// The longest row that an approximate solver takes, by one block; longer ones are solved exactly, in chunks.
int64_t MaxApproximateEntries(const AlsSolver& solver, int64_t n_factors, int64_t shared_bytes);
/// Rows of at most so many entries keep their factors in shared memory from one step of conjugate gradients to the
/// next.
int64_t MaxKeptEntries(int64_t n_factors);
/// Improves the rows order[first, first + count), of at most `longest` entries each; those left with numbers that are
/// not finite go to a.unsolved.
void LaunchGradients(const AlsArguments& a, const AlsSolver& solver, int64_t first, int64_t count, int64_t longest,
                     StreamHandle stream);
void LaunchBlocks(const AlsArguments& a, const AlsSolver& solver, GramPrecision precision, int64_t first, int64_t count,
                  int64_t longest, StreamHandle stream);

/// Blocks of LaunchDouble, each with a system of its own in the workspace.
int DoubleBlocks(int64_t n_factors, int n_multiprocessors);
int64_t DoubleWorkspaceBytes(int64_t n_factors, int n_multiprocessors);
/// Solves a.unsolved in double; lowers a.failure to the least row that is singular all the same.
void LaunchDouble(const AlsArguments& a, int n_blocks, char* workspace, StreamHandle stream);

/// Observations on the device, or, where they have no place there, on the host and copied tile by tile.
class CudaSparseRows : public SparseRows {
 public:
  /// Rows first_row to end_row, their entries, and their places in the order.
  struct Tile {
    int64_t first_row, end_row;
  };

  CudaSparseRows(const CsrView& rows, std::span<const float> targets, std::shared_ptr<const void> keep,
                 int64_t max_bytes);

  bool streamed() const { return streamed_; }
  int64_t Degree(int64_t row) const { return Offset(row + 1) - Offset(row); }
  int64_t Offset(int64_t row) const { return host_.indptr[static_cast<size_t>(row)]; }
  /// The first place of the tile's order, counted from its first row, whose row has at most n_entries.
  int64_t FirstOfAtMost(const Tile& tile, int64_t n_entries) const;
  std::span<const int64_t> Order(const Tile& tile) const {
    return std::span(host_order_)
        .subspan(static_cast<size_t>(tile.first_row), static_cast<size_t>(tile.end_row - tile.first_row));
  }
  const std::vector<Tile>& tiles() const { return tiles_; }
  /// Of the largest tile's indices, weights and targets: what each of two slots holds. 0 unless streamed.
  int64_t slot_bytes() const { return slot_bytes_; }

  /// Points the arguments at resident rows.
  void Point(AlsArguments& a) const;
  /// Queues the copy of a tile to `slot`, and points the arguments there.
  void Copy(const Tile& tile, Stream& stream, char* slot, AlsArguments& a) const;

  static int64_t BytesPerEntry(bool has_targets) { return has_targets ? 12 : 8; }
  /// Offsets and order, which are always resident.
  static int64_t BytesPerRow() { return 16; }

 private:
  void CutTiles(int64_t max_entries);

  CsrView host_;
  std::span<const float> host_targets_;
  std::shared_ptr<const void> keep_;
  std::vector<int64_t> host_indptr_, host_order_;
  std::vector<Tile> tiles_;
  bool streamed_ = false;
  int64_t slot_bytes_ = 0;
  PinnedHost pinned_indices_, pinned_weights_, pinned_targets_;
  DeviceMemory indptr_, indices_, weights_, targets_, order_;
};

}  // namespace kindred::cuda
