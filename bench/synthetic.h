// Made-up data for the kernel bench: from a seed, the same on every machine and number of threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/views.h"

namespace kindred {

struct SyntheticMatrix {
  int64_t n_cols = 0;
  std::vector<int64_t> indptr;
  std::vector<int32_t> indices;
  std::vector<float> values;

  int64_t n_rows() const { return static_cast<int64_t>(indptr.size()) - 1; }
  int64_t nnz() const { return indptr.back(); }
  CsrView view() const { return {n_rows(), n_cols, indptr, indices, values}; }
};

/// Users x items with about nnz entries, values 1 to 5, and long tails on both sides in the manner of MovieLens 20M:
/// users' lengths are log-normal, at least 20; an item's share falls with its rank, and over a third of the users have
/// the first; ranks are spread over the item indices.
SyntheticMatrix NewInteractions(ThreadPool& pool, int64_t n_users, int64_t n_items, int64_t nnz, uint64_t seed);

SyntheticMatrix TransposeOf(const SyntheticMatrix& matrix);

/// Standard normal times scale.
std::vector<float> NewFactors(ThreadPool& pool, int64_t n, double scale, uint64_t seed);

/// Writes a C-ordered .npy file for the peers. Throws kIo.
void WriteNpy(const std::filesystem::path& path, const std::vector<int64_t>& values);
void WriteNpy(const std::filesystem::path& path, const std::vector<int32_t>& values);
void WriteNpy(const std::filesystem::path& path, const std::vector<float>& values);

}  // namespace kindred
