// The blend that a training's options ask for: parts fitted one by one, weights learned on a slice of the interactions.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "host/evaluation/blend_weights.h"
#include "training/pipeline.h"
#include "training/trial_fits.h"

namespace kindred {

struct FittedBlend {
  std::vector<TrialModel> parts;
  BlendWeights weights;
  nlohmann::json report;  // the parts' algorithms and what LearnBlendWeights says

  /// Sets the parts of `view`, whose ids, history and popularity are there.
  void SetIn(ModelView* view) const;
};

/// Fits options.components on the interactions less a slice (host/evaluation/validation_slice.h, by options.als.seed),
/// learns the weights of lists of options.k on the slice, and fits the components once more on everything.
FittedBlend FitBlend(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                     const TrainEvents& events, ThreadPool& pool);

/// Throws kUsage for components that are too few, or that no blend can have.
void CheckComponents(const TrainOptions& options);

}  // namespace kindred
