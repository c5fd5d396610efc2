#include "tests/training/segment_report_sample.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "host/data/random.h"
#include "host/segments/audit.h"
#include "host/segments/drift.h"
#include "host/segments/segments_json.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int64_t kUsers = 4300, kFeatures = 6;
constexpr int32_t kKinds = 5;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const std::vector<ProfiledFeature>& Features() {
  static const std::vector<ProfiledFeature> features = {{"recency", "recency"},      {"frequency", "baskets"},
                                                        {"monetary", "sum"},         {"days_between", "gap"},
                                                        {"discount_share", "share"}, {"basket_size", "basket_size"}};
  return features;
}

/// Middles of the five kinds in the logarithm, and how many of a thousand users are of each.
constexpr double kMiddles[kKinds][kFeatures] = {{1.5, 3.0, 8.6, 2.0, -2.5, 3.2},   // champions
                                                {3.2, 1.6, 6.6, 3.4, -2.2, 2.6},   // regulars
                                                {3.4, 0.5, 5.2, 4.0, -0.7, 1.8},   // hunters of discounts
                                                {5.3, 0.1, 5.4, 4.2, -2.6, 2.4},   // lapsed
                                                {2.6, 0.1, 5.3, 4.0, -2.4, 2.3}};  // new
constexpr int kPerMille[kKinds] = {40, 240, 170, 330, 220};

struct Shop {
  std::vector<double> values;
  std::vector<float> points;
  std::vector<int32_t> labels, last_labels;
  HostMatrix<const double> view() const { return {values.data(), kUsers, kFeatures}; }
  HostMatrix<const float> normalized() const { return {points.data(), kUsers, kFeatures}; }
};

Shop MakeShop() {
  Shop shop;
  for (int64_t user = 0; user < kUsers; ++user) {
    auto drawn = static_cast<int>(1000 * RandomUniform(1, static_cast<uint64_t>(user)));
    int32_t kind = 0;
    while (drawn >= kPerMille[kind]) drawn -= kPerMille[kind++];
    for (int64_t f = 0; f < kFeatures; ++f) {
      const double log = kMiddles[kind][f] + 0.55 * RandomNormal(2, static_cast<uint64_t>(user * kFeatures + f));
      const bool is_missing = f == 3 && kind > 2 && RandomUniform(3, static_cast<uint64_t>(user)) < 0.7;
      shop.values.push_back(is_missing ? kNan : f == 4 ? std::min(std::exp(log), 1.0) : std::exp(log));
      shop.points.push_back(static_cast<float>(is_missing ? 0.7 : (log - 3) / (f == 2 ? 1.2 : 1.5)));
    }
    const double moved = RandomUniform(4, static_cast<uint64_t>(user));
    shop.last_labels.push_back(moved < 0.08   ? -1
                               : moved < 0.16 ? static_cast<int32_t>(moved * 1e4) % 4
                               : kind == 4    ? 2
                                              : kind);
  }
  return shop;
}

/// The nearest centroid, twice, from the kinds' middles.
std::vector<float> Cluster(Shop& shop) {
  std::vector<float> centroids;
  for (const auto& kind : kMiddles)
    for (int f = 0; f < kFeatures; ++f) centroids.push_back(static_cast<float>((kind[f] - 3) / (f == 2 ? 1.2 : 1.5)));
  for (int round = 0; round < 8; ++round) {
    shop.labels.clear();
    const HostMatrix<const float> view = {centroids.data(), kKinds, kFeatures};
    for (int64_t user = 0; user < kUsers; ++user) {
      int32_t nearest = 0;
      for (int32_t s = 1; s < kKinds; ++s)
        if (DistanceBetween(shop.normalized().row(user), view.row(s)) <
            DistanceBetween(shop.normalized().row(user), view.row(nearest)))
          nearest = s;
      shop.labels.push_back(nearest);
    }
    centroids = MeansOfSegments(shop.normalized(), shop.labels, kKinds);
  }
  return centroids;
}

/// Simplified silhouettes, by distances to centroids: every so many users' of each segment, and all means.
std::pair<json, std::vector<double>> Silhouettes(const Shop& shop, const std::vector<float>& centroids) {
  std::vector<std::vector<double>> of(kKinds);
  const HostMatrix<const float> view = {centroids.data(), kKinds, kFeatures};
  for (int64_t user = 0; user < kUsers; ++user) {
    const int32_t own = shop.labels[static_cast<size_t>(user)];
    double next = HUGE_VAL;
    for (int32_t s = 0; s < kKinds; ++s)
      if (s != own) next = std::min(next, DistanceBetween(shop.normalized().row(user), view.row(s)));
    const double near = DistanceBetween(shop.normalized().row(user), view.row(own));
    of[static_cast<size_t>(own)].push_back((next - near) / std::max(next, near) -
                                           0.3 * RandomUniform(5, static_cast<uint64_t>(user)));
  }
  json sorted = json::array();
  std::vector<double> means;
  for (std::vector<double>& values : of) {
    double sum = 0;
    for (const double value : values) sum += value;
    means.push_back(values.empty() ? kNan : sum / static_cast<double>(values.size()));
    std::sort(values.rbegin(), values.rend());
    json& list = sorted.emplace_back(json::array());
    const size_t step = values.size() / 200 + 1;
    for (size_t i = 0; i < values.size(); i += step) list.push_back(values[i]);
  }
  return {sorted, means};
}

json FeaturesJson(const Shop& shop) {
  json list = json::array();
  for (int64_t f = 0; f < kFeatures; ++f) {
    std::vector<double> values;
    for (int64_t user = 0; user < kUsers; ++user)
      if (const double value = shop.view().row(user)[static_cast<size_t>(f)]; std::isfinite(value))
        values.push_back(value);
    std::sort(values.begin(), values.end());
    json quantiles = json::array();
    for (const double at : {0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0})
      quantiles.push_back(values[static_cast<size_t>(at * static_cast<double>(values.size() - 1))]);
    list.push_back(
        {{"name", Features()[static_cast<size_t>(f)].name},
         {"kind", Features()[static_cast<size_t>(f)].kind},
         {"normalization",
          {{"kind", "log"},
           {"center", 3},
           {"scale", 1.5},
           {"clip", {nullptr, f == 2 ? json(20000) : json()}},
           {"impute", 20},
           {"n_clipped", f == 2 ? std::ranges::count_if(values, [](double value) { return value > 20000; }) : 0}}},
         {"n_missing", kUsers - std::ssize(values)},
         {"quantiles", quantiles},
         {"extremes",
          {{{"user", "16446"}, {"value", values.back()}, {"used", f == 2 ? 20000 : values.back()}, {"segment", "1"}}}},
         {"constant", false}});
  }
  return list;
}

json AuditOf(const Shop& shop) {
  Grouping country = {"country", {"United Kingdom", "Germany", "France", "Iceland"}, {}},
           device = {"device", {"desktop", "phone"}, {}};
  for (size_t user = 0; user < kUsers; ++user) {
    const double drawn = RandomUniform(6, user);
    country.group_of.push_back(drawn < 0.75 ? 0 : drawn < 0.88 ? 1 : drawn < 0.996 ? 2 : 3);
    const bool is_hunter = shop.labels[user] == 2;
    device.group_of.push_back(RandomUniform(7, user) < (is_hunter ? 0.75 : 0.4));
  }
  const auto group = [](const char* name, int n, double mean, double half) {
    return json{{"group", name},
                {"n_users", n},
                {"ndcg_at_20", {{"mean", mean}, {"low", mean - half}, {"high", mean + half}}},
                {"novelty_at_20", {{"mean", 7.1 + mean}, {"low", 7}, {"high", 7.4}}},
                {"popularity_lift_at_20", 1.2 + mean}};
  };
  const json evaluation = {{"k", 20},
                           {"user_groups",
                            {{{"attribute", "country"},
                              {"groups",
                               {group("United Kingdom", 2900, 0.182, 0.006), group("Germany", 510, 0.171, 0.014),
                                group("France", 440, 0.148, 0.013), group("Iceland", 14, 0.09, 0.07)}}}}}};
  Audit audit = AuditSegments(std::vector{country, device}, shop.labels, kKinds, evaluation, {30, 0.15});
  audit.anomalies = {{"all events", 15302, 8123, 1201.4, 9.2}, {"buy", 15334, 3, 260, -7.7}};
  json out = AuditJson(audit);
  out["warnings"] = audit.warnings;
  return out;
}

json LineageOf(const Lineage& lineage, const LastVersion& last) {
  std::vector<FeatureDrift> drift;
  const double psi[] = {0.03, 0.012, 0.14, 0.31, 0.02, kNan};
  for (size_t f = 0; f < kFeatures; ++f)
    drift.push_back({Features()[f].name, psi[f], std::isnan(psi[f]) ? kNan : 0.004});
  return LineageJson(lineage, last, drift, BeyondLimits(lineage, drift, {}), true);
}

json LikelihoodOf() {
  json calibration = json::array(), coefficients = json::array();
  for (int bin = 0; bin < 10; ++bin) {
    const double predicted = 0.04 + 0.085 * bin;
    calibration.push_back({{"predicted", predicted}, {"observed", predicted + 0.03 * std::sin(bin)}, {"n", 430}});
  }
  const double of[] = {-0.92, 0.71, 0.2, -0.05, 0.11, 0.02};
  for (size_t f = 0; f < kFeatures; ++f)
    coefficients.push_back({{"feature", Features()[f].name}, {"coefficient", of[f]}, {"odds_ratio", std::exp(of[f])}});
  return {{"event", "purchases"},
          {"horizon", "30d"},
          {"base_rate", 0.183},
          {"auc", 0.784},
          {"brier", 0.121},
          {"log_loss", 0.39},
          {"enter", 0.6},
          {"leave", 0.4},
          {"calibration", calibration},
          {"intercept", -1.6},
          {"coefficients", coefficients},
          {"split_time", "2011-11-09 12:50:00"},
          {"n_train", 3400},
          {"n_test", 3950}};
}

json CurvesOf() {
  json ks = json::array(), inertia = json::array(), silhouette = json::array();
  for (int k = 2; k <= 10; ++k) {
    ks.push_back(k);
    inertia.push_back(21000.0 / k + 4200 + (k < 5 ? 900.0 * (5 - k) : 0));
    silhouette.push_back(0.24 + 0.13 * std::exp(-0.5 * (k - 5) * (k - 5)) - 0.004 * k);
  }
  return {{"k", ks},      {"inertia", inertia}, {"silhouette", silhouette},
          {"elbow_k", 4}, {"silhouette_k", 5},  {"chosen_by", "silhouette"}};
}

}  // namespace

json SampleSegmentReport() {
  Shop shop = MakeShop();
  const std::vector<float> centroids = Cluster(shop);
  const SegmentProfiles profiles = MeasureProfiles(
      {shop.view(), shop.normalized(), shop.labels, {centroids.data(), kKinds, kFeatures}}, Features(), 3);
  LastVersion last = {
      6, 6, {{"1", "Champions"}, {"2", "buys often, recent"}, {"3", "typical"}, {"5", "lapsed"}}, shop.last_labels};
  for (const int32_t label : shop.last_labels)
    if (label >= 0) ++last.segments[static_cast<size_t>(label)].size;
  last.segments[3].size += 150;
  const Lineage lineage = TraceSegments(shop.labels, kKinds, last);
  KnownNames known = {{{"1", "Champions"}}};
  for (const LastSegment& segment : last.segments) known.kept[segment.id] = {segment.name, segment.id == "1"};
  const std::vector<SegmentName> names = NameSegments(profiles, Features(), lineage.ids, known);
  const PrincipalComponents components = FitPrincipalComponents(shop.normalized(), shop.labels);
  const auto [silhouettes, means] = Silhouettes(shop, centroids);

  json report = {{"model", "shop-segments"},
                 {"version", 7},
                 {"created_at", "2026-01-02T03:04:05Z"},
                 {"dataset", {{"path", "data/online_retail"}, {"digest", "9f2c"}}},
                 {"reference", "2011-12-09 12:50:00"},
                 {"n_users", kUsers + 72},
                 {"n_users_without_events", 72},
                 {"n_future_events", 0},
                 {"backend", {{"name", "cpu"}, {"device", "a processor"}}},
                 {"seconds", {{"features", 0.8}, {"clusters", 1.4}, {"total", 2.9}}},
                 {"seed", 0}};
  report["features"] = FeaturesJson(shop);
  report["curves"] = CurvesOf();
  report["segments"] = SegmentsJson({profiles, Features(), names, lineage, shop.view(), means},
                                    [](int32_t user) { return std::to_string(12346 + user); });
  double inertia = 0;
  for (const SegmentProfile& segment : profiles.segments) inertia += segment.inertia;
  report["metrics"] = {
      {"k", kKinds}, {"inertia", inertia}, {"silhouette", 0.342}, {"silhouette_kind", "exact"}, {"n_iterations", 23}};
  report["merged"] = MergedJson(std::vector<MergedSegment>{{5, 3, 0, 6.1}}, lineage);
  report["silhouettes"] = silhouettes;
  report["map"] = MapJson(components, MapOf(components, shop.normalized(), shop.labels));
  report["dendrogram"] = {{"linkage", "ward"}, {"merges", json::array()}};
  report["rules"] = {{{"name", "Cart Abandoners"},
                      {"when", "carts >= 1 in 7d and purchases = 0 in 7d"},
                      {"size", 213},
                      {"share", 0.0487}},
                     {{"name", "Big spenders"}, {"when", "monetary >= threshold.big"}, {"size", 430}, {"share", 0.1}}};
  report["thresholds"] = {
      {"big", {{"value", 2134.5}, {"quantile", 0.9}, {"of", "monetary"}, {"last", 2010}, {"moved", 124.5}}}};
  report["stages"] = {{"names", {"awareness", "consideration", "purchase", "loyalty"}},
                      {"sizes", {610, 820, 2130, 740}},
                      {"last_names", {"awareness", "consideration", "purchase", "loyalty"}},
                      {"transitions",
                       {{420, 90, 40, 0, 5},
                        {60, 510, 160, 10, 2},
                        {0, 130, 1700, 190, 0},
                        {0, 20, 120, 510, 0},
                        {130, 70, 110, 30, 0}}}};
  report["likelihood"] = LikelihoodOf();
  report["lineage"] = LineageOf(lineage, last);
  report["audit"] = AuditOf(shop);
  report["warnings"] = {"the window of 'frequency', 730 days, is longer than the data, 373 days"};
  for (const json& warning : report["audit"]["warnings"]) report["warnings"].push_back(warning);
  report["audit"].erase("warnings");
  return report;
}

}  // namespace kindred
