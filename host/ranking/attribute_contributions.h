// Which attributes spoke for an item: the parts that their features have in a score of a content model.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "host/models/model.h"

namespace kindred {

struct AttributeContribution {
  std::string_view name;    // "tags: oak"; a view into the model
  bool is_of_user = false;  // else of the item
  double contribution = 0;  // what the score would be less without it; below 0: it speaks against the item
};

/// The score query . item_factors, as AttributesView takes it apart: value_ie factors_e . query for each feature e of
/// the item. What is left of the score is what interactions say, and what all items with attributes have in common. The
/// `most` largest by magnitude, of equal ones the earlier feature first. Nothing of a model without attributes. In
/// double; adds up to the score's part within float32's rounding of the factors. Cost: the item's features, n_factors
/// each.
std::vector<AttributeContribution> ExplainByAttributes(const ModelView& model, std::span<const float> query,
                                                       int64_t item, int64_t most);

/// The same of a stored user: the query is the user's factors, and for a user who is answered by attributes those come
/// too, taken apart from the other side (so that each side adds up to the score's part by itself).
std::vector<AttributeContribution> ExplainByAttributes(const ModelView& model, int64_t user, int64_t item,
                                                       int64_t most);

}  // namespace kindred
