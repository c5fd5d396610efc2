#include "host/models/item_neighbours.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>
#include <vector>

namespace kindred {
namespace {

void CheckNeighbours(const ItemNeighbourOptions& options) {
  if (options.n_neighbours < 1)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("item neighbours: n_neighbours is {}; expected 1 or more", options.n_neighbours));
}

void CheckExponents(const ItemNeighbourOptions& options) {
  for (const double exponent :
       {options.value_exponent, options.user_exponent, options.source_exponent, options.target_exponent})
    if (!(std::abs(exponent) <= kMaxDegreeExponent))
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("item neighbours: an exponent is {}; expected one of {} to {}", exponent,
                              -kMaxDegreeExponent, kMaxDegreeExponent));
}

/// Of a matrix's rows.
std::vector<double> Degrees(const CsrView& matrix, Degree degree) {
  std::vector<double> degrees;
  for (int64_t r = 0; r < matrix.n_rows; ++r) {
    double sum = 0;
    for (const float value : matrix.row_values(r))
      sum += degree == Degree::kSum ? static_cast<double>(value) : static_cast<double>(value) * value;
    degrees.push_back(sum);
  }
  return degrees;
}

/// d^-exponent; 0 of 0.
std::vector<double> Powers(std::vector<double> degrees, double exponent) {
  for (double& degree : degrees) degree = degree > 0 ? std::pow(degree, -exponent) : 0;
  return degrees;
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
  return Powers(Degrees(matrix, degree), exponent);
}

bool ItemNeighbourOptions::HaveSumOf(const ItemNeighbourOptions& other) const {
  return degree == other.degree && value_exponent == other.value_exponent && user_exponent == other.user_exponent &&
         source_exponent == other.source_exponent;
}

ItemNeighbourProduct::ItemNeighbourProduct(Backend& backend, const CsrView& interactions,
                                           const ItemNeighbourOptions& options)
    : backend_(backend), options_(options) {
  CheckExponents(options);
  by_item_ = Transpose(interactions);
  item_degrees_ = Degrees(by_item_.view(), options.degree);
  const std::vector<double> of_user = DegreePowers(interactions, options.degree, options.user_exponent);
  const std::vector<double> of_source = Powers(item_degrees_, options.source_exponent);
  const auto powered = [&](float value) {
    return options.value_exponent == 1 ? double{value} : std::pow(double{value}, options.value_exponent);
  };
  for (const float value : interactions.values) values_of_users_.push_back(static_cast<float>(powered(value)));
  for (size_t j = 0; j < of_source.size(); ++j)
    for (auto e = static_cast<size_t>(by_item_.indptr[j]); e < static_cast<size_t>(by_item_.indptr[j + 1]); ++e)
      by_item_.values[e] = static_cast<float>(powered(by_item_.values[e]) * of_source[j] *
                                              of_user[static_cast<size_t>(by_item_.indices[e])]);
  sources_ = backend.NewSparseRows(by_item_.view(), {}, nullptr);
  users_ = backend.NewSparseRows(
      {interactions.n_rows, interactions.n_cols, interactions.indptr, interactions.indices, values_of_users_}, {},
      nullptr);
}

Csr ItemNeighbourProduct::Fit(const ItemNeighbourOptions& options) const {
  CheckNeighbours(options);
  CheckExponents(options);
  const int64_t n_items = by_item_.n_rows, k = std::min(options.n_neighbours, std::max<int64_t>(n_items, 1));
  const std::vector<double> of_target = Powers(item_degrees_, options.target_exponent);
  const std::vector<float> scale(of_target.begin(), of_target.end());
  const auto context = backend_.NewContext();
  const Resident<float> target_scale(backend_, n_items);
  const Resident<int32_t> items(backend_, n_items, k);
  const Resident<float> values(backend_, n_items, k);
  std::vector<int32_t> found(static_cast<size_t>(n_items * k));
  std::vector<float> found_values(found.size());
  target_scale.Upload(backend_, *context, scale);
  backend_.MultiplySparseTopK(*context, {.left = sources_.get(),
                                         .right = users_.get(),
                                         .column_scale = target_scale.view(),
                                         .skip_diagonal = true,
                                         .items = items.matrix(),
                                         .values = values.matrix()});
  items.Download(backend_, *context, std::span<int32_t>(found));
  values.Download(backend_, *context, std::span<float>(found_values));
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

Csr FitItemNeighbours(Backend& backend, const CsrView& interactions, const ItemNeighbourOptions& options) {
  CheckNeighbours(options);
  return ItemNeighbourProduct(backend, interactions, options).Fit(options);
}

}  // namespace kindred
