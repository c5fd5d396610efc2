#include "host/models/content.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/models/als.h"
#include "host/models/dot.h"
#include "host/models/item_neighbours.h"
#include "host/models/sparse_ridge.h"

namespace kindred {
namespace {

/// d_i / mean d of items that are met; 1 of the others.
std::vector<double> RelativeDegrees(const CsrView& interactions) {
  std::vector<double> degree = ColumnSums(interactions);
  const MetDegrees met(degree);
  for (double& d : degree) d = d > 0 ? d * met.n / met.sum : 1;
  return degree;
}

double Length(std::span<const float> row) {
  return std::sqrt(Dot(row, row));
}

/// Of the lengths that are not 0; 0 where there are none.
double Median(std::vector<double> lengths) {
  std::erase(lengths, 0);
  if (lengths.empty()) return 0;
  const auto middle = lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() / 2);
  std::nth_element(lengths.begin(), middle, lengths.end());
  return *middle;
}

/// The shares that attributes have in items' factors.
std::vector<double> PriorShares(const ContentBase& base, const CsrView& features, double strength) {
  std::vector<double> shares;
  for (size_t i = 0; i < base.n_users.size(); ++i) {
    const double n = base.n_users[i];
    const bool has_features = !features.row(static_cast<int64_t>(i)).empty();
    shares.push_back(!has_features ? 0 : n == 0 ? 1 : strength / (n + strength));
  }
  return shares;
}

/// (1 - share) own + share scale expected, where own is gain^exponent v. Returns the scale.
double Join(const ContentBase& base, const CsrView& features, std::span<const float> expected,
            std::span<const double> shares, double exponent, std::vector<float>* factors) {
  const auto f = static_cast<size_t>(base.n_factors);
  std::vector<double> gain, own_lengths, expected_lengths;
  for (size_t i = 0; i < shares.size(); ++i) {
    gain.push_back(std::pow(base.gain[i], exponent));
    if (base.n_users[i] == 0 || features.row(static_cast<int64_t>(i)).empty()) continue;
    own_lengths.push_back(gain[i] * Length({base.vectors.data() + i * f, f}));
    expected_lengths.push_back(Length(expected.subspan(i * f, f)));
  }
  const double own = Median(std::move(own_lengths)), other = Median(std::move(expected_lengths));
  const double scale = own > 0 && other > 0 ? own / other : 1;
  for (size_t i = 0; i < shares.size(); ++i)
    for (size_t e = i * f; e < (i + 1) * f; ++e)
      factors->push_back(
          static_cast<float>((1 - shares[i]) * gain[i] * base.vectors[e] + shares[i] * scale * expected[e]));
  return scale;
}

MappedAttributes Mapped(const AttributeFeatures& features, const AttributeMap& map, std::span<const double> shares,
                        double scale) {
  MappedAttributes mapped;
  const CsrView all = features.matrix.view();
  mapped.features.n_rows = all.n_rows;
  mapped.features.n_cols = all.n_cols;
  for (int64_t row = 0; row < all.n_rows; ++row) {
    const double share = shares[static_cast<size_t>(row)];
    for (size_t e = 0; share > 0 && e < all.row(row).size(); ++e) {
      mapped.features.indices.push_back(all.row(row)[e]);
      mapped.features.values.push_back(static_cast<float>(share * all.row_values(row)[e]));
    }
    mapped.features.indptr.push_back(std::ssize(mapped.features.indices));
  }
  for (const float weight : map.weights) mapped.factors.push_back(static_cast<float>(scale * weight));
  for (const std::string& name : features.names) mapped.names.Add(name);
  return mapped;
}

/// Gives users without a history the queries that their attributes let expect.
void MapUsers(Backend& backend, const CsrView& interactions, const AttributeFeatures& users, double ridge,
              ContentModel* model) {
  LinearModel& linear = model->linear;
  const auto f = static_cast<size_t>(linear.n_factors);
  std::vector<float> directions = linear.user_factors;
  std::vector<double> lengths, shares;
  std::vector<bool> is_known;
  for (int64_t user = 0; user < interactions.n_rows; ++user) {
    const auto row = std::span(directions).subspan(static_cast<size_t>(user) * f, f);
    lengths.push_back(Length(row));
    is_known.push_back(lengths.back() > 0);
    for (float& value : row) value = is_known.back() ? static_cast<float>(value / lengths.back()) : 0.0f;
    const bool by_attributes = interactions.row(user).empty() && !users.matrix.view().row(user).empty();
    shares.push_back(by_attributes ? 1 : 0);
  }
  const AttributeMap map = FitAttributeMap(backend, users.matrix.view(), directions, is_known, ridge);
  const std::vector<float> expected = map.Predict(backend, users.matrix.view());
  const double scale = Median(std::move(lengths));
  for (size_t e = 0; e < expected.size(); ++e)
    if (shares[e / f] > 0) linear.user_factors[e] = static_cast<float>(scale * expected[e]);
  model->users = Mapped(users, map, shares, scale);
}

}  // namespace

ContentBase ContentBase::Cut(int64_t n) const {
  return {n, FirstColumns(vectors, n_factors, n), gain, n_users};
}

Csr ToneDownPopular(const CsrView& interactions) {
  const std::vector<double> degree = RelativeDegrees(interactions);
  Csr toned = {interactions.n_rows,
               interactions.n_cols,
               {interactions.indptr.begin(), interactions.indptr.end()},
               {interactions.indices.begin(), interactions.indices.end()},
               {interactions.values.begin(), interactions.values.end()}};
  for (size_t e = 0; e < toned.values.size(); ++e)
    toned.values[e] = static_cast<float>(
        toned.values[e] * std::pow(degree[static_cast<size_t>(toned.indices[e])], -kContentDegreeExponent));
  return toned;
}

ContentBase MakeContentBase(const CsrView& interactions, const Svd& svd) {
  ContentBase base = {svd.n_factors(), svd.right, RelativeDegrees(interactions), ItemPopularity(interactions)};
  for (double& degree : base.gain) degree = std::pow(degree, kContentDegreeExponent);
  return base;
}

std::vector<float> AttributeMap::Predict(Backend& backend, const CsrView& features) const {
  std::vector<float> factors = MultiplyFeatures(backend, features, weights, std::ssize(mean));
  for (size_t e = 0; e < factors.size(); ++e) factors[e] += mean[e % mean.size()];
  return factors;
}

AttributeMap FitAttributeMap(Backend& backend, const CsrView& features, std::span<const float> factors,
                             const std::vector<bool>& is_known, double ridge) {
  const int64_t n_factors = std::ssize(factors) / std::max<int64_t>(features.n_rows, 1);
  const auto f = static_cast<size_t>(n_factors);
  std::vector<int32_t> rows;
  for (int64_t row = 0; row < features.n_rows; ++row)
    if (is_known[static_cast<size_t>(row)] && !features.row(row).empty()) rows.push_back(static_cast<int32_t>(row));
  std::vector<double> sum(f, 0);
  std::vector<float> targets;
  for (const int32_t row : rows)
    for (size_t k = 0; k < f; ++k) {
      targets.push_back(factors[static_cast<size_t>(row) * f + k]);
      sum[k] += targets.back();
    }
  AttributeMap map;
  for (const double s : sum) map.mean.push_back(rows.empty() ? 0 : static_cast<float>(s / std::ssize(rows)));
  for (size_t e = 0; e < targets.size(); ++e) targets[e] -= map.mean[e % f];
  const Csr known = SelectRows(features, rows);
  map.weights = SparseRidge(backend, known.view()).Fit(targets, n_factors, ridge);
  return map;
}

AttributeMap FitItemMap(Backend& backend, const ContentBase& base, const CsrView& item_features, double ridge) {
  std::vector<bool> is_known;
  for (const float n : base.n_users) is_known.push_back(n > 0);
  return FitAttributeMap(backend, item_features, base.vectors, is_known, ridge);
}

AttributesView MappedAttributes::view(int64_t n_factors) const {
  return {features.view(), {factors.data(), features.n_cols, n_factors}, names.view()};
}

void ContentModel::SetIn(ModelView* view) const {
  linear.SetIn(view);
  view->item_attributes = items.view(linear.n_factors);
  if (users.features.n_rows > 0) view->user_attributes = users.view(linear.n_factors);
}

ContentModel MakeContentModel(Backend& backend, const CsrView& interactions, const ContentBase& base,
                              const AttributeMap& item_map, const AttributeFeatures& items,
                              const AttributeFeatures& users, const ContentChoice& choice) {
  const CsrView features = items.matrix.view();
  const std::vector<float> expected = item_map.Predict(backend, features);
  const std::vector<double> shares = PriorShares(base, features, choice.prior_strength);

  ContentModel model;
  model.linear.n_factors = base.n_factors;
  const double scale = Join(base, features, expected, shares, 1, &model.linear.item_factors);
  Join(base, features, expected, shares, -1, &model.linear.history_factors);
  FoldInUsers(backend, interactions, &model.linear);
  model.items = Mapped(items, item_map, shares, scale);
  if (users.matrix.n_cols > 0) MapUsers(backend, interactions, users, choice.user_ridge, &model);
  return model;
}

}  // namespace kindred
