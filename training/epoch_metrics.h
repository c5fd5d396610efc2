// The metrics of a training by epoch: while the fit goes on, the model as it is then is evaluated on the holdout.
//
// After epoch e that is the model which a training of e epochs would store: the items of epoch e, and users solved
// exactly against them. The users that the epoch ends with are not those, as it solves them before the items. So the
// evaluation waits for the next half-step, the first of epoch e + 1, which solves the users against these very items:
// exactly, and they are the answer, bit by bit; or approximately (AlsSolver), and then the users that are evaluated are
// folded in, which is the same solve to rounding. Nothing goes back into the fit, so that its bits do not depend on it.
//
// The last epoch is not evaluated here: its metrics are those of the finished model.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/data/dataset.h"
#include "host/evaluation/metrics.h"
#include "host/models/als.h"
#include "kernels/cpu/parallel.h"
#include "training/checkpoints.h"
#include "training/pipeline.h"
#include "training/stopwatch.h"

namespace kindred {

struct Fitted;

/// Refuses (kUsage) options.evaluate_every for a training that has no such epochs, or nothing held out.
void CheckEvaluateEvery(const TrainOptions& options, bool has_holdout);

class EpochMetrics {
 public:
  /// Without a holdout (null) nothing is due.
  EpochMetrics(const TrainOptions& options, const TrainEvents& events, const Dataset& dataset, const Holdout* holdout,
               Checkpoints& checkpoints, ThreadPool& pool, Stopwatch& stopwatch);

  /// Whether the model is evaluated after this epoch. Its event is then told after that.
  bool IsDue(int64_t epoch) const;

  /// As an AlsHook, and once before the fit with the state that it starts from: where the epoch before this half-step
  /// is due and has no metrics yet, evaluates on all users with something held out, and tells events.epoch. Checkpoints
  /// are written meanwhile as after the half-step. Where the device lacks the memory, warns, and the epoch stays
  /// without; throws all other errors. Cost: a download of both sides and an evaluation; memory: a copy of both sides
  /// and a Ranker, beside the fit.
  void AfterHalfStep(Backend& backend, int64_t n_half_steps, const std::function<AlsState()>& state, Fitted& fitted);

 private:
  std::map<std::string, double> Measure(Backend& backend, AlsFactors factors, const Fitted& fitted,
                                        const std::function<void()>& before_block) const;

  const TrainOptions& options_;
  const TrainEvents& events_;
  const Dataset& dataset_;
  const Holdout* holdout_;
  Checkpoints& checkpoints_;
  ThreadPool& pool_;
  Stopwatch& stopwatch_;
};

/// [{"epoch", "loss", "metrics": {"ndcg_at_20": ...}}, ...] of the epochs that have metrics; `final_metrics`, as
/// MetricsJson has them, are those of the last.
nlohmann::json EpochMetricsJson(std::vector<AlsEpoch> epochs, const nlohmann::json& final_metrics);

/// Of an epoch for people: "loss 1.5e+06, NDCG@20 0.1234".
std::string EpochText(const AlsEpoch& epoch);

}  // namespace kindred
