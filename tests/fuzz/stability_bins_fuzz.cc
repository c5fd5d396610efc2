// Any bytes as the JSON of a version's stability bins: refused, or some that drift can be measured from.
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/segments/drift.h"
#include "kernels/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const nlohmann::json json = nlohmann::json::parse(data, data + size, nullptr, false);
  std::vector<kindred::StabilityBins> bins;
  try {
    bins = kindred::StabilityBinsOf(json);
  } catch (const kindred::Error& error) {
    if (error.code() != kindred::ErrorCode::kCorrupt) std::abort();
    return 0;
  }
  if (bins.size() > 8) return 0;  // a column each
  std::vector<std::string> names = {"not there before"};
  for (const kindred::StabilityBins& of : bins) names.push_back(of.feature);
  const std::vector<int32_t> labels = {0, -1, 1};
  std::vector<double> values;
  for (size_t i = 0; i < labels.size() * names.size(); ++i) values.push_back(static_cast<double>(i) - 2);
  const auto drift = kindred::MeasureDrift({values.data(), std::ssize(labels), std::ssize(names)}, labels, names, bins);
  if (drift.size() != names.size()) std::abort();
  kindred::BeyondLimits({}, drift, {});
  if (kindred::DriftJson(drift).size() != names.size() || kindred::StabilityBinsOf(json).size() != bins.size())
    std::abort();
  return 0;
}
