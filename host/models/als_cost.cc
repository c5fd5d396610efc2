#include "host/models/als_cost.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>
#include <span>

#include "host/data/interactions.h"
#include "host/data/random.h"

namespace kindred {
namespace {

constexpr int64_t kOneIn[] = {64, 8, 1};
constexpr double kEnoughFlops = 4e9;  // a twentieth of a second on two cores
constexpr int64_t kTileRows = 1024;   // of random factors, repeated

class Timer {
 public:
  double Seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

std::vector<int64_t> UserDegrees(const CsrView& interactions) {
  std::vector<int64_t> degrees(static_cast<size_t>(interactions.n_rows));
  std::adjacent_difference(interactions.indptr.begin() + 1, interactions.indptr.end(), degrees.begin());
  return degrees;
}

std::vector<int64_t> ItemDegrees(const CsrView& interactions) {
  std::vector<int64_t> degrees(static_cast<size_t>(interactions.n_cols), 0);
  for (const int32_t item : interactions.indices) ++degrees[static_cast<size_t>(item)];
  return degrees;
}

/// Each `one_in`-th row in order of length, as increasing ids.
std::vector<int32_t> EvenSample(const std::vector<int64_t>& degrees, int64_t one_in) {
  std::vector<int32_t> order(degrees.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater(), [&](int32_t row) { return degrees[static_cast<size_t>(row)]; });
  std::vector<int32_t> sample;
  for (auto at = static_cast<size_t>(one_in / 2); at < order.size(); at += static_cast<size_t>(one_in))
    sample.push_back(order[at]);
  std::ranges::sort(sample);
  return sample;
}

/// These columns, as rows.
Csr Columns(const CsrView& from, std::span<const int32_t> columns) {
  std::vector<int32_t> place(static_cast<size_t>(from.n_cols), -1);
  for (size_t at = 0; at < columns.size(); ++at) place[static_cast<size_t>(columns[at])] = static_cast<int32_t>(at);
  Csr kept;  // of `from`, with columns renumbered
  kept.n_rows = from.n_rows;
  kept.n_cols = static_cast<int64_t>(columns.size());
  for (int64_t row = 0; row < from.n_rows; ++row) {
    const auto items = from.row(row);
    for (size_t e = 0; e < items.size(); ++e) {
      if (place[static_cast<size_t>(items[e])] < 0) continue;
      kept.indices.push_back(place[static_cast<size_t>(items[e])]);
      kept.values.push_back(from.row_values(row)[e]);
    }
    kept.indptr.push_back(static_cast<int64_t>(kept.indices.size()));
  }
  return Transpose(kept.view());
}

class HalfStepMeasurement {
 public:
  HalfStepMeasurement(Backend& backend, int64_t n_fixed, const AlsOptions& options, int64_t max_entry_bytes)
      : backend_(backend),
        context_(backend.NewContext()),
        options_(options),
        max_entry_bytes_(max_entry_bytes),
        fixed_(backend, n_fixed, options.n_factors),
        eigenvalues_(backend, options.n_factors) {
    const std::vector<float> tile = RandomFactors(options, std::min(n_fixed, kTileRows));
    for (int64_t row = 0; row < n_fixed; row += kTileRows) {
      const int64_t n = std::min(kTileRows, n_fixed - row) * options.n_factors;
      const View<float> to = {fixed_.view().data + row * options.n_factors, n};
      backend_.Upload(*context_, std::as_bytes(std::span(tile).first(static_cast<size_t>(n))),
                      {reinterpret_cast<std::byte*>(to.data), n * static_cast<int64_t>(sizeof(float))});
    }
    context_->Wait();
  }

  double Diagonalize() {
    const Timer timer;
    backend_.Diagonalize(*context_, fixed_.matrix(), eigenvalues_.view());
    context_->Wait();
    return timer.Seconds();
  }

  double Solve(const CsrView& rows) {
    const bool ratings = options_.objective.has_ratings();
    const std::vector<float> ones(ratings ? rows.values.size() : 0, 1.0f);
    const CsrView weights = {rows.n_rows, rows.n_cols, rows.indptr, rows.indices, ratings ? ones : rows.values};
    const auto observed =
        backend_.NewSparseRows(weights, ratings ? rows.values : std::span<const float>(), nullptr, max_entry_bytes_);
    std::vector<float> regularization;
    for (int64_t r = 0; r < rows.n_rows; ++r)
      regularization.push_back(
          options_.objective.RowRegularization(static_cast<int64_t>(rows.row(r).size()), rows.n_cols));
    const Resident<float> resident_regularization(backend_, rows.n_rows),
        solved(backend_, rows.n_rows, options_.n_factors);
    const Resident<double> loss(backend_, rows.n_rows), squared_norm(backend_, rows.n_rows);
    resident_regularization.Upload(backend_, *context_, regularization);
    const std::vector<float> zeros(static_cast<size_t>(rows.n_rows * options_.n_factors), 0.0f);
    solved.Upload(backend_, *context_, zeros);
    context_->Wait();
    const Timer timer;
    backend_.SolveAls(*context_, {observed.get(), fixed_.matrix(), eigenvalues_.view(),
                                  options_.objective.unobserved_weight, resident_regularization.view(), solved.matrix(),
                                  loss.view(), squared_norm.view(), options_.solver});
    try {
      context_->Wait();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNumeric) throw;  // a singular system: the fit will tell, with its own factors
    }
    return timer.Seconds();
  }

 private:
  Backend& backend_;
  std::unique_ptr<Context> context_;
  const AlsOptions& options_;
  int64_t max_entry_bytes_;
  Resident<float> fixed_;
  Resident<float> eigenvalues_;
};

/// What rows of these lengths cost in flops, and in reading their factors.
double Cost(const std::vector<int64_t>& degrees, const AlsOptions& options) {
  constexpr double kReading = 32;  // flops in the time of reading a number
  const auto f = static_cast<double>(options.n_factors);
  double cost = 0;
  for (const int64_t degree : degrees) {
    const auto n = static_cast<double>(degree);
    const double exact = std::min(n * n * f + n * n * n / 3, n * f * f + f * f * f / 3);
    const bool approximate = degree > options.solver.MaxExactEntries(options.n_factors);
    cost += (approximate ? 0 : exact) + kReading * (n + 1) * f;
  }
  return cost;
}

/// `rows` gives the rows of a sample.
template <class RowsOf>
double MeasureSide(Backend& backend, const std::vector<int64_t>& degrees, int64_t n_fixed, const AlsOptions& options,
                   int64_t max_entry_bytes, const RowsOf& rows) {
  HalfStepMeasurement measurement(backend, n_fixed, options, max_entry_bytes);
  const double diagonalizing = measurement.Diagonalize();
  for (const int64_t one_in : kOneIn) {
    const std::vector<int32_t> sample = EvenSample(degrees, one_in);
    std::vector<int64_t> lengths;
    for (const int32_t row : sample) lengths.push_back(degrees[static_cast<size_t>(row)]);
    const double part = Cost(lengths, options);
    if (part == 0 || (part < kEnoughFlops && one_in > 1)) continue;
    return diagonalizing + measurement.Solve(rows(sample).view()) * Cost(degrees, options) / part;
  }
  return diagonalizing;
}

/// The first users, up to about a sixteenth of many entries.
CsrView Beginning(const CsrView& interactions) {
  constexpr int64_t kFew = 1 << 20;
  const int64_t nnz = std::max(std::min(interactions.nnz(), kFew), interactions.nnz() / 16);
  const auto end = std::upper_bound(interactions.indptr.begin(), interactions.indptr.end(), nnz);
  const int64_t n_rows = std::max<int64_t>(0, end - interactions.indptr.begin() - 1);
  const auto n = static_cast<size_t>(interactions.indptr[static_cast<size_t>(n_rows)]);
  return {n_rows, interactions.n_cols, interactions.indptr.first(static_cast<size_t>(n_rows) + 1),
          interactions.indices.first(n), interactions.values.first(n)};
}

double MeasureBeginning(const CsrView& interactions, const AlsOptions& options) {
  const auto scaled = [](const Timer& timer, int64_t all, int64_t some) {
    return some > 0 ? timer.Seconds() * static_cast<double>(all) / static_cast<double>(some) : 0.0;
  };
  const CsrView part = Beginning(interactions);
  const Timer transposing;
  Transpose(part);
  double seconds = scaled(transposing, interactions.nnz(), part.nnz());
  const int64_t n_rows = std::min(interactions.n_cols, kTileRows);
  const Timer drawing;
  RandomFactors(options, n_rows);
  seconds += scaled(drawing, interactions.n_cols, n_rows);
  const int64_t n_all = interactions.n_rows + interactions.n_cols, n_some = std::min(n_all, 16 * kTileRows);
  const Timer filling;
  std::vector<float>(static_cast<size_t>(n_some * options.n_factors));
  return seconds + 2 * scaled(filling, n_all, n_some);
}

}  // namespace

AlsSeconds MeasureAls(Backend& backend, const CsrView& interactions, const AlsOptions& options) {
  const int64_t max_entry_bytes =
      backend
          .PlanAls({interactions.n_rows, interactions.n_cols, interactions.nnz(), options.n_factors,
                    options.objective.has_ratings(), options.solver.method})
          .max_entry_bytes;
  AlsSeconds seconds;
  seconds.begin = MeasureBeginning(interactions, options);
  seconds.users = MeasureSide(backend, UserDegrees(interactions), interactions.n_cols, options, max_entry_bytes,
                              [&](std::span<const int32_t> users) { return SelectRows(interactions, users); });
  seconds.items = MeasureSide(backend, ItemDegrees(interactions), interactions.n_rows, options, max_entry_bytes,
                              [&](std::span<const int32_t> items) { return Columns(interactions, items); });
  return seconds;
}

}  // namespace kindred
