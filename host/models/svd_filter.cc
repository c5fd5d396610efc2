#include "host/models/svd_filter.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>
#include <vector>

namespace kindred {

Csr NormalizeByDegrees(const CsrView& interactions) {
  const std::vector<double> of_user = DegreePowers(interactions, Degree::kSum, 0.5);
  std::vector<double> of_item = ColumnSums(interactions);
  for (double& degree : of_item) degree = degree > 0 ? std::pow(degree, -0.5) : 0;
  Csr normalized = {interactions.n_rows,
                    interactions.n_cols,
                    {interactions.indptr.begin(), interactions.indptr.end()},
                    {interactions.indices.begin(), interactions.indices.end()},
                    {}};
  for (int64_t u = 0; u < interactions.n_rows; ++u)
    for (size_t e = 0; e < interactions.row(u).size(); ++e) {
      const auto item = static_cast<size_t>(interactions.row(u)[e]);
      normalized.values.push_back(
          static_cast<float>(interactions.row_values(u)[e] * of_user[static_cast<size_t>(u)] * of_item[item]));
    }
  return normalized;
}

ItemNeighbourOptions FilterNeighbours(const SvdFilterOptions& options) {
  return {options.n_neighbours, Degree::kSum, 1, 1, 0.5, options.target_exponent};
}

LinearModel MakeSvdFilter(Backend& backend, const CsrView& interactions, const Svd& svd, Csr item_item,
                          const SvdFilterOptions& options) {
  CheckSvdFilterOptions(options);
  const std::vector<double> degree = ColumnSums(interactions);
  const double mean = MetDegrees(degree).mean();
  const double neighbour_scale = std::pow(mean, options.target_exponent - 0.5);
  for (float& value : item_item.values) value = static_cast<float>(value * neighbour_scale);

  LinearModel model;
  model.n_factors = svd.n_factors();
  model.item_item = std::move(item_item);
  std::vector<double> gain;
  for (const double s : svd.values)
    gain.push_back(s > 0 ? options.low_pass_weight * std::pow(s, options.spectrum_power) : 0);
  for (size_t item = 0; item < degree.size(); ++item) {
    const double relative = degree[item] / mean;
    const double source = relative > 0 ? 1 / std::sqrt(relative) : 0;
    const double target = relative > 0 ? std::pow(relative, options.popularity_exponent) : 0;
    for (size_t k = 0; k < gain.size(); ++k) {
      const double v = svd.right[item * gain.size() + k];
      model.history_factors.push_back(static_cast<float>(v * source));
      model.item_factors.push_back(static_cast<float>(v * target * gain[k]));
    }
  }
  FoldInUsers(backend, interactions, &model);
  return model;
}

void CheckSvdFilterOptions(const SvdFilterOptions& options) {
  const auto check = [](const char* name, double value, double least, double most) {
    if (!(value >= least && value <= most))
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("svd-filter: {} is {}; expected {} to {}", name, value, least, most));
  };
  check("low_pass_weight", options.low_pass_weight, 0, 1e6);
  check("spectrum_power", options.spectrum_power, 0, 16);
  check("popularity_exponent", options.popularity_exponent, -kMaxDegreeExponent, kMaxDegreeExponent);
  check("target_exponent", options.target_exponent, -kMaxDegreeExponent, kMaxDegreeExponent);
  check("n_neighbours", static_cast<double>(options.n_neighbours), 0, INT32_MAX);
}

}  // namespace kindred
