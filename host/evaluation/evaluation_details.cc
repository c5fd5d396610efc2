#include "host/evaluation/evaluation_details.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/data_report/distribution.h"
#include "host/text/json_values.h"
#include "host/text/text.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr size_t kMaxNameBytes = 200;
constexpr size_t kMetricBins = 20, kScoreBins = 40;

json IntervalJson(const MeanInterval& interval) {
  return {{"mean", NumberOrNull(interval.mean)},
          {"low", NumberOrNull(interval.low)},
          {"high", NumberOrNull(interval.high)}};
}

/// Quantiles of one metric over the evaluated users, and for those of hits how many users have how much.
json SpreadOf(const Evaluation& evaluation, size_t metric) {
  std::vector<double> values;
  for (size_t i = 0; i < evaluation.users.size(); ++i)
    if (const double value = double{evaluation.of_model.row(i)[metric]}; !std::isnan(value)) values.push_back(value);
  if (values.empty()) return nullptr;
  std::sort(values.begin(), values.end());
  json spread;
  for (const NamedPercentile& at : kPercentiles)
    spread[at.name] = values[static_cast<size_t>(NearestRank(std::ssize(values), at.percent) - 1)];
  if (metric >= kNumberOfHitMetrics) return spread;
  std::vector<int64_t> counts(kMetricBins, 0);
  const auto n_zero = std::upper_bound(values.begin(), values.end(), 0) - values.begin();
  for (auto value = values.begin() + n_zero; value != values.end(); ++value)
    ++counts[std::min(kMetricBins - 1, static_cast<size_t>(*value * kMetricBins))];
  spread["n_zero"] = n_zero;
  spread["counts"] = counts;
  return spread;
}

/// How many of the scored pairs have which score: hits and others.
json ScoresJson(const Evaluation& evaluation) {
  double first = HUGE_VAL, last = -HUGE_VAL;
  const auto each = [&](const auto& visit) {
    for (const ScoredPairs* pairs : {&evaluation.learning, &evaluation.measuring})
      for (size_t i = 0; i < pairs->scores.size(); ++i)
        if (std::isfinite(pairs->scores[i])) visit(double{pairs->scores[i]}, pairs->hits[i] != 0);
  };
  each([&](double score, bool) { first = std::min(first, score), last = std::max(last, score); });
  if (first > last) return nullptr;
  std::vector<int64_t> hits(kScoreBins, 0), others(kScoreBins, 0);
  each([&](double score, bool hit) {
    const double place = last > first ? (score - first) / (last - first) * kScoreBins : 0;
    ++(hit ? hits : others)[std::min(kScoreBins - 1, static_cast<size_t>(place))];
  });
  return {{"first", first}, {"last", last}, {"hits", hits}, {"others", others}};
}

json CalibrationJson(const Evaluation& evaluation, const EvaluationDetails& details) {
  if (!details.reliability) return {{"absent", details.no_calibration}};
  const Reliability& found = *details.reliability;
  json bins = json::array();
  for (const ReliabilityBin& bin : found.bins)
    bins.push_back({{"n", bin.n},
                    {"n_hits", bin.n_hits},
                    {"predicted", bin.predicted},
                    {"observed", bin.observed},
                    {"low", bin.low},
                    {"high", bin.high}});
  return {{"n_knots", details.calibration.scores.size()},
          {"n_learning", evaluation.learning.scores.size()},
          {"n_measuring", found.n},
          {"n_measuring_hits", found.n_hits},
          {"brier", found.brier},
          {"brier_of_base", found.brier_of_base},
          {"expected_error", found.expected_error},
          {"bins", std::move(bins)}};
}

json UserGroupsJson(const std::vector<UserGroups>& all, int64_t k) {
  json list = json::array();
  for (const UserGroups& of : all) {
    json groups = json::array();
    for (const UserGroup& group : of.groups) {
      json& entry = groups.emplace_back();
      entry = {{"group", Printable(group.name, kMaxNameBytes)}, {"n_users", group.n_users}};
      for (size_t m = 0; m < kNumberOfUserMetrics; ++m) {
        const std::string name = UserMetricName(m, k);
        entry[name] = IntervalJson(group.model[m]);
        entry["popularity_" + name] = NumberOrNull(group.popularity[m].mean);
      }
      entry[fmt::format("popularity_lift_at_{}", k)] = NumberOrNull(group.popularity_lift);
    }
    list.push_back({{"attribute", Printable(of.attribute, kMaxNameBytes)}, {"groups", std::move(groups)}});
  }
  return list;
}

json ItemGroupsJson(const std::vector<ItemGroups>& all) {
  json list = json::array();
  for (const ItemGroups& of : all) {
    json groups = json::array();
    for (const ItemGroup& group : of.groups)
      groups.push_back({{"group", Printable(group.name, kMaxNameBytes)},
                        {"n_items", group.n_items},
                        {"of_items", NumberOrNull(group.of_items)},
                        {"of_holdout", NumberOrNull(group.of_holdout)},
                        {"of_recommended", NumberOrNull(group.of_recommended)},
                        {"of_hits", NumberOrNull(group.of_hits)},
                        {"of_popular", NumberOrNull(group.of_popular)}});
    list.push_back({{"attribute", Printable(of.attribute, kMaxNameBytes)}, {"groups", std::move(groups)}});
  }
  return list;
}

int64_t NumberOfHits(const ScoredPairs& pairs) {
  return std::count(pairs.hits.begin(), pairs.hits.end(), 1);
}

/// Empty where the pairs do for a calibration.
std::string WhyNoCalibration(const Evaluation& evaluation, const ModelView& model) {
  if (!model.has_factors()) return "the model ranks by popularity, and says nothing of single users";
  if (model.has_lists()) return "the model's lists are for many users, and say nothing of single ones";
  for (const ScoredPairs* pairs : {&evaluation.learning, &evaluation.measuring}) {
    const int64_t n = std::ssize(pairs->hits), n_hits = NumberOfHits(*pairs);
    if (std::min(n_hits, n - n_hits) < kLeastForCalibration)
      return fmt::format(
          "{} of {} recommended items of half of the users are hits: at least {} hits and {} others are "
          "needed",
          n_hits, n, kLeastForCalibration, kLeastForCalibration);
  }
  return {};
}

}  // namespace

EvaluationDetails MeasureDetails(const Evaluation& evaluation, const ModelView& model, const CsrView& held_out,
                                 const KnownAttributes& known) {
  EvaluationDetails details;
  const auto add = [&](const Grouping& grouping) {
    UserGroups groups = MeasureUserGroups(evaluation, grouping);
    if (groups.groups.size() > 1) details.user_groups.push_back(std::move(groups));
  };
  add(HistoryGrouping(model.history));
  if (known.users != nullptr)
    for (const Grouping& grouping : AttributeGroupings(*known.users, known.user_rows)) add(grouping);
  if (known.items != nullptr)
    for (const Grouping& grouping : AttributeGroupings(*known.items, known.item_rows))
      details.item_groups.push_back(MeasureItemGroups(evaluation, held_out, grouping));

  details.no_calibration = WhyNoCalibration(evaluation, model);
  if (!details.no_calibration.empty()) return details;
  details.calibration = LearnCalibration(evaluation.learning);
  details.reliability = MeasureReliability(details.calibration.view(), evaluation.measuring);
  return details;
}

json DetailsJson(const Evaluation& evaluation, const EvaluationDetails& details) {
  json report = {{"k", evaluation.k},
                 {"scores", ScoresJson(evaluation)},
                 {"calibration", CalibrationJson(evaluation, details)},
                 {"user_groups", UserGroupsJson(details.user_groups, evaluation.k)},
                 {"item_groups", ItemGroupsJson(details.item_groups)}};
  const auto against = AgainstPopularity(evaluation);
  for (size_t m = 0; m < kNumberOfHitMetrics; ++m)
    report["against_popularity"][UserMetricName(m, evaluation.k)] = IntervalJson(against[m]);
  for (size_t m = 0; m < kNumberOfUserMetrics; ++m)
    report["spread"][UserMetricName(m, evaluation.k)] = SpreadOf(evaluation, m);
  return report;
}

}  // namespace kindred
