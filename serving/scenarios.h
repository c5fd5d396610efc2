// Named presets of requests: `kindred serve --scenarios FILE.toml`.
//
//     [scenarios.homepage]
//     n = 20
//     filter = "in_stock and price < context.budget"
//     exclude_events = ["buy", "view:7d"]
//
// Keys are fields of RecommendRequest, all but those that say who asks (user_id, history, tenant, scenario) and how
// (dry_run, cursor).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kindred/v1/recommender.pb.h"
#include "serving/model_watcher.h"

namespace kindred {

/// Immutable once read.
class Scenarios {
 public:
  Scenarios() = default;
  /// Throws kUsage with the file, the line and what is wrong: with TOML, a key, a value, or a field that is not served
  /// yet. kIo where it cannot be read.
  static Scenarios Read(const std::string& path);
  static Scenarios Parse(std::string_view text, const std::string& path);

  /// Whether every request that names one could be answered: filters fit this version's attributes, events its types,
  /// rules each other and the version, and all else is in its range. Throws kUsage with the line of what is not so.
  void Check(const ServedModel& model) const;

  bool empty() const { return scenarios_.empty(); }

  /// What the scenario says that a request names; nothing where it names none. Throws kNotFound naming those that there
  /// are.
  const v1::RecommendRequest& Of(const v1::RecommendRequest& request) const;
  /// The request with what its scenario says where it says nothing itself; of maps, the keys that it has not. A request
  /// that names none comes back as it is. Throws kNotFound naming those that there are.
  v1::RecommendRequest Apply(const v1::RecommendRequest& request) const;
  /// The same of n and the filter.
  v1::SimilarItemsRequest Apply(const v1::SimilarItemsRequest& request) const;

 private:
  struct PlacedFilter {
    std::string place, text;
  };
  struct Scenario {
    /// Of the field that a message begins with.
    const std::string& PlaceOf(std::string_view message) const;

    v1::RecommendRequest request;
    std::vector<PlacedFilter> filters;
    std::map<std::string, std::string, std::less<>> places;  // "FILE: line 3, column 10: scenarios.homepage: "
  };

  static void Check(const Scenario& scenario, const ServedModel& model);
  const v1::RecommendRequest& Find(const std::string& name) const;

  std::map<std::string, Scenario, std::less<>> scenarios_;
};

}  // namespace kindred
