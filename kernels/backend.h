// The seam: everything Kindred asks of a device, in a handful of coarse operations.
//
// Every training loop and every query is written once, in host/, over these classes. A Backend is one
// device; several devices are several backends. See ARCHITECTURE.md, "The backend seam".
//
// Contract
//  - A Backend is thread-safe. Each caller holds a Context of its own, which is not.
//  - Operations are ordered within a Context and asynchronous: inputs must outlive, and outputs may be
//    read only after, Context::Wait(), which throws what went wrong since the last Wait.
//    Arguments that do not fit (shapes, foreign memory) throw kInvalidArgument at the call itself.
//  - Resident memory belongs to the backend that made it.
//  - The same input on the same backend gives the same bits, whatever the number of threads.
//  - Out of memory (kOutOfMemory) leaves the backend usable; kDevice makes it dead.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "kernels/clusters.h"
#include "kernels/error.h"
#include "kernels/item_codes_view.h"
#include "kernels/views.h"

namespace kindred {

class Backend;

/// One caller's queue of operations, with its workspace.
class Context {
 public:
  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  virtual ~Context() = default;

  /// Returns when every operation before it is done. Throws the first error since the last Wait.
  virtual void Wait() = 0;
};

/// Memory of a backend, freed on destruction. Destroy it only after the operations that use it are done.
class Buffer {
 public:
  Buffer() = default;
  Buffer(void* data, int64_t bytes, std::shared_ptr<const void> keep)
      : data_(data), bytes_(bytes), keep_(std::move(keep)) {}
  Buffer(Buffer&&) = default;
  Buffer& operator=(Buffer&&) = default;

  int64_t bytes() const { return bytes_; }

  /// The buffer as elements of T. Throws kInvalidArgument where its size is no multiple of T's.
  template <class T>
  View<T> As() const {
    if (bytes_ % static_cast<int64_t>(sizeof(T)) != 0)
      throw Error(ErrorCode::kInvalidArgument,
                  "buffer of " + std::to_string(bytes_) + " bytes does not hold whole elements");
    return {static_cast<T*>(data_), bytes_ / static_cast<int64_t>(sizeof(T))};
  }

  /// The buffer as a matrix. Throws kInvalidArgument where the shape is not its size.
  template <class T>
  MatrixView<T> AsMatrix(int64_t n_rows, int64_t n_cols) const {
    if (n_rows * n_cols * static_cast<int64_t>(sizeof(T)) != bytes_)
      throw Error(ErrorCode::kInvalidArgument, "buffer of " + std::to_string(bytes_) + " bytes is not a " +
                                                   std::to_string(n_rows) + " x " + std::to_string(n_cols) + " matrix");
    return {static_cast<T*>(data_), n_rows, n_cols};
  }

 private:
  void* data_ = nullptr;
  int64_t bytes_ = 0;
  std::shared_ptr<const void> keep_;
};

/// How a device with tensor cores multiplies the Gram matrices of long rows.
enum class GramPrecision {
  kBf16x3,   // on tensor cores from bf16 parts, three products: relative error about 1e-5
  kFloat32,  // plain float32
};

/// What a backend runs on, for people: doctor, logs, GetServerInfo.
struct DeviceInfo {
  std::string backend;          // "cpu", "cuda", "emulated", "strict"
  std::string device;           // the processor's or the card's own name
  std::string instruction_set;  // "avx512", "avx2", "baseline"; empty on a GPU
  int n_threads = 0;
  int64_t memory_bytes = 0;
};

/// Rows of a sparse matrix made resident once and solved many times; each backend keeps its own schedule.
class SparseRows {
 public:
  virtual ~SparseRows() = default;
  int64_t n_rows() const { return n_rows_; }
  int64_t n_cols() const { return n_cols_; }
  int64_t nnz() const { return nnz_; }

 protected:
  SparseRows(int64_t n_rows, int64_t n_cols, int64_t nnz) : n_rows_(n_rows), n_cols_(n_cols), nnz_(nnz) {}

 private:
  int64_t n_rows_, n_cols_, nnz_;
};

/// S, the item-item part of a score: a sparse matrix of n_items columns in compressed rows, resident. Row j says what
/// item j in a history adds to the score of others; there may be any number of rows, as where several matrices stand
/// below each other.
struct ItemItemView {
  View<const int64_t> indptr;  // number of rows + 1, from 0; empty where there is no such part
  View<const int32_t> items;   // strictly increasing within a row
  View<const float> values;    // finite

  bool empty() const { return indptr.empty(); }
};

/// A catalogue made ready for TopN: factors, norms, the item-item part and whatever else a backend's scan needs.
class ItemIndex {
 public:
  virtual ~ItemIndex() = default;
  int64_t n_items() const { return n_items_; }
  int64_t n_factors() const { return n_factors_; }
  bool has_item_item() const { return has_item_item_; }

 protected:
  ItemIndex(int64_t n_items, int64_t n_factors, bool has_item_item)
      : n_items_(n_items), n_factors_(n_factors), has_item_item_(has_item_item) {}

 private:
  int64_t n_items_, n_factors_;
  bool has_item_item_;
};

/// Which items of a catalogue TopN may answer, made ready for the index it was made for.
class ItemFilter {
 public:
  virtual ~ItemFilter() = default;
  const ItemIndex& index() const { return index_; }
  int64_t n_eligible() const { return n_eligible_; }

 protected:
  ItemFilter(const ItemIndex& index, int64_t n_eligible) : index_(index), n_eligible_(n_eligible) {}

 private:
  const ItemIndex& index_;
  int64_t n_eligible_;
};

/// What the answer to a query took. Items that are neither scanned nor rescored were ruled out with many others at
/// once. The figures may change with the backend and with what runs beside; the answer does not.
struct TopNCost {
  int64_t scanned = 0;   // items whose bound was computed
  int64_t rescored = 0;  // items whose defined score was computed
};

/// How a half-step solves its rows.
enum class AlsMethod {
  kExact,
  /// Steps of conjugate gradients from the row's factors, preconditioned by D^-1 with D = a0 e + l, the diagonal that
  /// a0 YtY + l I is in the eigenbasis. Cost: 2 n f a step, and as much to begin. Hestenes and Stiefel 1952; for ALS
  /// Takacs, Pilaszy and Tikk 2011.
  kConjugateGradient,
  /// Sweeps over blocks of factors; each block becomes the exact minimum of the row's objective while the others stay.
  /// In the eigenbasis blocks couple through the row's entries only. Cost of a sweep: n f (block_size + 4) +
  /// f block_size^2 / 3. iALS++: Rendle, Krichene, Zhang and Koren 2021.
  kBlocks,
};

/// The approximate methods never raise a row's objective above what it is at the row's first factors. They do not find
/// out whether its system is singular.
struct AlsSolver {
  static constexpr int64_t kMaxSteps = 1000, kMaxBlockSize = 64;

  AlsMethod method = AlsMethod::kExact;
  int64_t n_steps = 3;      // steps, or sweeps; 1 to kMaxSteps
  int64_t block_size = 64;  // a multiple of 8 up to kMaxBlockSize; the last block takes what is left
  bool warm = true;         // rows start from what `solved` holds, else from 0

  /// Rows of at most so many entries are solved exactly by every method: it costs no more. A backend may do so with
  /// others, too: the CUDA backend does with those of more than 4096 entries, and each with a row that an approximate
  /// method leaves with numbers that are not finite, or with a block that is lost to rounding.
  int64_t MaxExactEntries(int64_t n_factors) const {
    if (method == AlsMethod::kConjugateGradient) return std::min(n_factors, 8 * (n_steps + 1));
    return method == AlsMethod::kBlocks && n_factors > block_size ? 2 * block_size : INT64_MAX;
  }
};

/// One ALS half-step: for every row r of `observed` the x that minimizes
///
///   sum over entries (w, b, i) of row r:  w (y_i.x)^2 - 2 b (y_i.x)
///   + unobserved_weight * sum over all i of (y_i.x)^2  +  regularization[r] |x|^2
///
/// that is, (a0 YtY + sum w y yt + l I) x = sum b y. Kindred's objective is w = c, b = c p.
/// Rows without entries get x = 0. Exact by default: short rows are solved in the dual, an n x n system for n entries
/// (Woodbury; Hu, Koren and Volinsky 2008 for the primal), long rows in the primal, n_factors squared.
/// Cost: n^2 f + n^3/3 a short row, n f^2 + f^3/3 a long one. `solver` names cheaper ways.
struct AlsHalfStep {
  const SparseRows* observed = nullptr;  // n_rows x n_fixed
  MatrixView<const float> fixed;         // Y, n_fixed x n_factors, as Diagonalize leaves it
  View<const float> eigenvalues;         // n_factors, of YtY, as Diagonalize gives them
  float unobserved_weight = 0;           // a0 >= 0
  View<const float> regularization;      // l, n_rows, >= 0
  MatrixView<float> solved;              // out, n_rows x n_factors; in, too, where the solver starts from it
  View<double> loss;                     // out, n_rows: the objective at x plus sum b^2/w over w > 0; or empty
  View<double> squared_norm;             // out, n_rows: |x|^2; or empty
  AlsSolver solver = {};
};

/// What an ALS fit is about to ask for: users x items with nnz entries.
struct AlsShape {
  int64_t n_users = 0;
  int64_t n_items = 0;
  int64_t nnz = 0;
  int64_t n_factors = 0;
  bool has_targets = false;  // beside the weights
  AlsMethod method = AlsMethod::kExact;
  int64_t longest_row = INT64_MAX;  // entries of the user or item that has most, if known
};

/// Memory of a fit, before any of it is taken.
struct AlsPlan {
  int64_t peak_bytes = 0;       // on the device: both sides' factors, rows and figures, and the workspace
  int64_t available_bytes = 0;  // there now; 0: not known
  int64_t max_entry_bytes = 0;  // of each side's entries: what to give NewSparseRows
  bool streamed = false;        // the entries stay on the host, and every half-step copies them in tiles
};

/// The n best items of each query by the defined score of an item i,
///
///   query . y_i  +  sum over the items j of the query's history whose row of S has i:  w_j S_ji
///
/// Products of float32 entries are taken in double; each of the two sums is made in double, the first in increasing
/// factor index, the second in increasing place in the history; the two are added in double and rounded once to
/// float32. What has no entry adds nothing: without histories the score is the first sum, rounded.
/// Score descending, then item index ascending; a score that is NaN is never selected, nor is an item that is excluded
/// or not eligible. Unfilled places: item -1, score 0.
struct TopNRequest {
  MatrixView<const float> queries;          // n_queries x n_factors
  View<const int64_t> excluded_indptr;      // n_queries + 1, or empty; offsets into excluded_items
  View<const int32_t> excluded_items;       // strictly increasing within a query
  MatrixView<int32_t> items;                // out, n_queries x n
  MatrixView<float> scores;                 // out, n_queries x n
  View<const int64_t> history_indptr = {};  // n_queries + 1, or empty; offsets into history_items; needs an S
  View<const int32_t> history_items = {};   // strictly increasing within a query
  View<const float> history_weights = {};   // w, one for each of them
  const ItemFilter* eligible = nullptr;     // of this index, for every query; nullptr: all items are eligible
  View<TopNCost> costs = {};                // out, n_queries; or empty
};

/// The k largest entries of each row of a product of two sparse matrices, l (n_rows x n_inner) and r (n_inner x
/// n_cols):
///
///   value(i, c) = column_scale[c] * sum over u of l_iu r_uc
///
/// Defined: products of float32 weights taken in double, summed in increasing u, times the scale in double, rounded
/// once to float32. The largest values are kept, of equal ones the lower columns; only values above 0 count. A row's
/// entries come out in increasing columns, as those of a sparse matrix. Cost: the entries of all rows of r that l
/// names, each added to a dense row of sums (Gustavson 1978). Memory beside: 20 n_cols bytes a thread; on a GPU 16
/// n_cols a block, of which there are as many as 2 GiB and a quarter of the free memory hold, but at least one.
struct SparseTopK {
  const SparseRows* left = nullptr;
  const SparseRows* right = nullptr;  // resident: NewSparseRows without a limit; may be the same as left
  View<const float> column_scale;     // n_cols, or empty: 1
  bool skip_diagonal = false;         // leaves out the entries (i, i)
  MatrixView<int32_t> items;          // out, n_rows x k: columns; unfilled places, the last: -1
  MatrixView<float> values;           // out, n_rows x k; unfilled places: 0
};

/// A tall matrix as panels of columns, [A_0 A_1 ...]: each n_rows x width, one below the other in memory.
struct Panels {
  MatrixView<const float> stacked;  // n_panels * n_rows x width
  int64_t n_panels = 1;

  int64_t n_rows() const { return n_panels > 0 ? stacked.n_rows / n_panels : 0; }
  int64_t n_cols() const { return n_panels * stacked.n_cols; }
};

/// Widths of panels, and of what is multiplied with them or made orthonormal to them, are multiples of this.
inline constexpr int64_t kPanelColumns = 16;
/// The largest matrix that InvertPositiveDefinite takes: 8 GiB, and a size that cuSOLVER's 32-bit indices can have.
inline constexpr int64_t kMaxInverseRows = 46340;
/// The most factors of an item index: what its bounds are made for.
inline constexpr int64_t kMaxIndexFactors = int64_t{1} << 16;
/// The widest block that Orthonormalize takes.
inline constexpr int64_t kMaxBlockColumns = 64;

class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  virtual DeviceInfo Describe() const = 0;

  /// A queue that uses at most `max_threads` host threads (0: all the backend has).
  virtual std::unique_ptr<Context> NewContext(int max_threads = 0) = 0;

  /// Uninitialized resident memory, 64-byte aligned. Throws kOutOfMemory.
  virtual Buffer Allocate(int64_t bytes) = 0;

  /// Host data made resident: in place where the device reads host memory (`keep` then holds it), else copied.
  /// Read-only: writing through the buffer is undefined.
  virtual Buffer Import(std::span<const std::byte> data, std::shared_ptr<const void> keep) = 0;

  virtual void Upload(Context& context, std::span<const std::byte> from, View<std::byte> to) = 0;
  virtual void Download(Context& context, View<const std::byte> from, std::span<std::byte> to) = 0;

  /// Makes rows resident for the operations on sparse rows. `weights` (w) and `targets` (b) have nnz entries; targets
  /// empty means b = w. The spans are used in place: they outlive the rows, by `keep` or by the caller's care. Where a
  /// device copies entries, it keeps at most max_entry_bytes of them (or the longest row) and fetches the rest, tile by
  /// tile, at every half-step. Throws kInvalidArgument for offsets that fall, indices out of range or not increasing
  /// strictly within a row, weights negative or not finite.
  virtual std::unique_ptr<SparseRows> NewSparseRows(const CsrView& weights, std::span<const float> targets,
                                                    std::shared_ptr<const void> keep,
                                                    int64_t max_entry_bytes = INT64_MAX) = 0;

  /// How a fit of this shape uses the device's memory; nothing is allocated. Throws kOutOfMemory, saying what is needed
  /// and what is there, where factors and workspace alone do not fit.
  virtual AlsPlan PlanAls(const AlsShape& shape) const = 0;

  /// gramian = at a, n_cols x n_cols. Partial sums are carried in double.
  virtual void Gram(Context& context, MatrixView<const float> a, MatrixView<float> gramian) = 0;

  /// Replaces a by a Q, where at a = Q diag(e) Qt, so that the new at a is diagonal; writes e, descending
  /// and clamped at 0. Inner products of rows do not change. The sign of each column of Q makes its
  /// largest entry positive. A companion of as many columns is rotated along, so that its products with rows of a do
  /// not change either: what a half-step that does not start anew has to start from.
  virtual void Diagonalize(Context& context, MatrixView<float> a, View<float> eigenvalues,
                           MatrixView<float> companion = {}) = 0;

  /// Wait throws kNumeric naming the first row whose system is singular, which is the error's row().
  virtual void SolveAls(Context& context, const AlsHalfStep& step) = 0;

  /// product = A b, where A has the rows' weights: [n_rows x n_cols] times [n_cols x width], any width. A row is cut
  /// into pieces of a fixed length, which are summed in float32 and added in order. Cost: 2 nnz width flops, and nnz
  /// rows of b read.
  virtual void MultiplySparse(Context& context, const SparseRows& a, MatrixView<const float> b,
                              MatrixView<float> product) = 0;

  /// product = a s: [n_rows x a.n_cols()] times [a.n_cols() x width], in float32.
  virtual void MultiplyPanels(Context& context, const Panels& a, MatrixView<const float> s,
                              MatrixView<float> product) = 0;

  /// Replaces a block B by columns V that are orthonormal, and so to the columns of `basis`, which must be orthonormal
  /// or zero (n_panels may be 0). `coefficients`, [basis.n_cols() + width x width], become C over R, where
  /// B = basis C + V R and R is upper triangular. A column that depends on those before it, up to float32's rounding
  /// (1e-6 of its length), becomes zero, and so does its row of R.
  /// Block Gram-Schmidt and CholeskyQR, each twice, with inner products summed in double (Yamamoto et al. 2015; Barlow
  /// and Smoktunowicz 2013). Cost: 8 n_rows n_cols width flops, n_cols with the block's own.
  virtual void Orthonormalize(Context& context, const Panels& basis, MatrixView<float> block,
                              MatrixView<double> coefficients) = 0;

  virtual void MultiplySparseTopK(Context& context, const SparseTopK& request) = 0;

  /// Replaces a symmetric positive definite a [n x n, n up to kMaxInverseRows] by its inverse, of which both triangles
  /// are written and are equal bit for bit; only the lower triangle of a is read. In float32: off by about 2^-24 times
  /// the condition number of a scaled to a unit diagonal. Judged are the pivots of Cholesky's factorization in row
  /// order: Wait throws kNumeric naming the first row, which is the error's row(), whose pivot is not finite, or not
  /// above max(2^-20, sqrt(n) 2^-22) of its diagonal entry. Such a pivot may be rounding alone, which grows with n: it
  /// is lost, or never was positive. Cost: n^3 flops, and n x 256 floats beside a, on a GPU what cuSOLVER asks for.
  virtual void InvertPositiveDefinite(Context& context, MatrixView<float> a) = 0;

  /// Makes a catalogue ready for TopN: n_items x n_factors with 1 to kMaxIndexFactors columns, and S or nothing.
  /// Both are resident, used in place, and kept alive by the caller. So is what `stored` views: codes that were made of
  /// these very factors, in which WrongNumberOf finds nothing. Answers are the same with and without; a backend that
  /// scans something else leaves them alone.
  virtual std::unique_ptr<ItemIndex> NewItemIndex(Context& context, MatrixView<const float> item_factors,
                                                  const ItemItemView& item_item = {},
                                                  const ItemCodesView* stored = nullptr) = 0;

  /// Makes ready which items may be answered: item i where bit i % 64 of word i / 64 is set; bits after the last item
  /// do not count. `eligible` is read before this returns; the filter needs its index. Memory: a quarter byte an item
  /// at most, and 4 bytes an eligible one where those are few. Cost: up to a random read an item; worth keeping for as
  /// long as the bits stay the same.
  virtual std::unique_ptr<ItemFilter> NewItemFilter(Context& context, const ItemIndex& index,
                                                    std::span<const uint64_t> eligible) = 0;

  virtual void TopN(Context& context, const ItemIndex& index, const TopNRequest& request) = 0;

  /// Makes points ready for the operations below: n_points x n_features with 1 to ClusterPoints::kMaxFeatures columns,
  /// all finite (else Wait throws kNumeric naming the first row that is not, which is the error's row()).
  virtual std::unique_ptr<ClusterPoints> NewClusterPoints(Context& context, MatrixView<const float> points) = 0;
  /// Runs of so many clusters each, 1 to ClusterRuns::kMaxClusters. Memory: up to 12 bytes a point and run, and 8 a
  /// centroid and feature.
  virtual std::unique_ptr<ClusterRuns> NewClusterRuns(Context& context, const ClusterPoints& points,
                                                      std::span<const int32_t> n_clusters) = 0;
  virtual void SeedClusters(Context& context, const ClusterSeeding& seeding) = 0;
  /// Cost: at most 2 n_points n_features flops a centroid.
  virtual void StepClusters(Context& context, const ClusterStep& step) = 0;
  virtual void AssignClusters(Context& context, const ClusterAssignment& assignment) = 0;
  virtual void SilhouetteOfClusters(Context& context, const ClusterSilhouette& silhouette) = 0;
};

/// A resident matrix or array with its memory.
template <class T>
class Resident {
 public:
  Resident() = default;
  Resident(Backend& backend, int64_t n_rows, int64_t n_cols = 1)
      : buffer_(backend.Allocate(n_rows * n_cols * static_cast<int64_t>(sizeof(T)))),
        n_rows_(n_rows),
        n_cols_(n_cols) {}

  /// Read-only host data made resident; see Backend::Import.
  static Resident Import(Backend& backend, HostMatrix<const T> from, std::shared_ptr<const void> keep) {
    Resident result;
    result.buffer_ = backend.Import(std::as_bytes(from.all()), std::move(keep));
    result.n_rows_ = from.n_rows;
    result.n_cols_ = from.n_cols;
    return result;
  }

  int64_t n_rows() const { return n_rows_; }
  int64_t n_cols() const { return n_cols_; }
  View<T> view() const { return buffer_.As<T>(); }
  MatrixView<T> matrix() const { return buffer_.AsMatrix<T>(n_rows_, n_cols_); }

  /// Asynchronous: `from` must live until the context's Wait.
  void Upload(Backend& backend, Context& context, std::span<const T> from) const {
    backend.Upload(context, std::as_bytes(from), buffer_.As<std::byte>());
  }
  /// Asynchronous: `to` is filled after the context's Wait.
  void Download(Backend& backend, Context& context, std::span<T> to) const {
    backend.Download(context, buffer_.As<const std::byte>(), std::as_writable_bytes(to));
  }

 private:
  Buffer buffer_;
  int64_t n_rows_ = 0;
  int64_t n_cols_ = 0;
};

}  // namespace kindred
