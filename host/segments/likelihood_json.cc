// A likelihood as a manifest and a report have it, and back.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "host/expression/syntax.h"
#include "host/segments/likelihood.h"
#include "host/store/json_reader.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr double kLargest = std::numeric_limits<double>::max();
constexpr int64_t kMost = std::numeric_limits<int64_t>::max(), kLeast = std::numeric_limits<int64_t>::min();

}  // namespace

json Likelihood::Json() const {
  json bins = json::array(), coefficients = json::array();
  for (const ReliabilityBin& bin : quality_.calibration.bins)
    bins.push_back({{"predicted", bin.predicted},
                    {"observed", bin.observed},
                    {"n", bin.n},
                    {"n_hits", bin.n_hits},
                    {"low", bin.low},
                    {"high", bin.high}});
  for (size_t j = 0; j < feature_names_.size(); ++j)
    coefficients.push_back({{"feature", feature_names_[j]},
                            {"coefficient", model_.coefficients[j]},
                            {"odds_ratio", std::exp(model_.coefficients[j])},
                            {"mean", model_.means[j]},
                            {"deviation", model_.deviations[j]}});
  json made = {{"event", spec_.event},
               {"horizon", Print(Literal{ValueType::kDuration, static_cast<double>(spec_.horizon)})},
               {"horizon_seconds", spec_.horizon},
               {"enter", spec_.enter},
               {"leave", spec_.leave},
               {"split_time", split_},
               {"base_rate", quality_.base_rate},
               {"auc", nullptr},
               {"brier", quality_.brier},
               {"log_loss", quality_.log_loss},
               {"n_train", quality_.n_train},
               {"n_calibration", quality_.n_calibration},
               {"n_test", quality_.n_test},
               {"calibration", bins},
               {"intercept", model_.intercept},
               {"coefficients", coefficients},
               {"warnings", warnings_}};
  if (quality_.auc) made["auc"] = *quality_.auc;
  return made;
}

Likelihood::Likelihood(const json& made, const std::string& where) {
  const JsonReader reader(made, where);
  spec_.event = reader.Text("event");
  spec_.horizon = reader.Integer("horizon_seconds", 1, kMost);
  spec_.enter = reader.Number("enter", 0, 1);
  spec_.leave = reader.Number("leave", 0, spec_.enter);
  split_ = reader.Integer("split_time", kLeast, kMost);
  quality_.base_rate = reader.Number("base_rate", 0, 1);
  if (!reader.Get("auc").is_null()) quality_.auc = reader.Number("auc", 0, 1);
  quality_.brier = reader.Number("brier", 0, 1);
  quality_.log_loss = reader.Number("log_loss", 0, kLargest);
  quality_.n_train = reader.Integer("n_train", 0, kMost);
  quality_.n_calibration = reader.Integer("n_calibration", 0, kMost);
  quality_.n_test = reader.Integer("n_test", 0, kMost);
  for (const json& entry : reader.List("calibration")) {
    const JsonReader bin(entry, where + ": calibration");
    quality_.calibration.bins.push_back({bin.Integer("n", 0, kMost), bin.Integer("n_hits", 0, kMost),
                                         bin.Number("predicted", 0, 1), bin.Number("observed", 0, 1),
                                         bin.Number("low", 0, 1), bin.Number("high", 0, 1)});
  }
  model_.intercept = reader.Number("intercept", -kLargest, kLargest);
  for (const json& entry : reader.List("coefficients")) {
    const JsonReader coefficient(entry, where + ": coefficients");
    feature_names_.push_back(coefficient.Text("feature"));
    model_.coefficients.push_back(coefficient.Number("coefficient", -kLargest, kLargest));
    model_.means.push_back(coefficient.Number("mean", -kLargest, kLargest));
    model_.deviations.push_back(coefficient.Number("deviation", 0, kLargest));
  }
  warnings_ = reader.Texts("warnings");
}

}  // namespace kindred
