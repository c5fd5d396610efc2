// A blend as one scorer: its parts' factors side by side and their item-item matrices below each other; the weights of
// a query's band are in its factors and in the weights of its history.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/data/interactions.h"
#include "host/models/model.h"
#include "host/ranking/folding.h"

namespace kindred {

/// [n_items x the parts' factors]
std::vector<float> BlendedItems(const ModelView& blend);
/// The parts' item-item matrices, those that there are, below each other.
Csr BlendedItemItem(const ModelView& blend);

/// Adds the query of one history of so many items: `parts` has each part's queries, of which it is number `query`.
void AddBlended(const ModelView& blend, std::span<const Queries> parts, int64_t query, int64_t n_history_items,
                Queries* queries);

}  // namespace kindred
