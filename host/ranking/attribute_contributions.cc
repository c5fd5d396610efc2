#include "host/ranking/attribute_contributions.h"

#include <algorithm>
#include <cmath>

#include "host/models/dot.h"

namespace kindred {
namespace {

void AddSide(const AttributesView& attributes, int64_t row, std::span<const float> other, bool is_of_user,
             std::vector<AttributeContribution>* to) {
  if (attributes.empty()) return;
  const auto features = attributes.features.row(row);
  const auto values = attributes.features.row_values(row);
  for (size_t e = 0; e < features.size(); ++e) {
    const double product = Dot(attributes.factors.row(features[e]), other);
    to->push_back({attributes.names[features[e]], is_of_user, values[e] * product});
  }
}

std::vector<AttributeContribution> Largest(std::vector<AttributeContribution> all, int64_t most) {
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return std::abs(a.contribution) > std::abs(b.contribution); });
  if (std::ssize(all) > most) all.resize(static_cast<size_t>(std::max<int64_t>(most, 0)));
  return all;
}

}  // namespace

std::vector<AttributeContribution> ExplainByAttributes(const ModelView& model, std::span<const float> query,
                                                       int64_t item, int64_t most) {
  std::vector<AttributeContribution> all;
  AddSide(model.item_attributes, item, query, false, &all);
  return Largest(std::move(all), most);
}

std::vector<AttributeContribution> ExplainByAttributes(const ModelView& model, int64_t user, int64_t item,
                                                       int64_t most) {
  std::vector<AttributeContribution> all;
  if (!model.has_factors()) return all;
  AddSide(model.item_attributes, item, model.user_factors.row(user), false, &all);
  AddSide(model.user_attributes, user, model.item_factors.row(item), true, &all);
  return Largest(std::move(all), most);
}

}  // namespace kindred
