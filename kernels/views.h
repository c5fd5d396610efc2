// Plain views of memory: who owns it is said elsewhere (Buffer for a backend's, anybody for the host's).
//
// Matrices are row-major. Sizes, offsets and products of sizes are 64-bit, indices 32-bit.
// A host matrix and a resident one are different types, so that one is never taken for the other.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>

namespace kindred {

/// Memory of a backend: not to be read by the host. [size]
template <class T>
struct View {
  T* data = nullptr;
  int64_t size = 0;

  bool empty() const { return size == 0; }
  operator View<const T>() const requires(!std::is_const_v<T>) { return {data, size}; }
};

/// Memory of a backend: not to be read by the host. [n_rows x n_cols]
template <class T>
struct MatrixView {
  T* data = nullptr;
  int64_t n_rows = 0;
  int64_t n_cols = 0;

  int64_t size() const { return n_rows * n_cols; }
  operator MatrixView<const T>() const requires(!std::is_const_v<T>) { return {data, n_rows, n_cols}; }
};

/// Memory of the host. [n_rows x n_cols]
template <class T>
struct HostMatrix {
  T* data = nullptr;
  int64_t n_rows = 0;
  int64_t n_cols = 0;

  int64_t size() const { return n_rows * n_cols; }
  std::span<T> row(int64_t r) const { return {data + r * n_cols, static_cast<size_t>(n_cols)}; }
  std::span<T> all() const { return {data, static_cast<size_t>(size())}; }
  operator HostMatrix<const T>() const requires(!std::is_const_v<T>) { return {data, n_rows, n_cols}; }
};

/// A sparse matrix of the host in compressed rows: row r has the columns indices[indptr[r] .. indptr[r+1]),
/// strictly increasing, and their values. `values` may be empty where only the pattern matters.
struct CsrView {
  int64_t n_rows = 0;
  int64_t n_cols = 0;
  std::span<const int64_t> indptr;   // [n_rows + 1], indptr[0] = 0
  std::span<const int32_t> indices;  // [nnz]
  std::span<const float> values;     // [nnz] or empty

  int64_t nnz() const { return indptr.empty() ? 0 : indptr.back(); }
  std::span<const int32_t> row(int64_t r) const {
    return indices.subspan(static_cast<size_t>(indptr[r]), static_cast<size_t>(indptr[r + 1] - indptr[r]));
  }
  std::span<const float> row_values(int64_t r) const {
    return values.subspan(static_cast<size_t>(indptr[r]), static_cast<size_t>(indptr[r + 1] - indptr[r]));
  }
};

}  // namespace kindred
