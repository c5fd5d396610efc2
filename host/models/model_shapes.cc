#include "host/models/model_shapes.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

namespace kindred {
namespace {

class ShapeCheck {
 public:
  ShapeCheck(const ModelView& model, ErrorCode code, std::string where)
      : model_(model), code_(code), where_(std::move(where)) {}

  void Run() const {
    Expect(IsAlgorithm(model_.algorithm), "algorithm '{}' is not one that is known", model_.algorithm);
    Expect(model_.users.size() == model_.n_users(), "{} user ids for {} users", model_.users.size(), model_.n_users());
    Expect(model_.items.size() == model_.n_items(), "{} item ids for {} items", model_.items.size(), model_.n_items());
    ExpectEqual("item_popularity", static_cast<int64_t>(model_.popularity.size()), model_.n_items());
    Matrix("history", model_.history);
    Events();
    Columns("item_columns", model_.item_columns, model_.n_items());
    Columns("user_columns", model_.user_columns, model_.n_users());
    Factors();
    ItemItem();
    Attributes("item", model_.item_attributes, model_.n_items());
    Attributes("user", model_.user_attributes, model_.n_users());
    Biases();
    Calibration();
    Parts();
  }

 private:
  template <class... Args>
  void Expect(bool holds, fmt::format_string<Args...> what, Args&&... args) const {
    if (!holds) throw Error(code_, fmt::format("{}: {}", where_, fmt::format(what, std::forward<Args>(args)...)));
  }

  void ExpectEqual(const std::string& name, int64_t found, int64_t expected) const {
    Expect(found == expected, "{} has size {}; expected {}", name, found, expected);
  }

  void Rows(const std::string& name, int64_t n_rows, std::span<const int64_t> indptr, std::span<const int32_t> items,
            const char* columns = "_items") const {
    ExpectEqual(name + "_indptr", static_cast<int64_t>(indptr.size()), n_rows + 1);
    Expect(indptr[0] == 0, "{}_indptr starts at {}; expected 0", name, indptr[0]);
    for (size_t r = 1; r < indptr.size(); ++r)
      Expect(indptr[r] >= indptr[r - 1], "{}_indptr falls at row {}", name, r - 1);
    ExpectEqual(name + columns, static_cast<int64_t>(items.size()), indptr.back());
  }

  void Columns(const char* name, const AttributeTable& table, int64_t n_rows) const {
    if (!table.columns().empty()) ExpectEqual(name, table.n_rows(), n_rows);
  }

  void Matrix(const std::string& name, const CsrView& matrix, const char* columns = "_items") const {
    Rows(name, matrix.n_rows, matrix.indptr, matrix.indices, columns);
    ExpectEqual(name + "_values", static_cast<int64_t>(matrix.values.size()),
                static_cast<int64_t>(matrix.indices.size()));
    for (int64_t r = 0; r < matrix.n_rows; ++r) {
      int32_t last = -1;
      for (const int32_t item : matrix.row(r)) {
        Expect(item > last && item < matrix.n_cols, "{}{} holds {} after {} in row {} of {} columns", name, columns,
               item, last, r, matrix.n_cols);
        last = item;
      }
    }
  }

  void ItemItem() const {
    if (!model_.has_item_item()) return;
    Expect(model_.is_linear(), "an item-item matrix does not go with algorithm '{}'", model_.algorithm);
    ExpectEqual("item_item (rows)", model_.item_item.n_rows, model_.n_items());
    ExpectEqual("item_item (columns)", model_.item_item.n_cols, model_.n_items());
    Matrix("item_item", model_.item_item);
  }

  void Attributes(const std::string& side, const AttributesView& attributes, int64_t n_rows) const {
    if (attributes.empty()) return;
    Expect(model_.is_linear(), "attributes of {}s do not go with algorithm '{}'", side, model_.algorithm);
    const int64_t n_features = attributes.features.n_cols;
    ExpectEqual(side + "_features (rows)", attributes.features.n_rows, n_rows);
    Matrix(side + "_features", attributes.features, "_indices");
    ExpectEqual(side + "_feature_factors (rows)", attributes.factors.n_rows, n_features);
    ExpectEqual(side + "_feature_factors (columns)", attributes.factors.n_cols, model_.n_factors());
    ExpectEqual(side + "_feature_names", attributes.names.size(), n_features);
    const std::span<const int64_t> offsets = attributes.names.offsets;
    const bool in_order = offsets.empty() || (offsets[0] == 0 && std::ranges::is_sorted(offsets) &&
                                              offsets.back() == std::ssize(attributes.names.bytes));
    Expect(in_order, "{}_feature_names_offsets do not lead through the names one after another", side);
  }

  void Events() const {
    const EventsView& events = model_.events;
    const int64_t n_events = events.size();
    if (!events.indptr.empty()) Rows("event", model_.n_users(), events.indptr, events.items);
    Expect(!events.indptr.empty() || n_events == 0, "there are event_items and no event_indptr");
    for (const int32_t item : events.items)
      Expect(item >= 0 && item < model_.n_items(), "event_items holds {} of {} items", item, model_.n_items());
    if (!events.times.empty()) ExpectEqual("event_times", static_cast<int64_t>(events.times.size()), n_events);
    if (!events.types.empty()) ExpectEqual("event_types", static_cast<int64_t>(events.types.size()), n_events);
    for (const uint8_t type : events.types)
      Expect(type < events.type_names.size(), "event_types holds {} of {} types", type, events.type_names.size());
  }

  void Parts() const {
    Expect(model_.parts.empty() == (model_.algorithm != kBlend), "{} parts do not go with algorithm '{}'",
           model_.parts.size(), model_.algorithm);
    if (model_.parts.empty()) return;
    for (size_t p = 0; p < model_.parts.size(); ++p) {
      const ModelView& part = model_.parts[p];
      const ShapeCheck check(part, code_, fmt::format("{}: part {}", where_, p));
      check.Expect(part.algorithm != kBlend && part.n_factors() > 0 && !part.has_ratings(),
                   "'{}' cannot be a part of a blend", part.algorithm);
      check.Factors();
      check.ItemItem();
      check.Attributes("item", part.item_attributes, part.n_items());
      check.Attributes("user", part.user_attributes, part.n_users());
    }
    const auto& [weights, n_bands, n_parts] = model_.band_weights;
    ExpectEqual("band_weights (columns)", n_parts, std::ssize(model_.parts));
    ExpectEqual("band_lengths", std::ssize(model_.band_lengths), n_bands);
    Expect(n_bands > 0 && model_.band_lengths[0] == 0, "the first band of a blend does not begin at 0");
    for (size_t b = 1; b < model_.band_lengths.size(); ++b)
      Expect(model_.band_lengths[b] > model_.band_lengths[b - 1], "band_lengths do not increase at {}", b);
    for (const float weight : model_.band_weights.all())
      Expect(std::isfinite(weight) && weight >= 0, "a weight of the blend is {}", weight);
  }

  void Factors() const {
    if (model_.algorithm == kBlend) return ExpectEqual("item_factors (columns)", model_.n_factors(), 0);
    const int64_t n_factors = model_.n_factors();
    Expect(model_.has_factors() == (model_.algorithm != kPopularity), "{} factors do not go with algorithm '{}'",
           n_factors, model_.algorithm);
    ExpectEqual("user_factors (columns)", model_.user_factors.n_cols, n_factors);
    ExpectEqual("eigenvalues", static_cast<int64_t>(model_.eigenvalues.size()),
                model_.algorithm == kAls ? n_factors : 0);
    ExpectEqual("singular_values", static_cast<int64_t>(model_.singular_values.size()),
                model_.algorithm == kSvd ? n_factors : 0);
    if (!model_.has_factors()) return;
    ExpectEqual("user_factors (rows)", model_.user_factors.n_rows, model_.n_users());
    ExpectEqual("item_factors (rows)", model_.item_factors.n_rows, model_.n_items());
    const auto of_query = [&](const char* name, int64_t found, int64_t expected) {
      if (found == 0) return;
      Expect(model_.is_linear(), "{} do not go with algorithm '{}'", name, model_.algorithm);
      ExpectEqual(name, found, expected);
    };
    of_query("base_query", std::ssize(model_.base_query), n_factors);
    of_query("history_factors (rows)", model_.history_factors.n_rows, model_.n_items());
    if (model_.history_factors.n_rows > 0)
      ExpectEqual("history_factors (columns)", model_.history_factors.n_cols, n_factors);
    Lists();
    if (model_.algorithm != kAls) return;
    const AlsObjective& objective = model_.objective;
    for (const float weight : {objective.unobserved_weight, objective.regularization, objective.bias_regularization})
      Expect(std::isfinite(weight) && weight >= 0, "a weight of the objective is {}", weight);
    Expect(std::isfinite(objective.regularization_exponent), "the regularization exponent is {}",
           objective.regularization_exponent);
    const double noise = model_.noise_variance.value_or(0);
    Expect(std::isfinite(noise) && noise >= 0, "the noise variance is {}", noise);
  }

  void Lists() const {
    if (!model_.has_lists()) return;
    ExpectEqual("list_groups", std::ssize(model_.list_groups.names), model_.n_factors() - 1);
    ExpectEqual("base_query", std::ssize(model_.base_query), model_.n_factors());
    for (int64_t user = 0; user < model_.n_users(); ++user)
      Expect(model_.ListGroupOf(user) < std::ssize(model_.list_groups.names), "user_factors has zeros only in row {}",
             user);
  }

  void Biases() const {
    const bool rated = model_.has_ratings();
    ExpectEqual("user_biases", static_cast<int64_t>(model_.user_biases.size()), rated ? model_.n_users() : 0);
    ExpectEqual("item_biases", static_cast<int64_t>(model_.item_biases.size()), rated ? model_.n_items() : 0);
    Expect(std::isfinite(model_.rating_mean), "the mean of the ratings is {}", model_.rating_mean);
    Expect(!rated || model_.objective.unobserved_weight == 0, "ratings do not go with an unobserved weight of {}",
           model_.objective.unobserved_weight);
  }

  void Calibration() const {
    const auto& [scores, probabilities] = model_.calibration;
    ExpectEqual("calibration_probabilities", std::ssize(probabilities), std::ssize(scores));
    for (size_t k = 0; k < scores.size(); ++k) {
      Expect(std::isfinite(scores[k]) && (k == 0 || scores[k] > scores[k - 1]),
             "calibration_scores do not increase at {}", k);
      Expect(probabilities[k] >= (k == 0 ? 0 : probabilities[k - 1]) && probabilities[k] <= 1,
             "calibration_probabilities holds {} at {}; expected no less than before and at most 1", probabilities[k],
             k);
    }
  }

  const ModelView& model_;
  ErrorCode code_;
  std::string where_;
};

}  // namespace

void CheckShapes(const ModelView& model, ErrorCode code, const std::string& where) {
  ShapeCheck(model, code, where).Run();
}

}  // namespace kindred
