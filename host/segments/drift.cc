#include "host/segments/drift.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/data_report/distribution.h"
#include "host/report/format.h"
#include "host/text/json_values.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// The column's values of users in segments, sorted, and how many of them lack one.
struct Column {
  std::vector<double> values;
  int64_t n_missing = 0;

  int64_t n() const { return std::ssize(values) + n_missing; }
};

Column ColumnOf(HostMatrix<const double> values, std::span<const int32_t> labels, size_t feature) {
  Column column;
  for (size_t user = 0; user < labels.size(); ++user) {
    if (labels[user] < 0) continue;
    const double value = values.row(static_cast<int64_t>(user))[feature];
    if (std::isfinite(value))
      column.values.push_back(value);
    else
      ++column.n_missing;
  }
  std::sort(column.values.begin(), column.values.end());
  return column;
}

std::vector<double> SharesOf(const Column& column, std::span<const double> ends) {
  std::vector<double> shares;
  auto from = column.values.begin();
  for (const double end : ends) {
    const auto to = std::upper_bound(from, column.values.end(), end);
    shares.push_back(static_cast<double>(to - from));
    from = to;
  }
  shares.push_back(static_cast<double>(column.values.end() - from));
  shares.push_back(static_cast<double>(column.n_missing));
  for (double& share : shares) share /= static_cast<double>(std::max<int64_t>(column.n(), 1));
  return shares;
}

}  // namespace

std::vector<StabilityBins> MakeStabilityBins(HostMatrix<const double> values, std::span<const int32_t> labels,
                                             std::span<const std::string> features) {
  std::vector<StabilityBins> all;
  for (size_t f = 0; f < features.size(); ++f) {
    const Column column = ColumnOf(values, labels, f);
    StabilityBins bins = {features[f], {}, {}, column.n()};
    for (int percent = 10; percent < 100 && !column.values.empty(); percent += 10) {
      const double end = column.values[static_cast<size_t>(NearestRank(std::ssize(column.values), percent) - 1)];
      if (bins.ends.empty() || end > bins.ends.back()) bins.ends.push_back(end);
    }
    bins.shares = SharesOf(column, bins.ends);
    all.push_back(std::move(bins));
  }
  return all;
}

std::vector<FeatureDrift> MeasureDrift(HostMatrix<const double> values, std::span<const int32_t> labels,
                                       std::span<const std::string> features, std::span<const StabilityBins> last) {
  std::vector<FeatureDrift> all;
  for (size_t f = 0; f < features.size(); ++f) {
    FeatureDrift& drift = all.emplace_back(FeatureDrift{features[f], kNone, kNone});
    const auto bins = std::find_if(last.begin(), last.end(),
                                   [&](const StabilityBins& before) { return before.feature == features[f]; });
    const Column column = ColumnOf(values, labels, f);
    if (bins == last.end() || bins->n_users == 0 || column.n() == 0) continue;
    const std::vector<double> shares = SharesOf(column, bins->ends);
    int64_t n_bins = 0;
    drift.psi = 0;
    for (size_t b = 0; b < shares.size(); ++b) {
      const double p = std::max(bins->shares[b], kLeastShare), q = std::max(shares[b], kLeastShare);
      drift.psi += (q - p) * std::log(q / p);
      n_bins += bins->shares[b] > 0 || shares[b] > 0;
    }
    drift.by_chance = static_cast<double>(n_bins - 1) *
                      (1 / static_cast<double>(bins->n_users) + 1 / static_cast<double>(column.n()));
  }
  return all;
}

json StabilityBinsJson(std::span<const StabilityBins> all) {
  json list = json::array();
  for (const StabilityBins& bins : all)
    list.push_back(
        {{"feature", bins.feature}, {"ends", bins.ends}, {"shares", bins.shares}, {"n_users", bins.n_users}});
  return list;
}

std::vector<StabilityBins> StabilityBinsOf(const json& list) {
  const auto check = [](bool holds, const char* expected) {
    if (!holds) throw Error(ErrorCode::kCorrupt, fmt::format("stability_bins: expected {}", expected));
  };
  const auto numbers = [&](const json& from, const char* name) {
    const auto member = from.find(name);
    check(member != from.end() && member->is_array() &&
              std::all_of(member->begin(), member->end(), [](const json& value) { return value.is_number(); }),
          "a list of numbers in 'ends' and 'shares'");
    return member->get<std::vector<double>>();
  };
  check(list.is_array(), "a list");
  std::vector<StabilityBins> all;
  for (const json& entry : list) {
    check(entry.is_object() && entry.contains("feature") && entry["feature"].is_string() && entry.contains("n_users") &&
              entry["n_users"].is_number_integer() && entry["n_users"] >= 0 && entry["n_users"] <= INT64_MAX,
          "objects with the text 'feature' and the count 'n_users'");
    StabilityBins bins = {entry["feature"], numbers(entry, "ends"), numbers(entry, "shares"), entry["n_users"]};
    check(bins.shares.size() == bins.ends.size() + 2, "two shares more than ends");
    check(std::adjacent_find(bins.ends.begin(), bins.ends.end(), std::greater_equal<>()) == bins.ends.end(),
          "increasing ends");
    check(std::all_of(bins.shares.begin(), bins.shares.end(), [](double share) { return share >= 0 && share <= 1; }),
          "shares from 0 to 1");
    all.push_back(std::move(bins));
  }
  return all;
}

std::vector<std::string> BeyondLimits(const Lineage& lineage, std::span<const FeatureDrift> drift,
                                      const DriftLimits& limits) {
  std::vector<std::string> reasons;
  for (const FeatureDrift& of : drift)
    if (of.psi > limits.max_psi)
      reasons.push_back(
          fmt::format("the values of '{}' have drifted: their population stability index is {}, above max_psi {}{}",
                      Printable(of.feature), NumberText(of.psi), NumberText(limits.max_psi),
                      of.by_chance > limits.max_psi / 2
                          ? fmt::format(" (of so few users, {} is to be expected by chance)", NumberText(of.by_chance))
                          : ""));
  if (lineage.share_movers > limits.max_movers)
    reasons.push_back(fmt::format("{} of {} users in both versions moved to another segment ({}), above max_movers {}",
                                  CountText(lineage.n_movers), CountText(lineage.n_in_both),
                                  PercentText(lineage.share_movers), PercentText(limits.max_movers)));
  return reasons;
}

json DriftJson(std::span<const FeatureDrift> drift) {
  json list = json::array();
  for (const FeatureDrift& of : drift)
    list.push_back({{"feature", of.feature}, {"psi", NumberOrNull(of.psi)}, {"by_chance", NumberOrNull(of.by_chance)}});
  return list;
}

json LineageJson(const Lineage& lineage, const LastVersion& last, std::span<const FeatureDrift> drift,
                 std::span<const std::string> reasons, bool is_held) {
  json out = LineageJson(lineage, last);
  out["psi"] = DriftJson(drift);
  out["reasons"] = reasons;
  out["held"] = is_held;
  return out;
}

}  // namespace kindred
