// The model that a training's options ask for, fitted on interactions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/data/dataset.h"
#include "host/data/interactions.h"
#include "host/models/als.h"
#include "host/models/rating_biases.h"
#include "training/blend_fitting.h"
#include "training/checkpoints.h"
#include "training/content_fitting.h"
#include "training/epoch_metrics.h"
#include "training/linear_fitting.h"
#include "training/list_fitting.h"
#include "training/pipeline.h"
#include "training/svd_fitting.h"
#include "training/working_backend.h"

namespace kindred {

/// A fitted model with the memory behind its view.
struct Fitted {
  std::string algorithm;
  AlsObjective objective;
  Csr history;
  AlsFactors factors;
  RatingBiases biases;  // of explicit feedback
  std::vector<float> popularity;
  std::vector<AlsEpoch> epochs;
  FittedSvd svd;
  FittedLinear linear;
  FittedBlend blend;
  FittedLists lists;
  FittedContent content;
  nlohmann::json backend;  // what it was fitted on
  AlsPlan plan;

  /// How the fit of a model that has no epochs went: {} for others.
  nlohmann::json report() const;
  /// The model of `dataset`, whose interactions `history` is; it views both.
  ModelView view(const Dataset& dataset) const;
};

/// Where interactions come from: what a fit reads beside them.
struct FitSource {
  const Dataset& dataset;
  std::span<const uint8_t> keep;  // [n_events] which of its events are in them; empty: all
  const EventWeighting& weighting;
};

/// Fits options.algorithm on users x items interactions, which `checkpoints` has begun with. Throws what the fit and
/// they throw; see WorkingBackend for devices that fail. `epoch_metrics` are told of implicit ALS. `pool` is for the
/// host's part.
Fitted FitModel(WorkingBackend& backend, Csr interactions, const FitSource& source, const TrainOptions& options,
                const TrainEvents& events, Checkpoints& checkpoints, EpochMetrics& epoch_metrics, ThreadPool& pool);

}  // namespace kindred
