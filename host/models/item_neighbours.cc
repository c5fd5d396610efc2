#include "host/models/item_neighbours.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>
#include <vector>

namespace kindred {
namespace {

void CheckOptions(const ItemNeighbourOptions& options) {
  if (options.n_neighbours < 1)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("item neighbours: n_neighbours is {}; expected 1 or more", options.n_neighbours));
  for (const double exponent :
       {options.value_exponent, options.user_exponent, options.source_exponent, options.target_exponent})
    if (!(std::abs(exponent) <= kMaxDegreeExponent))
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("item neighbours: an exponent is {}; expected one of {} to {}", exponent,
                              -kMaxDegreeExponent, kMaxDegreeExponent));
}

}  // namespace

ItemNeighbourOptions CosineOptions(int64_t n_neighbours) {
  return {n_neighbours, Degree::kSquaredSum, 1, 0, 0.5, 0.5};
}

ItemNeighbourOptions Rp3BetaOptions(int64_t n_neighbours, double alpha, double beta) {
  return {n_neighbours, Degree::kSum, alpha, alpha, alpha, beta};
}

MetDegrees::MetDegrees(std::span<const double> degrees) {
  for (const double degree : degrees) {
    sum += degree;
    n += degree > 0 ? 1 : 0;
  }
}

std::vector<double> DegreePowers(const CsrView& matrix, Degree degree, double exponent) {
  std::vector<double> powers;
  for (int64_t r = 0; r < matrix.n_rows; ++r) {
    double sum = 0;
    for (const float value : matrix.row_values(r))
      sum += degree == Degree::kSum ? static_cast<double>(value) : static_cast<double>(value) * value;
    powers.push_back(sum > 0 ? std::pow(sum, -exponent) : 0);
  }
  return powers;
}

Csr FitItemNeighbours(Backend& backend, const CsrView& interactions, const ItemNeighbourOptions& options) {
  CheckOptions(options);
  const int64_t n_items = interactions.n_cols, k = std::min(options.n_neighbours, std::max<int64_t>(n_items, 1));
  Csr by_item = Transpose(interactions);
  const std::vector<double> of_user = DegreePowers(interactions, options.degree, options.user_exponent);
  const std::vector<double> of_source = DegreePowers(by_item.view(), options.degree, options.source_exponent);
  const std::vector<double> of_target = DegreePowers(by_item.view(), options.degree, options.target_exponent);
  const auto powered = [&](float value) {
    return options.value_exponent == 1 ? double{value} : std::pow(double{value}, options.value_exponent);
  };
  std::vector<float> values_of_users;
  for (const float value : interactions.values) values_of_users.push_back(static_cast<float>(powered(value)));
  for (size_t j = 0; j < static_cast<size_t>(n_items); ++j)
    for (auto e = static_cast<size_t>(by_item.indptr[j]); e < static_cast<size_t>(by_item.indptr[j + 1]); ++e)
      by_item.values[e] = static_cast<float>(powered(by_item.values[e]) * of_source[j] *
                                             of_user[static_cast<size_t>(by_item.indices[e])]);

  const std::vector<float> scale(of_target.begin(), of_target.end());
  const auto context = backend.NewContext();
  const auto sources = backend.NewSparseRows(by_item.view(), {}, nullptr);
  const auto users = backend.NewSparseRows(
      {interactions.n_rows, n_items, interactions.indptr, interactions.indices, values_of_users}, {}, nullptr);
  const Resident<float> target_scale(backend, n_items);
  const Resident<int32_t> items(backend, n_items, k);
  const Resident<float> values(backend, n_items, k);
  std::vector<int32_t> found(static_cast<size_t>(n_items * k));
  std::vector<float> found_values(found.size());
  target_scale.Upload(backend, *context, scale);
  backend.MultiplySparseTopK(*context, {.left = sources.get(),
                                        .right = users.get(),
                                        .column_scale = target_scale.view(),
                                        .skip_diagonal = true,
                                        .items = items.matrix(),
                                        .values = values.matrix()});
  items.Download(backend, *context, std::span<int32_t>(found));
  values.Download(backend, *context, std::span<float>(found_values));
  context->Wait();

  Csr item_item;
  item_item.n_rows = item_item.n_cols = n_items;
  for (int64_t j = 0; j < n_items; ++j) {
    for (auto e = static_cast<size_t>(j * k); e < static_cast<size_t>((j + 1) * k) && found[e] >= 0; ++e) {
      item_item.indices.push_back(found[e]);
      item_item.values.push_back(found_values[e]);
    }
    item_item.indptr.push_back(std::ssize(item_item.indices));
  }
  return item_item;
}

}  // namespace kindred
