#include "host/models/ease.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace kindred {
namespace {

constexpr int64_t kMeasuredItems = 2048, kLeastMeasuredItems = 512;
constexpr int64_t kMeasuredRows = 256;

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Seconds of an inverse of n_items, from one of n_measured.
double MeasureInverse(Backend& backend, int64_t n_items, int64_t n_measured = kMeasuredItems) {
  std::vector<float> identity(static_cast<size_t>(n_measured * n_measured));
  for (int64_t i = 0; i < n_measured; ++i) identity[static_cast<size_t>(i * n_measured + i)] = 1;
  const auto context = backend.NewContext();
  const Resident<float> matrix(backend, n_measured, n_measured);
  matrix.Upload(backend, *context, identity);
  context->Wait();
  const Clock::time_point begin = Clock::now();
  backend.InvertPositiveDefinite(*context, matrix.matrix());
  context->Wait();
  return SecondsSince(begin) * std::pow(static_cast<double>(n_items) / static_cast<double>(n_measured), 3);
}

/// Or more, where there are more before the point.
std::string TwoDigits(double value) {
  return value < 10 ? fmt::format("{:.2g}", value) : fmt::format("{:.0f}", value);
}

std::string BytesText(double bytes) {
  return bytes < 1e9 ? TwoDigits(bytes / 1e6) + " MB" : TwoDigits(bytes / 1e9) + " GB";
}

/// Rows of Ct C + regularization I: items that share users, each summed in double and in the users' order.
std::vector<float> GramianRows(const CsrView& interactions, const CsrView& by_item, double regularization,
                               std::span<const int64_t> rows, ThreadPool& pool) {
  const int64_t n = interactions.n_cols;
  std::vector<float> gramian(rows.size() * static_cast<size_t>(n));
  std::vector<std::vector<double>> sums(static_cast<size_t>(pool.n_threads()));
  pool.Run(std::ssize(rows), pool.n_threads(), [&](int64_t r, int worker) {
    const int64_t i = rows[static_cast<size_t>(r)];
    std::vector<double>& sum = sums[static_cast<size_t>(worker)];
    sum.assign(static_cast<size_t>(n), 0);
    const auto users = by_item.row(i);
    for (size_t e = 0; e < users.size(); ++e) {
      const double value = by_item.row_values(i)[e];
      const auto items = interactions.row(users[e]);
      const auto values = interactions.row_values(users[e]);
      for (size_t j = 0; j < items.size(); ++j) sum[static_cast<size_t>(items[j])] += value * values[j];
    }
    sum[static_cast<size_t>(i)] += regularization;
    std::copy(sum.begin(), sum.end(), gramian.begin() + static_cast<std::ptrdiff_t>(r * n));
  });
  return gramian;
}

std::vector<float> RegularizedGramian(const CsrView& interactions, double regularization, ThreadPool& pool) {
  std::vector<int64_t> all(static_cast<size_t>(interactions.n_cols));
  std::iota(all.begin(), all.end(), int64_t{0});
  return GramianRows(interactions, Transpose(interactions).view(), regularization, all, pool);
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

EaseSeconds MeasureEase(Backend& backend, const CsrView& interactions, const EaseOptions& options, ThreadPool& pool) {
  const int64_t n = interactions.n_cols, step = std::max<int64_t>(1, n / kMeasuredRows);
  if (n == 0) return {};
  EaseSeconds seconds;
  Clock::time_point begin = Clock::now();
  const Csr by_item = Transpose(interactions);
  seconds.gramian = SecondsSince(begin);

  std::vector<int64_t> rows;
  for (int64_t i = 0; i < n; i += step) rows.push_back(i);
  const auto cost = [&](int64_t item) {
    double steps = static_cast<double>(n);
    for (const int32_t user : by_item.view().row(item)) steps += static_cast<double>(interactions.row(user).size());
    return steps;
  };
  double all = 0, measured = 0;
  for (int64_t i = 0; i < n; ++i) all += cost(i);
  for (const int64_t i : rows) measured += cost(i);
  begin = Clock::now();
  std::vector<float> row = GramianRows(interactions, by_item.view(), options.regularization, rows, pool);
  seconds.gramian += SecondsSince(begin) * all / measured;

  row.resize(static_cast<size_t>(n));
  for (size_t i = 0; i < row.size(); ++i)
    row[i] = 1 + static_cast<float>(i * 7919 % row.size());  // an inverse is dense
  const std::vector<double> pivots(row.size(), 1);
  begin = Clock::now();
  pool.Run(std::ssize(rows), pool.n_threads(),
           [&](int64_t r, int) { Neighbours(row, rows[static_cast<size_t>(r)], pivots, options.n_neighbours); });
  seconds.inverse = SecondsSince(begin) * static_cast<double>(n) / static_cast<double>(rows.size());
  const int64_t n_measured = std::min(n, std::clamp(n / 4, kLeastMeasuredItems, kMeasuredItems));
  seconds.inverse += MeasureInverse(backend, n, n_measured);
  return seconds;
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
