// The content model that a training's options ask for (host/models/content.h).
#pragma once

#include <nlohmann/json.hpp>

#include "host/data/dataset.h"
#include "host/models/content.h"
#include "training/pipeline.h"

namespace kindred {

struct FittedContent {
  ContentModel model;
  nlohmann::json report;  // what was chosen and by what, and what became of each column
};

/// Refuses (kInvalidArgument) a dataset that knows nothing of its items.
void CheckHasItemAttributes(const Dataset& dataset);

/// The number of factors, up to options.als.n_factors, the ridges and the prior's strength are chosen on a slice of the
/// interactions, by the NDCG of lists of options.k. Of a fifth of the items all interactions are held out, of the
/// others a fifth of those of some 4,000 users, and of others of these users all that they did. What is left is
/// decomposed and mapped; the lists are those of the items that are held out alone, and of the others alone.
/// Then everything is decomposed, and mapped with what was chosen. Throws kInvalidArgument where no column of the
/// items' has a feature.
FittedContent FitContent(Backend& backend, const CsrView& interactions, const Dataset& dataset,
                         const TrainOptions& options, const TrainEvents& events, ThreadPool& pool);

}  // namespace kindred
