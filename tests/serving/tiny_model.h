// A small trained model for the tests of serving: users "u0".. and items "i0".., random tastes from a seed.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "host/data/attribute_arrays.h"
#include "host/data/id_map.h"
#include "host/data/interactions.h"
#include "host/models/als.h"
#include "host/models/explicit_als.h"
#include "host/models/linear_model.h"
#include "host/models/model.h"
#include "host/store/model_store.h"
#include "serving/failover.h"
#include "serving/model_watcher.h"
#include "tests/support/small_items.h"

namespace kindred {

struct TinyModelOptions {
  /// "als", "popularity", or "popular": user u is of group u % 3 - 1, of two, and list g (0: of all) begins with item
  /// g.
  std::string algorithm = "als";
  int n_users = 40;
  int n_items = 30;
  int n_factors = 6;
  int max_history = 8;  // user 0 has none, user 1 has every item
  uint64_t seed = 1;
  std::string item_prefix = "i";
  bool ratings = false;        // the history's values are ratings, from -1 to 4 in halves
  bool by_attributes = false;  // "content": user 0 has an attribute that is to u0 what the factors of u2
  /// Items have the columns of SmallItems, users the category "likes" (user u place u % 3 of the items' categories),
  /// and each pair of the history a "view" at kFirstEvent + a day times its place in it, and at even places a "buy" an
  /// hour after it.
  bool described = false;
  bool has_attributes = false;  // the items' columns alone
  bool calibrated = false;      // of "als": the probability is 0 up to a score of 0, the score itself up to 1, then 1
};

/// A backend as if it had been chosen.
inline ChosenBackend Chosen(std::unique_ptr<Backend> backend) {
  ChosenBackend chosen;
  chosen.backend = std::move(backend);
  chosen.reason = "the test wants it";
  return chosen;
}

inline constexpr int64_t kFirstEvent = 1'700'000'000, kDay = 86400;

class TinyModel {
 public:
  explicit TinyModel(Backend& backend, const TinyModelOptions& options = {}) : options_(options) {
    std::mt19937_64 random(options.seed);
    for (int i = 0; i < options.n_items; ++i) items_.Intern(options.item_prefix + std::to_string(i));
    if (options.has_attributes || options.described) item_columns_.emplace(options.n_items, options.seed);
    history_.n_rows = options.n_users;
    history_.n_cols = options.n_items;
    for (int u = 0; u < options.n_users; ++u) {
      users_.Intern("u" + std::to_string(u));
      std::set<int32_t> row;
      if (u == 1)
        for (int i = 0; i < options.n_items; ++i) row.insert(i);
      else if (u > 1)
        for (int j = 0; j < options.max_history; ++j)
          row.insert(static_cast<int32_t>(random() % static_cast<uint64_t>(options.n_items)));
      for (int32_t item : row) {
        history_.indices.push_back(item);
        history_.values.push_back(options.ratings ? 0.5f * static_cast<float>(random() % 11) - 1
                                                  : 1 + static_cast<float>(random() % 4));
      }
      history_.indptr.push_back(static_cast<int64_t>(history_.indices.size()));
    }
    popularity_ = ItemPopularity(history_.view());
    if (options.described) Describe();
    if (options.algorithm == "popular") MakeLists();
    if (options.algorithm != "als") return;
    AlsOptions als;
    als.n_factors = options.n_factors;
    als.epochs = 2;
    als.seed = options.seed;
    if (options.ratings) {
      als.objective = {0, kRatingRegularization, kRatingRegularizationExponent, Feedback::kExplicit, 5};
      ExplicitFactors found = FitExplicitAls(backend, history_.view(), als);
      factors_ = std::move(found.factors);
      biases_ = std::move(found.biases);
    } else {
      factors_ = FitAls(backend, history_.view(), als);
    }
    objective_ = als.objective;
    if (!options.by_attributes) return;
    const auto of_u2 = factors_.user_factors.begin() + 2 * options.n_factors;
    std::copy(of_u2, of_u2 + options.n_factors, factors_.user_factors.begin());
    attributes_ = {options.n_users, 1, std::vector<int64_t>(static_cast<size_t>(options.n_users) + 1, 1), {0}, {1}};
    attributes_.indptr[0] = 0;
    attribute_factors_.assign(of_u2, of_u2 + options.n_factors);
    attribute_names_.Add("country: de");
  }
  TinyModel(const TinyModel&) = delete;
  TinyModel& operator=(const TinyModel&) = delete;

  ModelView view() const {
    ModelView view;
    view.algorithm = options_.algorithm;
    view.users = users_.view();
    view.items = items_.view();
    view.history = history_.view();
    if (item_columns_) view.item_columns = item_columns_->table();
    view.popularity = popularity_;
    view.objective = objective_;
    if (options_.described) {
      view.user_columns = {options_.n_users, {likes_.View("likes", "users.csv")}};
      view.events = events_.view();
      view.events.type_names = event_types_;
    }
    if (options_.algorithm == "popular") {
      lists_.SetIn(&view);
      view.list_groups = {"country", list_groups_};
    }
    if (options_.algorithm != "als") return view;
    view.user_factors = {factors_.user_factors.data(), options_.n_users, options_.n_factors};
    view.item_factors = {factors_.item_factors.data(), options_.n_items, options_.n_factors};
    if (options_.by_attributes) {
      view.algorithm = "content";
      view.history_factors = view.item_factors;
      view.user_attributes = {
          attributes_.view(), {attribute_factors_.data(), 1, options_.n_factors}, attribute_names_.view()};
      return view;
    }
    view.eigenvalues = factors_.eigenvalues;
    view.user_biases = biases_.users;
    view.item_biases = biases_.items;
    view.rating_mean = biases_.mean;
    if (options_.calibrated) view.calibration = {calibration_scores_, calibration_probabilities_};
    return view;
  }

  /// Valid while this and the failover live; its items are attached to no state.
  std::unique_ptr<ServedModel> Serve(Failover& failover) const {
    auto served = std::make_unique<ServedModel>();
    served->name = "tiny";
    served->version = 7;
    served->ranker = std::make_unique<const ServedRanker>(failover, view(), nullptr);
    served->items = std::make_shared<LiveItems>(view().items, ItemTable::From(view().item_columns, nullptr), nullptr);
    served->filters = std::make_unique<FilterCache>(view().user_columns);
    return served;
  }

  int64_t Publish(const ModelStore& store, const std::string& name) const {
    const ModelLock lock = store.Lock(name);
    return PublishModel(store, name, view(), {{"created_at", "2026-01-02T03:04:05Z"}});
  }

 private:
  void Describe() {
    likes_.type = AttributeType::kCategory;
    const AttributeTable items = item_columns_->table();
    const TextsView categories = items.columns()[1].dictionary;
    likes_.bytes.assign(categories.bytes.begin(), categories.bytes.end());
    likes_.offsets.assign(categories.offsets.begin(), categories.offsets.end());
    for (int u = 0; u < options_.n_users; ++u) {
      likes_.codes.push_back(u % 3);
      int64_t place = 0;
      for (const int32_t item : history_.view().row(u)) {
        AddEvent(item, kFirstEvent + kDay * place, 0);
        if (place++ % 2 == 0) AddEvent(item, events_.times.back() + 3600, 1);
      }
      events_.indptr.push_back(std::ssize(events_.items));
    }
  }

  void AddEvent(int32_t item, int64_t time, uint8_t type) {
    events_.items.push_back(item);
    events_.times.push_back(time);
    events_.types.push_back(type);
  }

  void MakeLists() {
    lists_.n_factors = 3;
    lists_.base_query = {1, 0, 0};
    for (int i = 0; i < options_.n_items; ++i)
      for (int g = 0; g < 3; ++g)
        lists_.item_factors.push_back(1.0f / static_cast<float>(1 + (i - g + options_.n_items) % options_.n_items));
    for (int u = 0; u < options_.n_users; ++u)
      for (int g = 0; g < 3; ++g) lists_.user_factors.push_back(u % 3 == g ? 1.0f : 0.0f);
  }

  TinyModelOptions options_;
  AttributeArrays likes_;
  EventArrays events_;
  std::vector<std::string> event_types_ = {"view", "buy"};
  IdMapBuilder users_, items_;
  std::optional<SmallItems> item_columns_;
  Csr history_;
  std::vector<float> popularity_;
  AlsFactors factors_;
  RatingBiases biases_;
  AlsObjective objective_;
  LinearModel lists_;
  std::vector<std::string> list_groups_ = {"DE", "FR"};
  Csr attributes_;
  std::vector<float> attribute_factors_;
  TextRows attribute_names_;
  std::vector<float> calibration_scores_ = {0, 1}, calibration_probabilities_ = {0, 1};
};

}  // namespace kindred
