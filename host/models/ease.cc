#include "host/models/ease.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace kindred {
namespace {

constexpr int64_t kMeasuredItems = 2048;

/// Seconds of an inverse of n items, from one of kMeasuredItems.
double MeasureInverse(Backend& backend, int64_t n_items) {
  std::vector<float> identity(static_cast<size_t>(kMeasuredItems * kMeasuredItems));
  for (int64_t i = 0; i < kMeasuredItems; ++i) identity[static_cast<size_t>(i * kMeasuredItems + i)] = 1;
  const auto context = backend.NewContext();
  const Resident<float> matrix(backend, kMeasuredItems, kMeasuredItems);
  matrix.Upload(backend, *context, identity);
  context->Wait();
  const auto begin = std::chrono::steady_clock::now();
  backend.InvertPositiveDefinite(*context, matrix.matrix());
  context->Wait();
  const std::chrono::duration<double> once = std::chrono::steady_clock::now() - begin;
  return once.count() * std::pow(static_cast<double>(n_items) / kMeasuredItems, 3);
}

/// Or more, where there are more before the point.
std::string TwoDigits(double value) {
  return value < 10 ? fmt::format("{:.2g}", value) : fmt::format("{:.0f}", value);
}

std::string BytesText(double bytes) {
  return bytes < 1e9 ? TwoDigits(bytes / 1e6) + " MB" : TwoDigits(bytes / 1e9) + " GB";
}

/// Ct C + regularization I. Rows of items that share users, each summed in double and in the users' order.
std::vector<float> RegularizedGramian(const CsrView& interactions, double regularization, ThreadPool& pool) {
  const int64_t n = interactions.n_cols;
  const Csr by_item = Transpose(interactions);
  std::vector<float> gramian(static_cast<size_t>(n * n));
  std::vector<std::vector<double>> sums(static_cast<size_t>(pool.n_threads()));
  pool.Run(n, pool.n_threads(), [&](int64_t i, int worker) {
    std::vector<double>& sum = sums[static_cast<size_t>(worker)];
    sum.assign(static_cast<size_t>(n), 0);
    const auto users = by_item.view().row(i);
    for (size_t e = 0; e < users.size(); ++e) {
      const double value = by_item.view().row_values(i)[e];
      const auto items = interactions.row(users[e]);
      const auto values = interactions.row_values(users[e]);
      for (size_t j = 0; j < items.size(); ++j) sum[static_cast<size_t>(items[j])] += value * values[j];
    }
    sum[static_cast<size_t>(i)] += regularization;
    std::copy(sum.begin(), sum.end(), gramian.begin() + static_cast<std::ptrdiff_t>(i * n));
  });
  return gramian;
}

/// The entries of the largest magnitude in the row of B of one source, by increasing target.
std::vector<std::pair<int32_t, float>> Neighbours(std::span<const float> inverse_row, int64_t source,
                                                  std::span<const double> pivots, int64_t k) {
  std::vector<std::pair<int32_t, float>> entries;
  for (size_t i = 0; i < inverse_row.size(); ++i)
    if (static_cast<int64_t>(i) != source && inverse_row[i] != 0)
      entries.push_back({static_cast<int32_t>(i), static_cast<float>(-inverse_row[i] / pivots[i])});
  if (std::ssize(entries) <= k) return entries;
  const auto stronger = [](const auto& a, const auto& b) {
    const float x = std::abs(a.second), y = std::abs(b.second);
    return x > y || (x == y && a.first < b.first);
  };
  std::nth_element(entries.begin(), entries.begin() + k, entries.end(), stronger);
  entries.resize(static_cast<size_t>(k));
  std::sort(entries.begin(), entries.end());
  return entries;
}

}  // namespace

int64_t EaseBytes(int64_t n_items) {
  return n_items * n_items * static_cast<int64_t>(sizeof(float));
}

void CheckEase(Backend& backend, int64_t n_items, const EaseOptions& options) {
  if (!(options.regularization > 0) || !std::isfinite(options.regularization))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("ease: the regularization is {}; expected more than 0", options.regularization));
  if (options.n_neighbours < 1)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("ease: n_neighbours is {}; expected 1 or more", options.n_neighbours));
  if (n_items <= std::min(options.max_items, kMaxInverseRows)) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("ease: a catalogue of {} items takes {} for its inverse and about {} s here; "
                          "expected at most {} items{}",
                          n_items, BytesText(static_cast<double>(EaseBytes(n_items))),
                          TwoDigits(std::max(MeasureInverse(backend, n_items), 0.01)),
                          std::min(options.max_items, kMaxInverseRows),
                          n_items <= kMaxInverseRows ? ", or --max-items that allows more" : ""));
}

Csr FitEase(Backend& backend, const CsrView& interactions, const EaseOptions& options, ThreadPool& pool) {
  const int64_t n = interactions.n_cols;
  CheckEase(backend, n, options);
  std::vector<float> inverse = RegularizedGramian(interactions, options.regularization, pool);
  {
    const auto context = backend.NewContext();
    const Resident<float> matrix(backend, n, n);
    matrix.Upload(backend, *context, inverse);
    backend.InvertPositiveDefinite(*context, matrix.matrix());
    matrix.Download(backend, *context, std::span<float>(inverse));
    context->Wait();
  }
  std::vector<double> pivots;
  for (int64_t i = 0; i < n; ++i) pivots.push_back(inverse[static_cast<size_t>(i * n + i)]);
  std::vector<std::vector<std::pair<int32_t, float>>> rows(static_cast<size_t>(n));
  pool.Run(n, pool.n_threads(), [&](int64_t j, int) {
    rows[static_cast<size_t>(j)] =
        Neighbours({inverse.data() + j * n, static_cast<size_t>(n)}, j, pivots, options.n_neighbours);
  });
  Csr item_item;
  item_item.n_rows = item_item.n_cols = n;
  for (auto& row : rows) {
    for (const auto& [item, value] : row) {
      item_item.indices.push_back(item);
      item_item.values.push_back(value);
    }
    item_item.indptr.push_back(std::ssize(item_item.indices));
    row = {};
  }
  return item_item;
}

}  // namespace kindred
