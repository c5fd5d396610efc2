// The fits of a search's trials: an algorithm is prepared once on the slice, and then fitted with ever other settings.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "host/models/model.h"
#include "kernels/backend.h"
#include "training/pipeline.h"

namespace kindred {

/// A model of a trial: ids are not in it, and history and popularity are for who ranks with it.
struct TrialModel {
  ModelView view;
  std::shared_ptr<const void> keep;  // the memory behind it
};

/// Told of each model that a fit comes to, with a way to have it: after each epoch what a training of so many epochs
/// would store, or once, as epoch 0, where the fit is one step. False ends the fit; what it throws does, too.
using TrialWatch = std::function<bool(int64_t epoch, const std::function<TrialModel()>& model)>;

class TrialFits {
 public:
  virtual ~TrialFits() = default;

  /// One trial. Throws as the algorithm's fit does; the next trial may be fitted all the same, unless it is kDevice.
  virtual void Fit(const TrainOptions& options, const TrialWatch& watch) = 0;
};

/// Prepares options.algorithm on users x items interactions, which outlive it. `options` are those of the largest
/// trial, by memory. What trials share is done once, here or with the first of them: interactions become resident, for
/// "svd" and "svd-filter" they are decomposed. `events` are told of warnings; `pool` is for the host's part. Throws
/// kUsage for an algorithm without trials (training/search_space.h), and as the preparation does.
std::unique_ptr<TrialFits> NewTrialFits(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                                        const TrainEvents& events, ThreadPool& pool);

}  // namespace kindred
