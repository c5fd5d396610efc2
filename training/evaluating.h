// An evaluation as the commands do it: measured, examined, and written to files where that was asked for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/evaluation/evaluation_details.h"
#include "host/models/model.h"
#include "training/working_backend.h"

namespace kindred {

struct EvaluatingOptions {
  int64_t k = 20;
  std::string metrics_out;  // a folder for user_metrics.csv and group_metrics.csv; empty: none
  bool overwrite = false;   // replace files that are there
  ThreadPool* pool = nullptr;
  std::function<void()> before_block = {};  // as EvaluationOptions has it
};

struct Evaluated {
  nlohmann::json metrics;  // MetricsJson
  nlohmann::json holdout;  // HoldoutJson
  nlohmann::json details;  // DetailsJson, and UncertaintyJson as "uncertainty"
  Calibration calibration;
};

/// Evaluates `model`, whose memory `keep` holds where somebody must. Where a device fails the whole of it is done
/// again, as WorkingBackend says. Throws what Evaluate and WriteMetricsFiles throw.
Evaluated EvaluateModel(WorkingBackend& backend, const ModelView& model, const std::shared_ptr<const void>& keep,
                        const Holdout& holdout, const KnownAttributes& known, const EvaluatingOptions& options);

/// Refuses (kUsage) places for results that lie in a dataset or a model, which hold nothing but their own. Empty places
/// are none.
void CheckOutside(const std::vector<std::string>& places, const std::vector<std::filesystem::path>& folders);
/// Refuses (kUsage) two results in one place. Empty places are none.
void CheckApart(const std::vector<std::string>& places);

}  // namespace kindred
