// What the metrics of a training must fulfil for its model to be published.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "host/store/model_store.h"

namespace kindred {

/// "ndcg_at_20>=0.1" or, for what should be small, "coverage_at_20<=0.9".
struct MetricBound {
  std::string text;  // as it was written
  std::string metric;
  bool at_least = true;
  double bound = 0;
};

/// "ndcg_at_20=0.005" or "ndcg_at_20=2%": how much worse than the last version it may be.
struct MetricDrop {
  std::string text;
  std::string metric;
  double margin = 0;      // 0.005, or 0.02
  bool relative = false;  // of the last version's metric
};

/// Throw kUsage saying what was found and what was expected.
MetricBound ParseMetricBound(std::string_view text);
MetricDrop ParseMetricDrop(std::string_view text);

struct GateOptions {
  std::vector<MetricBound> bounds;
  std::vector<MetricDrop> drops;
  bool empty() const { return bounds.empty() && drops.empty(); }
};

/// `known` are the metrics the evaluation will have, by name (MetricsJson). Throws kUsage for one that is not among
/// them, naming those, and for a gate where nothing is held out to measure on.
void CheckGate(const GateOptions& options, const nlohmann::json& known, bool has_holdout);

class PublishGate {
 public:
  /// Before training, after CheckGate; `holdout` is the training's, as it is written to manifests. Drops are measured
  /// against the metrics in the manifest of the version CURRENT names; where there is no version yet, they hold. Throws
  /// kInvalidArgument where that version has no metrics, or of another k or another holdout, so that there is nothing
  /// to compare. Call with the model's lock held, so that CURRENT stays.
  PublishGate(GateOptions options, const ModelStore& store, const std::string& model, const nlohmann::json& known,
              const nlohmann::json& holdout);

  /// {"passed", "conditions": [{"condition", "metric", "found", "at_least" or "at_most", "passed"}, ...]}; of a drop
  /// also "version" and "before", null where there was no version.
  nlohmann::json Judge(const nlohmann::json& metrics) const;

 private:
  GateOptions options_;
  nlohmann::json before_;  // the last version's metrics; null where there is none
  int64_t version_ = 0;
};

/// Why a model was not published: each condition that does not hold, and how to publish it nevertheless.
std::string RefusalText(const nlohmann::json& gate);

}  // namespace kindred
