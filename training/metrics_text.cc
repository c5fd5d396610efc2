#include "training/metrics_text.h"

#include <fmt/format.h>

namespace kindred {

std::string MetricsText(const nlohmann::json& report) {
  const nlohmann::json& holdout = report["holdout"];
  std::string text =
      fmt::format("evaluated on {} users, {} held-out pairs ({} the model lacks an id of, {} it has seen)\n",
                  holdout["n_users"].get<int64_t>(), holdout["n_pairs"].get<int64_t>(),
                  holdout["n_missing_pairs"].get<int64_t>(), holdout["n_seen_pairs"].get<int64_t>());
  text += fmt::format("  {:<22} {:>9} {:>11}\n", "", report["algorithm"].get<std::string>(), "popularity");
  const std::string baseline = "popularity_";
  for (const auto& [name, value] : report["metrics"].items()) {
    if (!report["metrics"].contains(baseline + name)) continue;  // a baseline's
    text += fmt::format("  {:<22} {:>9.4f} {:>11.4f}\n", name, value.get<double>(),
                        report["metrics"][baseline + name].get<double>());
  }
  return text;
}

std::string RatingErrorsText(const nlohmann::json& errors) {
  std::string text = fmt::format("errors on {} held-out ratings\n  {:<22} {:>9} {:>11} {:>11}\n",
                                 errors["n_ratings"].get<int64_t>(), "", "als", "biases", "mean");
  for (const std::string name : {"rmse", "mae"})
    text += fmt::format("  {:<22} {:>9.4f} {:>11.4f} {:>11.4f}\n", name, errors[name].get<double>(),
                        errors["biases_" + name].get<double>(), errors["mean_" + name].get<double>());
  return text;
}

}  // namespace kindred
