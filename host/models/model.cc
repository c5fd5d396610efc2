#include "host/models/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/models/model_shapes.h"
#include "host/models/other_versions.h"
#include "host/text/text.h"

namespace kindred {
namespace {

constexpr const char* kExplicit = "explicit";

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
  for (const AttributesView* attributes : {&model.item_attributes, &model.user_attributes}) {
    CheckFinite("feature_factors", attributes->factors);
    CheckFinite("features_values", attributes->features.values);
  }
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
  if (manifest.value("algorithm", nlohmann::json()) == kSegmentsAlgorithm)
    throw Error(ErrorCode::kUnsupported,
                fmt::format("'{}' is a version of segments, which `kindred segment` makes; expected one of a model "
                            "that recommends",
                            where));
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

constexpr const char* kCodesVersion = "item_codes_version";

ItemCodesView MapCodes(const Artifact& artifact) {
  ItemCodesView codes;
  if (artifact.manifest().value(kCodesVersion, nlohmann::json()) != kItemCodesVersion) return codes;
  if (artifact.Has("item_codes_order")) codes.order = artifact.Array<int32_t>("item_codes_order");
  codes.codes = artifact.Matrix<uint8_t>("item_codes");
  codes.figures = artifact.Matrix<double>("item_codes_figures");
  if (artifact.Has("item_codes_rotation")) codes.rotation = artifact.Matrix<float>("item_codes_rotation");
  return codes;
}

void WriteCodes(const ItemCodesView& codes, ArtifactWriter& writer, nlohmann::json& manifest) {
  if (codes.empty()) return;
  const auto add = [&](const char* name, const auto& matrix) {
    writer.AddArray(name, matrix.all(), {matrix.n_rows, matrix.n_cols});
  };
  add("item_codes", codes.codes);
  add("item_codes_figures", codes.figures);
  if (!codes.order.empty()) writer.AddArray("item_codes_order", codes.order);
  if (codes.rotation.n_rows > 0) add("item_codes_rotation", codes.rotation);
  manifest[kCodesVersion] = kItemCodesVersion;
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
  view->item_attributes = MapAttributes(artifact, prefix + "item", view->n_items());
  view->user_attributes = MapAttributes(artifact, prefix + "user", view->n_users());
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
  WriteAttributes(model.item_attributes, prefix + "item", writer);
  WriteAttributes(model.user_attributes, prefix + "user", writer);
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

void WriteColumns(const AttributeTable& table, const std::string& side, ArtifactWriter& writer,
                  nlohmann::json& manifest) {
  if (table.columns().empty()) return;
  table.AddTo(writer, side + "_column");
  manifest[side + "_columns"] = table.Describe();
}

}  // namespace

bool IsAlgorithm(std::string_view name) {
  return std::ranges::find(kAlgorithms, name) != std::end(kAlgorithms);
}

bool HasLists(std::string_view algorithm) {
  return algorithm == "popular" || algorithm == "latest" || algorithm == "trending";
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
  const auto columns = [&](const std::string& side, int64_t n_rows) {
    return AttributeTable::FromArtifact(*artifact, side + "_column",
                                        artifact->manifest().value(side + "_columns", nlohmann::json::array()), n_rows);
  };
  view.item_columns = columns("item", view.n_items());
  view.user_columns = columns("user", view.n_users());
  view.popularity = artifact->Array<float>("item_popularity");
  if (view.algorithm == kBlend)
    MapParts(*artifact, &view);
  else if (view.algorithm != kPopularity)
    MapFactors(*artifact, "", &view);
  view.item_codes = MapCodes(*artifact);
  if (view.has_lists()) view.list_groups = ReadListGroups(*artifact, &model->list_groups_);
  if (view.has_ratings()) {
    view.user_biases = artifact->Array<float>("user_biases");
    view.item_biases = artifact->Array<float>("item_biases");
  }
  if (artifact->Has("calibration_scores"))
    view.calibration = {artifact->Array<float>("calibration_scores"),
                        artifact->Array<float>("calibration_probabilities")};
  CheckShapes(view, ErrorCode::kCorrupt, path.string());
  model->artifact_ = artifact;
  return model;
}

int64_t PublishModel(const ModelStore& store, const std::string& name, const ModelView& model,
                     nlohmann::json manifest) {
  CheckShapes(model, ErrorCode::kInvalidArgument, fmt::format("model '{}'", name));
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
  WriteColumns(model.item_columns, "item", writer, manifest);
  WriteColumns(model.user_columns, "user", writer, manifest);
  if (!model.parts.empty()) {
    WriteParts(model, writer, manifest);
  } else if (model.has_factors()) {
    WriteFactors(model, "", writer);
    WriteCodes(model.item_codes, writer, manifest);
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
  store.SetCurrentOrRemove(name, version);
  return version;
}

}  // namespace kindred
