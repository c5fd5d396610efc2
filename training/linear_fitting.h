// The linear models that a training's options ask for (host/models/linear_model.h).
#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "host/models/item_neighbours.h"
#include "host/models/linear_model.h"
#include "host/models/svd.h"
#include "training/pipeline.h"

namespace kindred {

/// Whether options.algorithm is one of these: svd-filter, item-cosine, rp3beta or ease.
bool IsFittedLinearly(const TrainOptions& options);

/// Sets what options.algorithm has by default, where that is not what others have.
void SetAlgorithmDefaults(TrainOptions* options);

struct FittedLinear {
  LinearModel model;
  nlohmann::json report;  // the options, and how the fit went
};

FittedLinear FitLinear(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                       const TrainEvents& events, ThreadPool& pool);

/// The same in two steps, so that fits of other options share the first.
class LinearFits {
 public:
  /// Decomposes what svd-filter decomposes, into as many factors as options have, which are the most that there may be.
  /// `interactions` outlive it.
  LinearFits(Backend& backend, const CsrView& interactions, const TrainOptions& options, const TrainEvents& events,
             ThreadPool& pool, nlohmann::json* report);

  /// options.algorithm is the same each time.
  LinearModel Fit(const TrainOptions& options);

 private:
  Csr FitNeighbours(const ItemNeighbourOptions& options);

  Backend& backend_;
  CsrView interactions_;
  ThreadPool& pool_;
  Svd svd_;
  std::unique_ptr<const ItemNeighbourProduct> product_;  // of the last neighbours that were fitted
};

/// The options that decide such a model, as its report has them.
nlohmann::json LinearSettings(const TrainOptions& options);

/// Throws kInvalidArgument for options out of range, before anything is read.
void CheckLinearOptions(const TrainOptions& options);

/// What ease takes of the options.
EaseOptions EaseOptionsOf(const TrainOptions& options);

/// Refuses catalogues that are too large for an algorithm, or for a component of a blend (CheckEase).
void CheckCatalogue(Backend& backend, int64_t n_items, const TrainOptions& options);

}  // namespace kindred
