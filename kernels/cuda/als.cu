// The ALS half-step on the device: where its rows lie, which kernel solves which of them, and what that needs.
//
// Rows are sorted by length once. In each half-step the longest go to the primal, in chunks or whole, the short ones to
// the dual; rows the dual must not take go to the primal, and what float32 could not solve is solved in double. Lists
// of such rows stay on the device: no kernel waits for what the host makes of another's result. No atomics but places
// in these lists and the lowering of a flag to the least failing row: same input, same bits.
#include "kernels/cuda/als.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "kernels/require.h"

namespace kindred::cuda {
namespace {

__global__ void SolveEmpty(AlsArguments a, int64_t first) {
  const int64_t row = a.order[first + blockIdx.x];
  for (int64_t k = threadIdx.x; k < a.n_factors; k += blockDim.x) a.solved[row * a.n_factors + k] = 0;
  if (threadIdx.x > 0) return;
  if (a.loss != nullptr) a.loss[row] = 0;
  if (a.squared_norm != nullptr) a.squared_norm[row] = 0;
}

DeviceMemory ToDevice(Stream& stream, const auto& host) {
  const auto bytes = static_cast<int64_t>(host.size() * sizeof(host[0]));
  DeviceMemory memory(bytes);
  stream.CopyToDevice(memory.data(), host.data(), bytes);
  return memory;
}

// Where in a tile's order each kernel's rows begin: rows get shorter. Those that an approximate solver leaves to the
// exact one are its longest and its shortest.
struct Shares {
  Shares(const CudaSparseRows& rows, const CudaSparseRows::Tile& tile, const AlsSolver& solver, int64_t n_factors,
         int64_t shared_bytes)
      : n_rows(tile.end_row - tile.first_row) {
    const auto first = [&](int64_t n_entries) { return rows.FirstOfAtMost(tile, n_entries); };
    if (solver.method != AlsMethod::kExact) {
      exact = first(solver.MaxExactEntries(n_factors));
      approximate = std::min(exact, first(MaxApproximateEntries(solver, n_factors, shared_bytes)));
      kept = std::clamp(first(MaxKeptEntries(n_factors)), approximate, exact);
    }
    dual = std::max(exact, first(MaxDualEntries(n_factors, shared_bytes)));
    fused = n_factors > kFusedFactors ? dual : std::clamp(first(kFusedEntries), exact, dual);
    dual_64 = std::max(dual, first(64));
    dual_32 = std::max(dual, first(32));
    empty = first(0);
  }
  /// Rows that are solved in chunks.
  bool IsChunked(int64_t place) const { return place < approximate || (place >= exact && place < fused); }

  int64_t n_rows, approximate = 0, kept = 0, exact = 0, fused, dual, dual_64, dual_32, empty;
};

// The workspace of a half-step.
struct Workspace {
  static int64_t Bytes(int64_t n_rows, int64_t n_factors, int n_multiprocessors, int64_t chunked_bytes,
                       int64_t slot_bytes) {
    return Arena::Bytes<unsigned>(2) + 2 * Arena::Bytes<int64_t>(n_rows) +
           Arena::Bytes<char>(DoubleWorkspaceBytes(n_factors, n_multiprocessors)) + Arena::Bytes<char>(chunked_bytes) +
           2 * Arena::Bytes<char>(slot_bytes);
  }
  Workspace(char* memory, int64_t n_rows, int64_t n_factors, int n_multiprocessors, int64_t chunked_bytes,
            int64_t slot_bytes) {
    Arena arena(memory);
    counts = arena.Take<unsigned>(2);
    ill_conditioned = arena.Take<int64_t>(n_rows);
    unsolved = arena.Take<int64_t>(n_rows);
    in_double = arena.Take<char>(DoubleWorkspaceBytes(n_factors, n_multiprocessors));
    chunked = arena.Take<char>(chunked_bytes);
    for (char*& slot : slots) slot = arena.Take<char>(slot_bytes);
  }

  unsigned* counts;
  int64_t *ill_conditioned, *unsolved;
  char *in_double, *chunked;
  std::array<char*, 2> slots;
};

int64_t MaxRows(const CudaSparseRows& rows) {
  int64_t most = 0;
  for (const auto& tile : rows.tiles()) most = std::max(most, tile.end_row - tile.first_row);
  return most;
}

AlsArguments Arguments(const AlsHalfStep& step) {
  AlsArguments a;
  a.fixed = step.fixed.data;
  a.eigenvalues = step.eigenvalues.data;
  a.regularization = step.regularization.data;
  a.n_factors = step.fixed.n_cols;
  a.unobserved_weight = step.unobserved_weight;
  a.solved = step.solved.data;
  a.loss = step.loss.data;
  a.squared_norm = step.squared_norm.data;
  return a;
}

void LaunchApproximate(const AlsArguments& a, const AlsSolver& solver, GramPrecision precision,
                       const CudaSparseRows& rows, const CudaSparseRows::Tile& tile, const Shares& at,
                       StreamHandle stream) {
  if (at.approximate == at.exact) return;
  const auto longest = [&](int64_t place) {
    return place < at.exact ? rows.Degree(rows.Order(tile)[static_cast<size_t>(place)]) : 0;
  };
  if (solver.method == AlsMethod::kBlocks) {
    LaunchBlocks(a, solver, precision, at.approximate, at.exact - at.approximate, longest(at.approximate), stream);
    return;
  }
  LaunchGradients(a, solver, at.approximate, at.kept - at.approximate, longest(at.approximate), stream);
  LaunchGradients(a, solver, at.kept, at.exact - at.kept, longest(at.kept), stream);
}

// Queues the kernels of every tile; rows that are not resident are copied in beside those of the tile before.
void SolveTiles(CudaContext& cuda, const DeviceFacts& facts, GramPrecision precision, const CudaSparseRows& rows,
                const AlsSolver& solver, AlsArguments a, std::vector<ChunkedPrimal>& chunked,
                const Workspace& workspace) {
  Stream& stream = cuda.stream();
  const int64_t f = a.n_factors;
  const int n_multiprocessors = facts.n_multiprocessors;
  Stream& copies = cuda.copy_stream();
  std::array<Event, 2> copied, used;
  if (rows.streamed())
    for (Event& event : used) event.Record(stream);
  for (size_t i = 0; i < rows.tiles().size(); ++i) {
    const auto& tile = rows.tiles()[i];
    if (rows.streamed()) {
      copies.WaitFor(used[i % 2]);
      rows.Copy(tile, copies, workspace.slots[i % 2], a);
      copied[i % 2].Record(copies);
      stream.WaitFor(copied[i % 2]);
    }
    stream.Zero(workspace.counts, 2 * static_cast<int64_t>(sizeof(unsigned)));
    const Shares at(rows, tile, solver, f, facts.shared_bytes);
    chunked[i].Launch(cuda, a, precision, facts.shared_bytes, workspace.chunked);
    LaunchApproximate(a, solver, precision, rows, tile, at, stream.handle());
    LaunchPrimal(a, precision, at.fused, at.dual - at.fused, stream.handle());
    LaunchDual(a, 128, at.dual, at.dual_64 - at.dual, stream.handle());
    LaunchDual(a, 64, at.dual_64, at.dual_32 - at.dual_64, stream.handle());
    LaunchDual(a, 32, at.dual_32, at.empty - at.dual_32, stream.handle());
    if (f <= kFusedFactors && at.empty > at.dual)
      LaunchPrimal(a, precision, a.ill_conditioned,
                   static_cast<int>(std::min<int64_t>(at.empty - at.dual, 2 * n_multiprocessors)), stream.handle());
    if (at.empty > 0)
      LaunchDouble(a, static_cast<int>(std::min<int64_t>(at.empty, DoubleBlocks(f, n_multiprocessors))),
                   workspace.in_double, stream.handle());
    if (at.n_rows > at.empty)
      Launch(SolveEmpty, dim3(static_cast<unsigned>(at.n_rows - at.empty)), dim3(128), 0, stream.handle(), a, at.empty);
    if (rows.streamed()) used[i % 2].Record(stream);
  }
}

}  // namespace

CudaSparseRows::CudaSparseRows(const CsrView& rows, std::span<const float> targets, std::shared_ptr<const void> keep,
                               int64_t max_bytes)
    : SparseRows(rows.n_rows, rows.n_cols, rows.nnz()), host_(rows), host_targets_(targets), keep_(std::move(keep)) {
  const int64_t each = BytesPerEntry(!targets.empty());
  streamed_ = nnz() * each > max_bytes;
  CutTiles(streamed_ ? max_bytes / 2 / each : nnz());
  host_order_.resize(static_cast<size_t>(n_rows()));
  std::iota(host_order_.begin(), host_order_.end(), int64_t{0});
  for (const Tile& tile : tiles_)
    std::stable_sort(host_order_.begin() + tile.first_row, host_order_.begin() + tile.end_row,
                     [&](int64_t a, int64_t b) { return Degree(a) > Degree(b); });
  Stream stream;
  indptr_ = ToDevice(stream, host_.indptr);
  order_ = ToDevice(stream, host_order_);
  if (streamed_) {
    int64_t most = 0;
    for (const Tile& tile : tiles_) most = std::max(most, Offset(tile.end_row) - Offset(tile.first_row));
    slot_bytes_ = 2 * Arena::Bytes<float>(most) + (targets.empty() ? 0 : Arena::Bytes<float>(most));
    pinned_indices_ = PinnedHost(host_.indices.data(), nnz() * 4);
    pinned_weights_ = PinnedHost(host_.values.data(), nnz() * 4);
    if (!targets.empty()) pinned_targets_ = PinnedHost(targets.data(), nnz() * 4);
  } else {
    indices_ = ToDevice(stream, host_.indices);
    weights_ = ToDevice(stream, host_.values);
    if (!targets.empty()) targets_ = ToDevice(stream, targets);
  }
  stream.Synchronize();
}

void CudaSparseRows::CutTiles(int64_t max_entries) {
  for (int64_t row = 0; row < n_rows();) {
    const auto begin = host_.indptr.begin() + row + 1;
    const auto end = std::upper_bound(begin, host_.indptr.end(), Offset(row) + max_entries);
    const int64_t end_row = std::max(row + 1, static_cast<int64_t>(end - host_.indptr.begin()) - 1);
    tiles_.push_back({row, end_row});
    row = end_row;
  }
}

int64_t CudaSparseRows::FirstOfAtMost(const Tile& tile, int64_t n_entries) const {
  const auto order = Order(tile);
  return std::partition_point(order.begin(), order.end(), [&](int64_t row) { return Degree(row) > n_entries; }) -
         order.begin();
}

void CudaSparseRows::Point(AlsArguments& a) const {
  a.indptr = indptr_.as<int64_t>();
  a.indices = indices_.as<int32_t>();
  a.weights = weights_.as<float>();
  a.targets = host_targets_.empty() ? a.weights : targets_.as<float>();
  a.order = order_.as<int64_t>();
}

void CudaSparseRows::Copy(const Tile& tile, Stream& stream, char* slot, AlsArguments& a) const {
  const auto first = static_cast<size_t>(Offset(tile.first_row));
  const int64_t n = Offset(tile.end_row) - Offset(tile.first_row);
  Arena arena(slot);
  const auto copy = [&](const auto* from) {
    auto* to = arena.Take<std::remove_cvref_t<decltype(*from)>>(n);
    stream.CopyToDevice(to, from + first, n * 4);
    return to;
  };
  a.indptr = indptr_.as<int64_t>();
  a.order = order_.as<int64_t>() + tile.first_row;
  a.first_entry = static_cast<int64_t>(first);
  a.indices = copy(host_.indices.data());
  a.weights = copy(host_.values.data());
  a.targets = host_targets_.empty() ? a.weights : copy(host_targets_.data());
}

std::unique_ptr<SparseRows> CudaBackend::NewSparseRows(const CsrView& weights, std::span<const float> targets,
                                                       std::shared_ptr<const void> keep, int64_t max_entry_bytes) {
  RequireSparseRows(weights, targets);
  return std::make_unique<CudaSparseRows>(weights, targets, std::move(keep), max_entry_bytes);
}

void CudaBackend::SolveAls(Context& context, const AlsHalfStep& step) {
  RequireAlsShapes(step);
  const auto& rows = static_cast<const CudaSparseRows&>(*step.observed);
  if (rows.n_rows() == 0) return;
  auto& cuda = static_cast<CudaContext&>(context);
  const int64_t f = step.fixed.n_cols;

  std::vector<ChunkedPrimal> chunked;
  int64_t chunked_bytes = 0;
  for (const auto& tile : rows.tiles()) {
    chunked.emplace_back(f);
    const Shares at(rows, tile, step.solver, f, facts_.shared_bytes);
    for (int64_t place = 0; place < at.fused; ++place) {
      const int64_t row = rows.Order(tile)[static_cast<size_t>(place)];
      if (at.IsChunked(place)) chunked.back().Add(row, rows.Offset(row), rows.Offset(row + 1));
    }
    chunked_bytes = std::max(chunked_bytes, chunked.back().workspace_bytes());
  }
  const int64_t n_rows = MaxRows(rows);
  const int n_multiprocessors = facts_.n_multiprocessors;
  const Workspace workspace(
      cuda.Reserve(Workspace::Bytes(n_rows, f, n_multiprocessors, chunked_bytes, rows.slot_bytes())), n_rows, f,
      n_multiprocessors, chunked_bytes, rows.slot_bytes());

  AlsArguments a = Arguments(step);
  a.unsolved = {workspace.unsolved, workspace.counts};
  // A system of more factors than a block holds goes straight to double.
  a.ill_conditioned = f > kFusedFactors ? a.unsolved : RowList{workspace.ill_conditioned, workspace.counts + 1};
  if (!rows.streamed()) rows.Point(a);

  a.failure = cuda.NewFlag([&rows, f](unsigned long long row) {
    return Error(ErrorCode::kNumeric,
                 "ALS: the system of row " + std::to_string(row) + " (" +
                     std::to_string(rows.Degree(static_cast<int64_t>(row))) + " entries, n_factors " +
                     std::to_string(f) + ") is singular; a larger regularization helps",
                 static_cast<int64_t>(row));
  });
  try {
    SolveTiles(cuda, facts_, precision_, rows, step.solver, a, chunked, workspace);
  } catch (...) {
    cuda.DropFlag();  // its report asks the rows, which may be gone by the next Wait
    throw;
  }
}

AlsPlan CudaBackend::PlanAls(const AlsShape& shape) const {
  const int64_t n_rows = shape.n_users + shape.n_items, longer = std::max(shape.n_users, shape.n_items);
  const int64_t f = shape.n_factors, entry_bytes = shape.nnz * CudaSparseRows::BytesPerEntry(shape.has_targets);
  constexpr int64_t kFigures = 4 + 8 + 8;  // regularization, loss and squared norm of a row
  const int64_t resident = n_rows * (f * 4 + kFigures + CudaSparseRows::BytesPerRow()) + f * 4;
  const int64_t shortest_primal = MaxDualEntries(f, facts_.shared_bytes) + 1;
  const int64_t n_chunked = std::min(longer, shape.nnz / (f > kFusedFactors ? shortest_primal : kFusedEntries + 1));
  const int64_t solve = Workspace::Bytes(longer, f, facts_.n_multiprocessors,
                                         ChunkedPrimal::MaxWorkspaceBytes(f, n_chunked, shape.nnz), 0);
  const int64_t libraries = LibraryBytes(f) + (int64_t{1} << 20);
  const int64_t base = resident + libraries;
  AlsPlan plan;
  plan.available_bytes = FreeMemory();
  plan.max_entry_bytes = entry_bytes;
  plan.peak_bytes = base + 2 * entry_bytes + std::max(solve, DiagonalizeWorkspaceBytes(longer, f));
  if (plan.peak_bytes <= plan.available_bytes) return plan;

  constexpr int64_t kLeastTiles = int64_t{16} << 20, kMostTiles = int64_t{2} << 30;
  const int64_t least = std::min(entry_bytes, kLeastTiles);
  const int64_t needed = base + std::max(solve + least, DiagonalizeWorkspaceBytes(longer, f));
  if (needed > plan.available_bytes)
    throw Error(ErrorCode::kOutOfMemory,
                "ALS of " + std::to_string(shape.n_users) + " users x " + std::to_string(shape.n_items) +
                    " items with n_factors " + std::to_string(f) + " needs " + GiB(needed) + " GiB of GPU memory, " +
                    GiB(resident) + " of it for the factors and their rows, even with its entries on the host; " +
                    GiB(plan.available_bytes) + " GiB are free");
  plan.streamed = true;
  plan.max_entry_bytes = std::min({entry_bytes - 1, plan.available_bytes - base - solve, kMostTiles});
  plan.peak_bytes = std::max(needed, base + solve + plan.max_entry_bytes);
  return plan;
}

}  // namespace kindred::cuda
