// What a training on ratings needs beside the fit: checks that name what people know, and the errors on held-out
// ratings.
#pragma once

#include "host/data/dataset.h"
#include "host/data/event_weighting.h"
#include "host/models/als.h"
#include "training/pipeline.h"

namespace kindred {

/// Refuses options that do not go with explicit feedback (kUsage), and a weighting or a dataset without ratings
/// (kInvalidArgument).
void CheckExplicit(const TrainOptions& options, const Dataset& dataset, const EventWeighting& weighting);

/// Without regularization, who has fewer ratings than there are factors has no factors of its own. Throws kNumeric
/// naming the first user or item; none where regularization is not 0.
void CheckDetermined(const CsrView& ratings, const AlsOptions& options, const IdMap& users, const IdMap& items);

}  // namespace kindred
