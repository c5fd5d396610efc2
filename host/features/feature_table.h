// What is known of users, as numbers: a row a user, a column a feature.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kindred {

struct FeatureTable {
  std::vector<std::string> names;  // of the columns, no two the same
  int64_t n_users = 0;
  std::vector<double> values;     // [n_users x n_features], row-major; NaN: missing, else finite
  std::vector<int64_t> n_events;  // [n_users] of each, up to the reference, of all types
  int64_t n_future_events = 0;    // behind the reference: left out

  int64_t n_features() const { return static_cast<int64_t>(names.size()); }
  std::span<const double> row(int64_t user) const {
    return {values.data() + user * n_features(), static_cast<size_t>(n_features())};
  }
  std::span<double> row(int64_t user) {
    return {values.data() + user * n_features(), static_cast<size_t>(n_features())};
  }
};

}  // namespace kindred
