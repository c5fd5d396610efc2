// The SVD model that a training's options ask for.
#pragma once

#include <nlohmann/json.hpp>

#include "host/models/pure_svd.h"
#include "training/pipeline.h"

namespace kindred {

struct FittedSvd {
  PureSvdFactors factors;
  nlohmann::json report;  // how well the decomposition does, and the shrinkage with what it was chosen by
};

SvdOptions SvdOptionsOf(const TrainOptions& options);

/// Tells of a decomposition that stopped short of the tolerance.
void WarnOfLimit(const Svd& svd, const SvdOptions& options, const TrainEvents& events);

/// The decomposition, with what `report` shall say of it; a warning where it stopped short of the tolerance.
Svd DecomposeFor(Backend& backend, const CsrView& matrix, const SvdOptions& options, const TrainEvents& events,
                 nlohmann::json* report);

/// Decomposes and shrinks. Where options.svd.shrinkage is empty, it is chosen on a slice of the interactions: a fifth
/// of those of at most 10,000 users is held out, the rest decomposed, and the amount whose lists have the best NDCG at
/// options.k on the slice is taken for all interactions.
FittedSvd FitSvdModel(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                      const TrainEvents& events);

}  // namespace kindred
