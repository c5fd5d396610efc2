// Sparse rows made at random, and the half-step on whatever backend a test runs on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "tests/support/backends.h"

namespace kindred {

struct AlsRows {
  int64_t n_cols = 0;
  std::vector<int64_t> indptr = {0};
  std::vector<int32_t> indices;
  std::vector<float> weights, targets;

  int64_t n_rows() const { return static_cast<int64_t>(indptr.size()) - 1; }
  CsrView view() const { return {n_rows(), n_cols, indptr, indices, weights}; }

  /// Adds a row of `count` random columns; weights below 0.2 become 0.
  void Add(int64_t count, std::mt19937_64& engine) {
    std::vector<int32_t> all(static_cast<size_t>(n_cols));
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), engine);
    all.resize(static_cast<size_t>(std::min(count, n_cols)));
    std::sort(all.begin(), all.end());
    for (int32_t column : all) {
      const float w = std::uniform_real_distribution<float>(0, 4)(engine);
      indices.push_back(column);
      weights.push_back(w < 0.2f ? 0 : w);
      targets.push_back(std::normal_distribution<float>(1, 1)(engine));
    }
    indptr.push_back(static_cast<int64_t>(indices.size()));
  }
};

class AlsFixture : public BackendTest {
 protected:
  struct Solution {
    std::vector<float> fixed, start, solved;  // in the eigenbasis
    std::vector<double> loss, squared_norm;
  };

  Solution Solve(const AlsRows& rows, bool use_targets, const std::vector<float>& fixed, int64_t f, float a0,
                 const std::vector<float>& regularization, int64_t max_entry_bytes = INT64_MAX) {
    return SolveFrom({}, {}, rows, use_targets, fixed, f, a0, regularization, max_entry_bytes);
  }

  /// From `start`, which is rotated along; empty: from nothing.
  Solution SolveFrom(const std::vector<float>& start, AlsSolver solver, const AlsRows& rows, bool use_targets,
                     const std::vector<float>& fixed, int64_t f, float a0, const std::vector<float>& regularization,
                     int64_t max_entry_bytes = INT64_MAX) {
    solver.warm = !start.empty();
    const Resident<float> y = ToBackend(fixed, rows.n_cols, f);
    const Resident<float> eigenvalues(backend(), f);
    const Resident<float> x =
        solver.warm ? ToBackend(start, rows.n_rows(), f) : Resident<float>(backend(), rows.n_rows(), f);
    const Resident<double> loss(backend(), rows.n_rows()), squared_norm(backend(), rows.n_rows());
    const Resident<float> l = ToBackend(regularization, rows.n_rows());
    const auto observed = backend().NewSparseRows(
        rows.view(), use_targets ? std::span<const float>(rows.targets) : std::span<const float>(), nullptr,
        max_entry_bytes);
    backend().Diagonalize(context(), y.matrix(), eigenvalues.view(), solver.warm ? x.matrix() : MatrixView<float>());
    const std::vector<float> from =
        solver.warm ? ToHost(x) : std::vector<float>(static_cast<size_t>(x.matrix().size()));
    backend().SolveAls(context(), {observed.get(), y.matrix(), eigenvalues.view(), a0, l.view(), x.matrix(),
                                   loss.view(), squared_norm.view(), solver});
    context().Wait();
    return {ToHost(y), from, ToHost(x), ToHost(loss), ToHost(squared_norm)};
  }
};

}  // namespace kindred
