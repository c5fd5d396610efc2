#include "host/ranking/blending.h"

namespace kindred {

std::vector<float> BlendedItems(const ModelView& blend) {
  std::vector<float> rows;
  for (int64_t item = 0; item < blend.n_items(); ++item)
    for (const ModelView& part : blend.parts) {
      const std::span<const float> factors = part.item_factors.row(item);
      rows.insert(rows.end(), factors.begin(), factors.end());
    }
  return rows;
}

Csr BlendedItemItem(const ModelView& blend) {
  Csr all;
  all.n_cols = blend.n_items();
  for (const ModelView& part : blend.parts) {
    if (!part.has_item_item()) continue;
    const auto before = std::ssize(all.indices);
    all.n_rows += part.item_item.n_rows;
    all.indices.insert(all.indices.end(), part.item_item.indices.begin(), part.item_item.indices.end());
    all.values.insert(all.values.end(), part.item_item.values.begin(), part.item_item.values.end());
    for (size_t r = 1; r < part.item_item.indptr.size(); ++r) all.indptr.push_back(before + part.item_item.indptr[r]);
  }
  return all;
}

void AddBlended(const ModelView& blend, std::span<const Queries> parts, int64_t query, int64_t n_history_items,
                Queries* queries) {
  const std::span<const float> part_weights = blend.WeightsFor(n_history_items);
  std::vector<float> factors, weights;
  std::vector<int32_t> rows;
  int32_t first_row = 0;
  for (size_t p = 0; p < parts.size(); ++p) {
    for (const float factor : parts[p].Factors(query)) factors.push_back(part_weights[p] * factor);
    if (!blend.parts[p].has_item_item()) continue;
    const CsrView histories = parts[p].histories(blend.n_items());
    for (size_t e = 0; part_weights[p] > 0 && e < histories.row(query).size(); ++e) {
      rows.push_back(first_row + histories.row(query)[e]);
      weights.push_back(part_weights[p] * histories.row_values(query)[e]);
    }
    first_row += static_cast<int32_t>(blend.n_items());
  }
  queries->Add(factors, rows, weights);
}

}  // namespace kindred
