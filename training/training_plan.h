// What a training will take, stated before it is fitted: memory of the host and of the device, and seconds.
//
//   {"peak_memory_bytes"       of the process, the most until the end (host memory; a GPU's is in "device")
//    "available_memory_bytes"  that there are for it, with those it has already
//    "device": {"peak_bytes", "available_bytes", "streamed"}   "als" only (kernels/backend.h, AlsPlan)
//    "seconds": {"load", "sum", "plan", "fit", "evaluate_epochs", "evaluate", "refit", "publish", "total"}}
//
// Seconds are those of the training's report, with what is done already; parts that it will not have are absent, and
// those that cannot be told beforehand null: a fit by SVD takes as many products as its spectrum needs, and what
// neighbours cost, in the fit and in the lists, depends on who shares items with whom. Of ease, which compares all
// items, both can be told.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "host/models/als.h"
#include "training/pipeline.h"
#include "training/working_backend.h"

namespace kindred {

/// What decides how much memory a training takes.
struct TrainingSize {
  int64_t n_users = 0, n_items = 0;
  int64_t n_entries = 0;            // that the fit sees
  int64_t n_all_entries = 0;        // that the refit sees; 0: there is none
  int64_t n_lists = 0;              // factors of a model of lists, at most
  int64_t longest_row = INT64_MAX;  // entries of the user or item that has most, if known
  int64_t n_held_out_users = 0;     // to evaluate
  int64_t n_kept_events = 0;        // copied to publish a model without what was held out
  int64_t n_features = 0;           // of content: at most so many of the items, or of the users
  int64_t n_feature_entries = 0;    // and entries of both
  bool is_summed = false;           // the entries are in memory already

  AlsShape Shape(const TrainOptions& options) const;
};

/// Host memory that the training takes beyond what the process has: the most at any time. `device_bytes`: of it, what
/// the backend takes of the host's for a fit. Of all but als an upper bound.
int64_t MoreHostBytes(const TrainingSize& size, const TrainOptions& options, int64_t device_bytes);

/// Refuses (kOutOfMemory), saying what would help, a training that takes more memory than there is. Returns the members
/// of the plan that are about memory.
nlohmann::json PlanMemory(WorkingBackend& backend, const TrainingSize& size, const TrainOptions& options);

/// The member "seconds". `interactions` are those of the fit, of which `n_half_steps` are done already; `held_out` the
/// pairs to evaluate on; `version_bytes` what is published; `seconds` those of the parts until now. Measures on the
/// backend (host/models/als_cost.h, MeasureEase, and an evaluation of some users); where the device fails, the fit is
/// left to find that out. Publishing is reckoned at kPublishRate.
nlohmann::json PlanSeconds(WorkingBackend& backend, const CsrView& interactions, const CsrView& held_out,
                           const TrainingSize& size, const TrainOptions& options, int64_t n_half_steps,
                           int64_t version_bytes, ThreadPool& pool, nlohmann::json seconds);
inline constexpr double kPublishRate = 350e6;  // bytes a second: checksummed twice, written and synced

/// The plan for people, one line.
std::string PlanText(const nlohmann::json& plan);

}  // namespace kindred
