// For whom a recommender works, and what it recommends: metrics by groups of users, shares by groups of items.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "host/data/attribute_table.h"
#include "host/data/interactions.h"
#include "host/evaluation/metrics.h"

namespace kindred {

/// Users or items parted by one property.
struct Grouping {
  std::string name;                // the attribute's, as it came, or "history length"
  std::vector<std::string> names;  // of the groups, as they came
  std::vector<int32_t> group_of;   // [users or items]
};

/// A grouping for each attribute that is a category, a boolean, a number or a time and parts them at all: the 12 most
/// frequent categories and "(other)", true and false, the values of a number where they are 6 or fewer, else quarters
/// of the rows by value; "(missing)" for those without. `rows` are the rows of the table, -1 for none; empty: all in
/// order.
std::vector<Grouping> AttributeGroupings(const AttributeTable& table, std::span<const int32_t> rows = {});
/// Users by the number of items in their history, in quarters; "none" for those without.
Grouping HistoryGrouping(const CsrView& history);

/// What sets items apart where a model has no factors: items x (categories, tags, and booleans' two values).
Csr ItemFeatures(const AttributeTable& table, std::span<const int32_t> rows = {});

/// A mean with its 95 % interval, from the normal distribution: 1.96 standard errors to each side, within what the
/// figure can be. Without at least two values there is no interval, without one no mean: NaN.
struct MeanInterval {
  int64_t n = 0;  // values that are not NaN
  double mean = 0, low = 0, high = 0;
};
/// Of `values`, each in [least, most].
MeanInterval MeanOf(std::span<const double> values, double least, double most);

struct UserGroup {
  std::string name;
  int64_t n_users = 0;  // that are evaluated
  std::array<MeanInterval, kNumberOfUserMetrics> model;
  std::array<MeanInterval, kNumberOfUserMetrics> popularity;
  double popularity_lift = 0;  // of the model; NaN where nobody has a history
};
struct UserGroups {
  std::string attribute;
  std::vector<UserGroup> groups;  // those with users
};
/// `of` has a group for each user of the model. Users that the model lacks are in no group.
UserGroups MeasureUserGroups(const Evaluation& evaluation, const Grouping& of);

/// Shares are parts of 1; of nothing: NaN.
struct ItemGroup {
  std::string name;
  int64_t n_items = 0;
  double of_items = 0;
  double of_holdout = 0;      // of the held-out pairs whose item the model has
  double of_recommended = 0;  // of all places in the model's lists
  double of_hits = 0;         // of the hits among them
  double of_popular = 0;      // of all places in the popularity baseline's lists
};
struct ItemGroups {
  std::string attribute;
  std::vector<ItemGroup> groups;
};
ItemGroups MeasureItemGroups(const Evaluation& evaluation, const CsrView& held_out, const Grouping& of);

/// By how much the model is better than popularity, user by user: the mean difference of each metric of hits.
std::array<MeanInterval, kNumberOfHitMetrics> AgainstPopularity(const Evaluation& evaluation);

}  // namespace kindred
