#include "host/models/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/text/text.h"

namespace kindred {
namespace {

constexpr const char* kAls = "als";
constexpr const char* kSvd = "svd";
constexpr const char* kPopularity = "popularity";
constexpr const char* kExplicit = "explicit";

/// Refuses a model whose parts do not fit each other; after that no index leads out of its array.
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
    Factors();
    ItemItem();
    Attributes("item", model_.item_attributes, model_.n_items());
    Attributes("user", model_.user_attributes, model_.n_users());
    Biases();
    Calibration();
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

  void Factors() const {
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
    of_query("history_factors (columns)", model_.history_factors.n_cols, n_factors);
    if (model_.algorithm != kAls) return;
    const AlsObjective& objective = model_.objective;
    for (const float weight : {objective.unobserved_weight, objective.regularization, objective.bias_regularization})
      Expect(std::isfinite(weight) && weight >= 0, "a weight of the objective is {}", weight);
    Expect(std::isfinite(objective.regularization_exponent), "the regularization exponent is {}",
           objective.regularization_exponent);
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

void CheckFinite(const char* name, HostMatrix<const float> matrix) {
  for (int64_t r = 0; r < matrix.n_rows; ++r)
    for (const float value : matrix.row(r))
      if (!std::isfinite(value))
        throw Error(ErrorCode::kNumeric,
                    fmt::format("{} holds {} in row {}: the model is not published", name, value, r));
}

void CheckFinite(const char* name, std::span<const float> values) {
  CheckFinite(name, HostMatrix<const float>{values.data(), static_cast<int64_t>(values.size()), 1});
}

AlsObjective ParseObjective(const nlohmann::json& json, const std::string& where) {
  AlsObjective objective;
  objective.regularization = json.at("regularization").get<float>();
  objective.regularization_exponent = json.at("regularization_exponent").get<float>();
  if (!json.contains("feedback")) {
    objective.unobserved_weight = json.at("unobserved_weight").get<float>();
    return objective;
  }
  const auto feedback = json.at("feedback").get<std::string>();
  if (feedback != kExplicit)
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: the feedback is '{}'; expected explicit", where, Printable(feedback)));
  objective.feedback = Feedback::kExplicit;
  objective.unobserved_weight = 0;
  objective.bias_regularization = json.at("bias_regularization").get<float>();
  return objective;
}

void ReadManifest(const nlohmann::json& manifest, const std::string& where, ModelView* model) {
  const nlohmann::json schema = manifest.value("schema_version", nlohmann::json(1));
  if (!schema.is_number_integer() || schema.get<int64_t>() < 1)
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: the manifest's 'schema_version' is no number", where));
  CheckNotNewer(manifest, "schema", schema.get<int64_t>(), kModelSchema, where);
  const auto size = [&](const char* key) {
    if (!manifest.at(key).is_number_integer())
      throw Error(ErrorCode::kCorrupt, fmt::format("{}: the manifest's '{}' is no size", where, key));
    return manifest.at(key).get<int64_t>();
  };
  try {
    model->algorithm = manifest.at("algorithm").get<std::string>();
    model->history.n_rows = size("n_users");
    model->history.n_cols = size("n_items");
    if (model->algorithm == kPopularity) return;
    model->item_factors.n_cols = size("n_factors");
    if (model->algorithm != kAls) return;
    model->objective = ParseObjective(manifest.at("objective"), where);
    if (model->has_ratings()) model->rating_mean = manifest.at("rating_mean").get<float>();
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{}: the manifest does not describe a model: {}", where, error.what()));
  }
}

/// The events of a version that has them; `names` gets those of their types.
EventsView MapEvents(const Artifact& artifact, std::vector<std::string>* names) {
  EventsView events;
  if (artifact.Has("event_indptr")) events.indptr = artifact.Array<int64_t>("event_indptr");
  if (artifact.Has("event_items")) events.items = artifact.Array<int32_t>("event_items");
  if (artifact.Has("event_times")) events.times = artifact.Array<int64_t>("event_times");
  if (!artifact.Has("event_types")) return events;
  events.types = artifact.Array<uint8_t>("event_types");
  const nlohmann::json types = artifact.manifest().value("event_types", nlohmann::json());
  for (const nlohmann::json& name : types) {
    if (!types.is_array() || !name.is_string())
      throw Error(ErrorCode::kCorrupt,
                  fmt::format("{}: the manifest's 'event_types' are no names", artifact.path().string()));
    names->push_back(name.get<std::string>());
  }
  events.type_names = *names;
  return events;
}

CsrView MapMatrix(const Artifact& artifact, const std::string& name, int64_t n_rows, int64_t n_cols) {
  return {n_rows, n_cols, artifact.Array<int64_t>(name + "_indptr"), artifact.Array<int32_t>(name + "_items"),
          artifact.Array<float>(name + "_values")};
}

void WriteMatrix(const CsrView& matrix, const std::string& name, ArtifactWriter& writer) {
  writer.AddArray<int64_t>(name + "_indptr", matrix.indptr);
  writer.AddArray<int32_t>(name + "_items", matrix.indices);
  writer.AddArray<float>(name + "_values", matrix.values);
}

AttributesView MapAttributes(const Artifact& artifact, const std::string& side, int64_t n_rows) {
  AttributesView attributes;
  if (!artifact.Has(side + "_features_indptr")) return attributes;
  attributes.factors = artifact.Matrix<float>(side + "_feature_factors");
  attributes.features = {n_rows, attributes.factors.n_rows, artifact.Array<int64_t>(side + "_features_indptr"),
                         artifact.Array<int32_t>(side + "_features_indices"),
                         artifact.Array<float>(side + "_features_values")};
  attributes.names = {artifact.Array<uint8_t>(side + "_feature_names_bytes"),
                      artifact.Array<int64_t>(side + "_feature_names_offsets")};
  return attributes;
}

void WriteAttributes(const AttributesView& attributes, const std::string& side, ArtifactWriter& writer) {
  if (attributes.empty()) return;
  writer.AddMatrix(side + "_feature_factors", attributes.factors);
  writer.AddArray<int64_t>(side + "_features_indptr", attributes.features.indptr);
  writer.AddArray<int32_t>(side + "_features_indices", attributes.features.indices);
  writer.AddArray<float>(side + "_features_values", attributes.features.values);
  writer.AddArray<uint8_t>(side + "_feature_names_bytes", attributes.names.bytes);
  writer.AddArray<int64_t>(side + "_feature_names_offsets", attributes.names.offsets);
}

void MapFactors(const Artifact& artifact, ModelView* view) {
  const int64_t n_factors = view->n_factors();
  view->user_factors = artifact.Matrix<float>("user_factors");
  view->item_factors = artifact.Matrix<float>("item_factors");
  if (view->n_factors() != n_factors)
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: item_factors has {} columns; the manifest says {}",
                                                 artifact.path().string(), view->n_factors(), n_factors));
  if (artifact.Has("history_factors")) view->history_factors = artifact.Matrix<float>("history_factors");
  if (artifact.Has("base_query")) view->base_query = artifact.Array<float>("base_query");
  if (artifact.Has("item_item_indptr"))
    view->item_item = MapMatrix(artifact, "item_item", view->n_items(), view->n_items());
  view->item_attributes = MapAttributes(artifact, "item", view->n_items());
  view->user_attributes = MapAttributes(artifact, "user", view->n_users());
  if (view->algorithm == kAls) view->eigenvalues = artifact.Array<float>("eigenvalues");
  if (view->algorithm != kSvd) return;
  view->singular_values = artifact.Array<float>("singular_values");
  view->history_factors = view->item_factors;
}

void WriteFactors(const ModelView& model, ArtifactWriter& writer) {
  writer.AddMatrix("user_factors", model.user_factors);
  writer.AddMatrix("item_factors", model.item_factors);
  if (model.history_factors.n_rows > 0 && model.algorithm != kSvd)
    writer.AddMatrix("history_factors", model.history_factors);
  if (!model.base_query.empty()) writer.AddArray<float>("base_query", model.base_query);
  if (model.has_item_item()) WriteMatrix(model.item_item, "item_item", writer);
  WriteAttributes(model.item_attributes, "item", writer);
  WriteAttributes(model.user_attributes, "user", writer);
  if (model.algorithm == kSvd) writer.AddArray<float>("singular_values", model.singular_values);
  if (model.algorithm == kAls) writer.AddArray<float>("eigenvalues", model.eigenvalues);
}

void WriteEvents(const EventsView& events, ArtifactWriter& writer, nlohmann::json& manifest) {
  if (events.indptr.empty()) return;
  writer.AddArray("event_indptr", events.indptr);
  writer.AddArray("event_items", events.items);
  if (!events.times.empty()) writer.AddArray("event_times", events.times);
  if (!events.types.empty()) writer.AddArray("event_types", events.types);
  manifest["n_events"] = events.size();
  manifest["event_types"] = events.type_names;
}

}  // namespace

bool IsAlgorithm(std::string_view name) {
  return std::ranges::find(kAlgorithms, name) != std::end(kAlgorithms);
}

std::string AlgorithmNames() {
  return fmt::format("{} or {}", fmt::join(std::begin(kAlgorithms), std::end(kAlgorithms) - 1, ", "),
                     *(std::end(kAlgorithms) - 1));
}

float AlsObjective::RowRegularization(int64_t n_entries, int64_t n_other_side) const {
  const double size = static_cast<double>(n_entries) + double{unobserved_weight} * static_cast<double>(n_other_side);
  return static_cast<float>(regularization * std::pow(size, double{regularization_exponent}));
}

nlohmann::json ObjectiveJson(const AlsObjective& objective) {
  nlohmann::json json = {{"regularization", objective.regularization},
                         {"regularization_exponent", objective.regularization_exponent}};
  if (objective.has_ratings()) {
    json["feedback"] = kExplicit;
    json["bias_regularization"] = objective.bias_regularization;
  } else {
    json["unobserved_weight"] = objective.unobserved_weight;
  }
  return json;
}

std::shared_ptr<const Model> Model::Open(const ModelStore& store, const std::string& name, int64_t version) {
  auto model = std::make_shared<Model>();
  model->name_ = name;
  model->version_ = version != 0 ? version : store.Current(name);
  const std::filesystem::path path = store.VersionPath(name, model->version_);
  const auto artifact = Artifact::Open(path, kModelKind);
  ModelView& view = model->view_;
  ReadManifest(artifact->manifest(), path.string(), &view);
  view.users = IdMap::FromArtifact(*artifact, "user_ids");
  view.items = IdMap::FromArtifact(*artifact, "item_ids");
  view.history = MapMatrix(*artifact, "history", view.n_users(), view.n_items());
  view.events = MapEvents(*artifact, &model->event_types_);
  view.popularity = artifact->Array<float>("item_popularity");
  if (view.algorithm != kPopularity) MapFactors(*artifact, &view);
  if (view.has_ratings()) {
    view.user_biases = artifact->Array<float>("user_biases");
    view.item_biases = artifact->Array<float>("item_biases");
  }
  if (artifact->Has("calibration_scores"))
    view.calibration = {artifact->Array<float>("calibration_scores"),
                        artifact->Array<float>("calibration_probabilities")};
  ShapeCheck(view, ErrorCode::kCorrupt, path.string()).Run();
  model->artifact_ = artifact;
  return model;
}

int64_t PublishModel(const ModelStore& store, const std::string& name, const ModelView& model,
                     nlohmann::json manifest) {
  ShapeCheck(model, ErrorCode::kInvalidArgument, fmt::format("model '{}'", name)).Run();
  CheckFinite("user_factors", model.user_factors);
  CheckFinite("item_factors", model.item_factors);
  CheckFinite("history_factors", model.history_factors);
  CheckFinite("base_query", model.base_query);
  CheckFinite("item_item_values", model.item_item.values);
  for (const AttributesView* attributes : {&model.item_attributes, &model.user_attributes}) {
    CheckFinite("feature_factors", attributes->factors);
    CheckFinite("features_values", attributes->features.values);
  }
  CheckFinite("eigenvalues", model.eigenvalues);
  CheckFinite("singular_values", model.singular_values);
  CheckFinite("item_popularity", model.popularity);
  CheckFinite("history_values", model.history.values);
  CheckFinite("user_biases", model.user_biases);
  CheckFinite("item_biases", model.item_biases);

  const int64_t version = store.NextVersion(name);
  ArtifactWriter writer(store.VersionPath(name, version), kModelKind);
  model.users.AddTo(writer, "user_ids");
  model.items.AddTo(writer, "item_ids");
  WriteMatrix(model.history, "history", writer);
  writer.AddArray<float>("item_popularity", model.popularity);
  manifest["schema_version"] = kModelSchema;
  manifest["algorithm"] = model.algorithm;
  manifest["n_users"] = model.n_users();
  manifest["n_items"] = model.n_items();
  WriteEvents(model.events, writer, manifest);
  if (model.has_factors()) {
    WriteFactors(model, writer);
    manifest["n_factors"] = model.n_factors();
  }
  if (model.algorithm == kAls) manifest["objective"] = ObjectiveJson(model.objective);
  if (model.has_ratings()) {
    writer.AddArray<float>("user_biases", model.user_biases);
    writer.AddArray<float>("item_biases", model.item_biases);
    manifest["rating_mean"] = model.rating_mean;
  }
  if (!model.calibration.empty()) {
    writer.AddArray<float>("calibration_scores", model.calibration.scores);
    writer.AddArray<float>("calibration_probabilities", model.calibration.probabilities);
  }
  writer.Commit(std::move(manifest));
  try {
    store.SetCurrent(name, version);
  } catch (const Error&) {
    try {
      store.Remove(name, version);
    } catch (const Error&) {  // CURRENT names it already, or the disk refuses this too: the first error counts
    }
    throw;
  }
  return version;
}

}  // namespace kindred
