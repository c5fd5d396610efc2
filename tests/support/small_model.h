// A model of random numbers, for tests of what stores, ranks or serves one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "host/data/attribute_arrays.h"
#include "host/data/id_map.h"
#include "host/data/interactions.h"
#include "host/models/model.h"
#include "tests/support/small_items.h"

namespace kindred {

/// Owns the arrays of a ModelView. Users are "u0", "u1", ..., items "i0", "i1", ...; about a third of all
/// pairs are in the history, and user 0 has none. Each pair has an event or two, and each user but user 0 one more that
/// counts for nothing.
class SmallModel {
 public:
  /// `n_factors` 0 makes a model of algorithm "popularity".
  explicit SmallModel(int64_t n_users = 5, int64_t n_items = 7, int64_t n_factors = 3, uint32_t seed = 1) {
    std::mt19937 random(seed);
    history.n_rows = n_users;
    history.n_cols = n_items;
    popularity.assign(static_cast<size_t>(n_items), 0);
    for (int64_t i = 0; i < n_items; ++i) items.Intern("i" + std::to_string(i));
    for (int64_t u = 0; u < n_users; ++u) {
      users.Intern("u" + std::to_string(u));
      for (int64_t i = 0; u > 0 && i < n_items; ++i) {
        if (random() % 3 != 0) continue;
        history.indices.push_back(static_cast<int32_t>(i));
        history.values.push_back(1.0f + static_cast<float>(random() % 4));
        ++popularity[static_cast<size_t>(i)];
      }
      history.indptr.push_back(static_cast<int64_t>(history.indices.size()));
      AddEvents(u);
    }
    std::normal_distribution<float> normal;
    for (auto* factors : {&user_factors, &item_factors}) {
      factors->resize(static_cast<size_t>((factors == &user_factors ? n_users : n_items) * n_factors));
      std::generate(factors->begin(), factors->end(), [&] { return normal(random); });
    }
    for (int64_t f = 0; f < n_factors; ++f) eigenvalues.push_back(static_cast<float>(n_factors - f));
    if (n_factors > 0) calibration_scores = {-0.5f, 0.25f, 1}, calibration_probabilities = {0, 0.125f, 0.5f};
  }

  /// Makes it a model of ratings, with biases.
  SmallModel& Rate() {
    for (size_t e = 0; e < history.values.size(); ++e) history.values[e] = 0.5f * static_cast<float>(e % 11) - 1;
    for (int64_t u = 0; u < history.n_rows; ++u) user_biases.push_back(0.25f * static_cast<float>(u % 3) - 0.25f);
    for (int64_t i = 0; i < history.n_cols; ++i) item_biases.push_back(0.5f - 0.125f * static_cast<float>(i % 7));
    rated = true;
    return *this;
  }

  /// Makes it a model of content with attributes: item i has feature i % 3; of users alone user 0, who has no history,
  /// has one. For 3 factors, and some items and users.
  SmallModel& KnowAttributes() {
    item_features = {history.n_cols, 3, {0}, {}, {}};
    for (int64_t i = 0; i < history.n_cols; ++i) {
      item_features.indices.push_back(static_cast<int32_t>(i % 3));
      item_features.values.push_back(0.5f + static_cast<float>(i));
      item_features.indptr.push_back(i + 1);
    }
    user_features = {history.n_rows, 2, std::vector<int64_t>(static_cast<size_t>(history.n_rows) + 1, 1), {1}, {2}};
    user_features.indptr[0] = 0;
    for (int v = 0; v < 9; ++v) feature_factors.push_back(static_cast<float>(v) - 4);
    for (const char* name : {"tags: a", "tags: b", "price: 1"}) item_feature_names.Add(name);
    for (const char* name : {"country: de", "country: fr"}) user_feature_names.Add(name);
    knows_attributes = true;
    return *this;
  }

  /// Gives it tables of items and of users.
  SmallModel& AddColumns() {
    item_columns.emplace(history.n_cols, 1);
    user_columns.emplace(history.n_rows, 2);
    return *this;
  }

  ModelView view() const {
    const auto n_factors = static_cast<int64_t>(eigenvalues.size());
    ModelView model;
    model.algorithm = n_factors > 0 ? "als" : "popularity";
    model.users = users.view();
    model.items = items.view();
    model.history = history.view();
    model.events = events.view();
    if (!events.types.empty()) model.events.type_names = type_names;
    if (item_columns) model.item_columns = item_columns->table();
    if (user_columns) model.user_columns = user_columns->table();
    model.popularity = popularity;
    model.user_factors = {user_factors.data(), history.n_rows, n_factors};
    model.item_factors = {item_factors.data(), history.n_cols, n_factors};
    model.eigenvalues = eigenvalues;
    model.objective = {0.25f, 0.003f, 0.5f};
    model.calibration = {calibration_scores, calibration_probabilities};
    if (knows_attributes) {
      model.algorithm = "content";
      model.eigenvalues = {};
      model.item_attributes = {item_features.view(), {feature_factors.data(), 3, 3}, item_feature_names.view()};
      model.user_attributes = {user_features.view(), {feature_factors.data(), 2, 3}, user_feature_names.view()};
    }
    if (!rated) return model;
    model.objective = {0, 0.003f, 0.5f, Feedback::kExplicit, 2.5f};
    model.user_biases = user_biases;
    model.item_biases = item_biases;
    model.rating_mean = 3.25f;
    return model;
  }

  IdMapBuilder users, items;
  Csr history;
  EventArrays events;
  std::vector<std::string> type_names = {"view", "cart", "buy"};
  std::vector<float> popularity, user_factors, item_factors, eigenvalues, user_biases, item_biases;
  bool rated = false, knows_attributes = false;
  std::optional<SmallItems> item_columns, user_columns;
  Csr item_features, user_features;
  std::vector<float> feature_factors;
  TextRows item_feature_names, user_feature_names;
  std::vector<float> calibration_scores, calibration_probabilities;

 private:
  void AddEvent(int32_t item, uint8_t type) {
    events.items.push_back(item);
    events.times.push_back(1'700'000'000 + static_cast<int64_t>(events.items.size()) * 1000);
    events.types.push_back(type);
  }

  void AddEvents(int64_t user) {
    for (const int32_t item : history.view().row(user)) {
      AddEvent(item, 1);
      if (item % 2 == 0) AddEvent(item, 2);
    }
    if (user > 0 && history.n_cols > 0) AddEvent(static_cast<int32_t>(user % history.n_cols), 0);
    events.indptr.push_back(events.view().size());
  }
};

}  // namespace kindred
