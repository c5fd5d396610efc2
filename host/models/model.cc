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
constexpr const char* kBlend = "blend";
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

  void Rows(const std::string& name, int64_t n_rows, std::span<const int64_t> indptr,
            std::span<const int32_t> items) const {
    ExpectEqual(name + "_indptr", static_cast<int64_t>(indptr.size()), n_rows + 1);
    Expect(indptr[0] == 0, "{}_indptr starts at {}; expected 0", name, indptr[0]);
    for (size_t r = 1; r < indptr.size(); ++r)
      Expect(indptr[r] >= indptr[r - 1], "{}_indptr falls at row {}", name, r - 1);
    ExpectEqual(name + "_items", static_cast<int64_t>(items.size()), indptr.back());
  }

  void Matrix(const std::string& name, const CsrView& matrix) const {
    Rows(name, matrix.n_rows, matrix.indptr, matrix.indices);
    ExpectEqual(name + "_values", static_cast<int64_t>(matrix.values.size()),
                static_cast<int64_t>(matrix.indices.size()));
    for (int64_t r = 0; r < matrix.n_rows; ++r) {
      int32_t last = -1;
      for (const int32_t item : matrix.row(r)) {
        Expect(item > last && item < matrix.n_cols, "{}_items holds {} after {} in row {} of {} columns", name, item,
               last, r, matrix.n_cols);
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
    of_query("history_factors (columns)", model_.history_factors.n_cols, n_factors);
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

void CheckFactors(const ModelView& model) {
  CheckFinite("user_factors", model.user_factors);
  CheckFinite("item_factors", model.item_factors);
  CheckFinite("history_factors", model.history_factors);
  CheckFinite("base_query", model.base_query);
  CheckFinite("item_item_values", model.item_item.values);
  CheckFinite("eigenvalues", model.eigenvalues);
  CheckFinite("singular_values", model.singular_values);
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

int64_t ReadSize(const nlohmann::json& manifest, const char* key, const std::string& where) {
  if (!manifest.at(key).is_number_integer())
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: the manifest's '{}' is no size", where, key));
  return manifest.at(key).get<int64_t>();
}

/// What a manifest says of a model that has factors, or of a blend's part.
void ReadScorer(const nlohmann::json& manifest, const std::string& where, ModelView* model) {
  model->algorithm = manifest.at("algorithm").get<std::string>();
  model->item_factors.n_cols = ReadSize(manifest, "n_factors", where);
  if (model->algorithm == kAls) model->objective = ParseObjective(manifest.at("objective"), where);
}

void ReadManifest(const nlohmann::json& manifest, const std::string& where, ModelView* model) {
  const nlohmann::json schema = manifest.value("schema_version", nlohmann::json(1));
  if (!schema.is_number_integer() || schema.get<int64_t>() < 1)
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: the manifest's 'schema_version' is no number", where));
  CheckNotNewer(manifest, "schema", schema.get<int64_t>(), kModelSchema, where);
  try {
    model->algorithm = manifest.at("algorithm").get<std::string>();
    model->history.n_rows = ReadSize(manifest, "n_users", where);
    model->history.n_cols = ReadSize(manifest, "n_items", where);
    if (model->algorithm == kPopularity) return;
    if (model->algorithm == kBlend) {
      for (const nlohmann::json& part : manifest.at("parts")) ReadScorer(part, where, &model->parts.emplace_back());
      return;
    }
    ReadScorer(manifest, where, model);
    if (model->has_ratings()) model->rating_mean = manifest.at("rating_mean").get<float>();
    if (manifest.contains("noise_variance")) model->noise_variance = manifest.at("noise_variance").get<double>();
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{}: the manifest does not describe a model: {}", where, error.what()));
  }
}

/// The groups of a version of lists; `names` gets theirs.
ListGroups ReadListGroups(const Artifact& artifact, std::vector<std::string>* names) {
  ListGroups groups;
  const nlohmann::json& manifest = artifact.manifest();
  try {
    if (!manifest.contains("list_groups")) return groups;
    groups.attribute = manifest.at("list_groups").at("attribute").get<std::string>();
    *names = manifest.at("list_groups").at("names").get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{}: the manifest's 'list_groups' are no attribute and names", artifact.path().string()));
  }
  groups.names = *names;
  return groups;
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

void MapFactors(const Artifact& artifact, const std::string& prefix, ModelView* view) {
  const int64_t n_factors = view->n_factors();
  const auto matrix = [&](const char* name) { return artifact.Matrix<float>(prefix + name); };
  view->user_factors = matrix("user_factors");
  view->item_factors = matrix("item_factors");
  if (view->n_factors() != n_factors)
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: {}item_factors has {} columns; the manifest says {}",
                                                 artifact.path().string(), prefix, view->n_factors(), n_factors));
  if (artifact.Has(prefix + "history_factors")) view->history_factors = matrix("history_factors");
  if (artifact.Has(prefix + "base_query")) view->base_query = artifact.Array<float>(prefix + "base_query");
  if (artifact.Has(prefix + "item_item_indptr"))
    view->item_item = MapMatrix(artifact, prefix + "item_item", view->n_items(), view->n_items());
  if (view->algorithm == kAls) view->eigenvalues = artifact.Array<float>(prefix + "eigenvalues");
  if (view->algorithm != kSvd) return;
  view->singular_values = artifact.Array<float>(prefix + "singular_values");
  view->history_factors = view->item_factors;
}

void MapParts(const Artifact& artifact, ModelView* view) {
  for (size_t p = 0; p < view->parts.size(); ++p) {
    ModelView& part = view->parts[p];
    part.users = view->users;
    part.items = view->items;
    part.history = view->history;
    part.popularity = view->popularity;
    MapFactors(artifact, fmt::format("part_{}_", p), &part);
  }
  view->band_lengths = artifact.Array<int32_t>("band_lengths");
  view->band_weights = artifact.Matrix<float>("band_weights");
}

/// What ReadScorer reads.
void DescribeScorer(const ModelView& model, nlohmann::json& manifest) {
  manifest["algorithm"] = model.algorithm;
  manifest["n_factors"] = model.n_factors();
  if (model.algorithm == kAls) manifest["objective"] = ObjectiveJson(model.objective);
}

void WriteFactors(const ModelView& model, const std::string& prefix, ArtifactWriter& writer) {
  writer.AddMatrix(prefix + "user_factors", model.user_factors);
  writer.AddMatrix(prefix + "item_factors", model.item_factors);
  if (model.history_factors.n_rows > 0 && model.algorithm != kSvd)
    writer.AddMatrix(prefix + "history_factors", model.history_factors);
  if (!model.base_query.empty()) writer.AddArray<float>(prefix + "base_query", model.base_query);
  if (model.has_item_item()) WriteMatrix(model.item_item, prefix + "item_item", writer);
  if (model.algorithm == kSvd) writer.AddArray<float>(prefix + "singular_values", model.singular_values);
  if (model.algorithm == kAls) writer.AddArray<float>(prefix + "eigenvalues", model.eigenvalues);
}

void WriteParts(const ModelView& model, ArtifactWriter& writer, nlohmann::json& manifest) {
  manifest["parts"] = nlohmann::json::array();
  for (size_t p = 0; p < model.parts.size(); ++p) {
    WriteFactors(model.parts[p], fmt::format("part_{}_", p), writer);
    DescribeScorer(model.parts[p], manifest["parts"].emplace_back());
  }
  writer.AddArray<int32_t>("band_lengths", model.band_lengths);
  writer.AddMatrix("band_weights", model.band_weights);
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

HostMatrix<const float> ModelView::item_vectors() const {
  for (const ModelView& part : parts)
    if (part.item_vectors().n_cols > 0) return part.item_vectors();
  const bool only_orders = has_lists() || (has_item_item() && history_factors.n_rows == 0);
  return only_orders ? HostMatrix<const float>{nullptr, n_items(), 0} : item_factors;
}

std::span<const float> ModelView::WeightsFor(int64_t n_history_items) const {
  const auto above = std::ranges::upper_bound(band_lengths, n_history_items);
  return band_weights.row(above - band_lengths.begin() - 1);
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
  if (view.algorithm == kBlend)
    MapParts(*artifact, &view);
  else if (view.algorithm != kPopularity)
    MapFactors(*artifact, "", &view);
  if (view.has_lists()) view.list_groups = ReadListGroups(*artifact, &model->list_groups_);
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
  CheckFactors(model);
  for (const ModelView& part : model.parts) CheckFactors(part);
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
  if (!model.parts.empty()) {
    WriteParts(model, writer, manifest);
  } else if (model.has_factors()) {
    WriteFactors(model, "", writer);
    DescribeScorer(model, manifest);
  }
  if (model.noise_variance) manifest["noise_variance"] = *model.noise_variance;
  if (!model.list_groups.attribute.empty())
    manifest["list_groups"] = {{"attribute", model.list_groups.attribute}, {"names", model.list_groups.names}};
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
