#include "host/models/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <variant>

#include "tests/support/errors.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAreArray;
using Values = std::variant<std::vector<float>, std::vector<int32_t>, std::vector<int64_t>, std::vector<uint8_t>>;

void ExpectEqualViews(const ModelView& found, const ModelView& expected) {
  EXPECT_EQ(found.algorithm, expected.algorithm);
  ASSERT_EQ(found.users.size(), expected.users.size());
  ASSERT_EQ(found.items.size(), expected.items.size());
  for (int64_t i = 0; i < found.items.size(); ++i) {
    EXPECT_EQ(found.items.Id(i), expected.items.Id(i));
    EXPECT_EQ(found.items.Find(expected.items.Id(i)), i);
  }
  EXPECT_EQ(found.n_users(), expected.n_users());
  EXPECT_EQ(found.n_items(), expected.n_items());
  EXPECT_EQ(found.n_factors(), expected.n_factors());
  EXPECT_THAT(found.history.indptr, ElementsAreArray(expected.history.indptr));
  EXPECT_THAT(found.history.indices, ElementsAreArray(expected.history.indices));
  EXPECT_THAT(found.history.values, ElementsAreArray(expected.history.values));
  EXPECT_THAT(found.events.indptr, ElementsAreArray(expected.events.indptr));
  EXPECT_THAT(found.events.items, ElementsAreArray(expected.events.items));
  EXPECT_THAT(found.events.times, ElementsAreArray(expected.events.times));
  EXPECT_THAT(found.events.types, ElementsAreArray(expected.events.types));
  EXPECT_THAT(found.events.type_names, ElementsAreArray(expected.events.type_names));
  EXPECT_TRUE(found.events.values.empty());
  EXPECT_THAT(found.popularity, ElementsAreArray(expected.popularity));
  EXPECT_THAT(found.user_factors.all(), ElementsAreArray(expected.user_factors.all()));
  EXPECT_THAT(found.item_factors.all(), ElementsAreArray(expected.item_factors.all()));
  EXPECT_THAT(found.eigenvalues, ElementsAreArray(expected.eigenvalues));
  EXPECT_THAT(found.calibration.scores, ElementsAreArray(expected.calibration.scores));
  EXPECT_THAT(found.calibration.probabilities, ElementsAreArray(expected.calibration.probabilities));
  EXPECT_THAT(found.singular_values, ElementsAreArray(expected.singular_values));
  if (expected.algorithm != "als") return;
  EXPECT_EQ(found.objective.unobserved_weight, expected.objective.unobserved_weight);
  EXPECT_EQ(found.objective.regularization, expected.objective.regularization);
  EXPECT_EQ(found.objective.regularization_exponent, expected.objective.regularization_exponent);
  EXPECT_EQ(found.has_ratings(), expected.has_ratings());
  EXPECT_THAT(found.user_biases, ElementsAreArray(expected.user_biases));
  EXPECT_THAT(found.item_biases, ElementsAreArray(expected.item_biases));
  EXPECT_EQ(found.rating_mean, expected.rating_mean);
  if (expected.has_ratings()) {
    EXPECT_EQ(found.objective.bias_regularization, expected.objective.bias_regularization);
  }
}

class ModelTest : public testing::Test {
 protected:
  /// The version again, with some of its arrays and of its manifest changed or left out, as version 1 of model
  /// "changed".
  fs::path Rewrite(const SmallModel& model, const std::map<std::string, Values>& changes,
                   const std::function<void(nlohmann::json&)>& change_manifest = {},
                   const std::set<std::string>& without = {}) const {
    const fs::path path = store_.VersionPath("changed", 1);
    fs::remove_all(path);
    const int64_t version = PublishModel(store_, "original", model.view(), {});
    const auto artifact = Artifact::Open(store_.VersionPath("original", version), "model");
    nlohmann::json manifest = artifact->manifest();
    if (change_manifest) change_manifest(manifest);
    ArtifactWriter writer(path, "model");
    for (const auto& [file, entry] : artifact->manifest()["files"].items()) {
      const std::string name = file.substr(0, file.size() - 4);
      if (without.contains(name)) continue;
      const auto change = changes.find(name);
      if (change != changes.end()) {
        std::visit([&](const auto& values) { writer.AddArray(name, std::span(values)); }, change->second);
      } else if (name.ends_with("_factors")) {
        writer.AddMatrix(name, artifact->Matrix<float>(name));
      } else if (name.ends_with("_bytes") || name == "event_types") {
        writer.AddArray(name, artifact->Array<uint8_t>(name));
      } else if (name.ends_with("_offsets") || name.ends_with("_indptr") || name == "event_times") {
        writer.AddArray(name, artifact->Array<int64_t>(name));
      } else if (name.ends_with("_slots") || name.ends_with("_items")) {
        writer.AddArray(name, artifact->Array<int32_t>(name));
      } else {
        writer.AddArray(name, artifact->Array<float>(name));
      }
    }
    writer.Commit(manifest);
    return path;
  }

  TemporaryFolder folder_;
  ModelStore store_{folder_.path() / "store"};
};

TEST_F(ModelTest, AttributesComeBack) {
  const SmallModel model = SmallModel().KnowAttributes();
  PublishModel(store_, "m", model.view(), {});
  const auto opened = Model::Open(store_, "m");
  const ModelView expected = model.view(), &found = opened->view();
  ExpectEqualViews(found, expected);
  for (const auto& [a, b] : {std::pair(&found.item_attributes, &expected.item_attributes),
                             {&found.user_attributes, &expected.user_attributes}}) {
    EXPECT_THAT(a->features.indptr, ElementsAreArray(b->features.indptr));
    EXPECT_THAT(a->features.indices, ElementsAreArray(b->features.indices));
    EXPECT_THAT(a->features.values, ElementsAreArray(b->features.values));
    EXPECT_THAT(a->factors.all(), ElementsAreArray(b->factors.all()));
    ASSERT_EQ(a->names.size(), b->names.size());
    for (int64_t f = 0; f < b->names.size(); ++f) EXPECT_EQ(a->names[f], b->names[f]);
  }
  EXPECT_TRUE(found.knows_users_by_attributes());
  EXPECT_TRUE(found.Knows(0)) << "by its factors, without a history";
  ModelView only_items = model.view();
  only_items.user_attributes = {};
  PublishModel(store_, "m", only_items, {});
  EXPECT_FALSE(Model::Open(store_, "m")->view().Knows(0));
}

TEST_F(ModelTest, AttributesThatDoNotFitAreRefused) {
  const auto refused = [&](const std::string& part, const std::function<void(SmallModel&, ModelView&)>& change) {
    SmallModel model = SmallModel().KnowAttributes();
    ModelView view = model.view();
    change(model, view);
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { PublishModel(store_, "m", view, {}); });
  };
  refused("attributes of items do not go with algorithm 'als'", [](SmallModel& model, ModelView& view) {
    view.algorithm = "als";
    view.eigenvalues = model.eigenvalues;
  });
  refused("item_features (rows) has size 6; expected 7",
          [](auto&, ModelView& view) { view.item_attributes.features.n_rows = 6; });
  refused("item_features_indices holds 3 after -1 in row 4 of 3 columns",
          [](SmallModel& model, auto&) { model.item_features.indices[4] = 3; });
  refused("user_features_indptr falls", [](SmallModel& model, auto&) { model.user_features.indptr[2] = 0; });
  refused("user_feature_factors (rows) has size 3; expected 2",
          [](auto&, ModelView& view) { view.user_attributes.factors.n_rows = 3; });
  refused("item_feature_factors (columns) has size 2; expected 3",
          [](auto&, ModelView& view) { view.item_attributes.factors.n_cols = 2; });
  refused("item_feature_names has size 2; expected 3",
          [](SmallModel& model, ModelView& view) { view.item_attributes.names = model.user_feature_names.view(); });
  refused("item_feature_names_offsets do not lead", [](auto&, ModelView& view) {
    view.item_attributes.names.bytes = view.item_attributes.names.bytes.subspan(1);
  });
}

TEST_F(ModelTest, GivesBackWhatWasPublished) {
  int64_t published = 0;
  for (const int64_t n_users : {0, 1, 33}) {
    for (const int64_t n_items : {0, 1, 31}) {
      for (const int64_t n_factors : {0, 1, 32}) {
        const SmallModel model(n_users, n_items, n_factors);
        EXPECT_EQ(PublishModel(store_, "m", model.view(), {{"note", "n"}}), ++published);
        EXPECT_EQ(store_.Current("m"), published);
        const auto opened = Model::Open(store_, "m");
        ExpectEqualViews(opened->view(), model.view());
        EXPECT_EQ(opened->name(), "m");
        EXPECT_EQ(opened->version(), published);
        EXPECT_EQ(opened->manifest()["note"], "n");
        EXPECT_EQ(opened->manifest()["n_users"], n_users);
      }
    }
  }
  EXPECT_EQ(Model::Open(store_, "m", 2)->view().n_factors(), 1);
  ExpectError(ErrorCode::kNotFound, "no model at", [&] { Model::Open(store_, "m", 99); });
  ExpectError(ErrorCode::kNotFound, "it has m", [&] { Model::Open(store_, "other"); });
}

TEST_F(ModelTest, AnSvdHasSingularValuesAndNoObjective) {
  const SmallModel model;
  ModelView svd = model.view();
  svd.algorithm = "svd";
  std::swap(svd.singular_values, svd.eigenvalues);
  PublishModel(store_, "svd", svd, {});
  const auto opened = Model::Open(store_, "svd");
  ExpectEqualViews(opened->view(), svd);
  EXPECT_FALSE(opened->manifest().contains("objective"));
  EXPECT_FALSE(fs::exists(store_.VersionPath("svd", 1) / "eigenvalues.npy"));
  const auto refused = [&](const std::string& part, auto change) {
    ModelView changed = svd;
    change(changed);
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { PublishModel(store_, "svd", changed, {}); });
  };
  refused("singular_values has size 2; expected 3",
          [](ModelView& view) { view.singular_values = view.singular_values.first(2); });
  refused("eigenvalues has size 3; expected 0", [](ModelView& view) { view.eigenvalues = view.singular_values; });
  refused("singular_values has size 3; expected 0", [&](ModelView& view) {
    view.algorithm = "als";
    view.eigenvalues = view.singular_values;
  });
  const float values[] = {1, std::numeric_limits<float>::quiet_NaN(), 0};
  svd.singular_values = values;
  ExpectError(ErrorCode::kNumeric, "singular_values holds nan", [&] { PublishModel(store_, "svd", svd, {}); });
}

TEST_F(ModelTest, AFlippedByteInEveryFileIsFound) {
  PublishModel(store_, "m", SmallModel().view(), {});
  const fs::path path = store_.VersionPath("m", 1);
  size_t n_files = 0;
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string content = Content(entry.path());
    const size_t step = content.size() < 300 ? 1 : 17;
    for (size_t at = 0; at < content.size(); ++at) {
      if (at % step != 0 && at + 1 != content.size()) continue;
      std::string damaged = content;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
      std::ofstream(entry.path(), std::ios::binary) << damaged;
      EXPECT_THROW(Model::Open(store_, "m"), Error) << entry.path() << ", byte " << at;
    }
    std::ofstream(entry.path(), std::ios::binary) << content;
    ++n_files;
  }
  EXPECT_EQ(n_files, 21u);
  EXPECT_NO_THROW(Model::Open(store_, "m"));
}

TEST_F(ModelTest, PartsThatDoNotFitAreRefused) {
  const SmallModel model;
  const auto refused = [&](const std::string& part, const std::map<std::string, Values>& changes,
                           const std::function<void(nlohmann::json&)>& change_manifest = {}) {
    Rewrite(model, changes, change_manifest);
    ExpectError(ErrorCode::kCorrupt, part, [&] { Model::Open(store_, "changed", 1); });
  };
  Rewrite(model, {});
  ExpectEqualViews(Model::Open(store_, "changed", 1)->view(), model.view());

  const auto changed = [](auto values, size_t at, auto value) {
    values.at(at) = value;
    return values;
  };
  const auto& [n_rows, n_cols, indptr, indices, values] = model.history;
  const int64_t nnz = indptr.back();
  ASSERT_GT(nnz, 4);
  refused("starts at 1", {{"history_indptr", changed(indptr, 0, 1)}});
  refused("falls at row 1", {{"history_indptr", changed(indptr, 1, nnz + 1)}});
  refused("falls at row 0", {{"history_indptr", changed(indptr, 1, -1)}});
  refused("history_items has size", {{"history_indptr", changed(indptr, indptr.size() - 1, nnz + 1)}});
  refused("history_indptr has size 2; expected 6", {{"history_indptr", std::vector<int64_t>{0, nnz}}});
  refused("history_values has size 1", {{"history_values", std::vector<float>{1}}});
  refused("history_items holds 7", {{"history_items", changed(indices, indices.size() - 1, 7)}});
  refused("history_items holds -1", {{"history_items", changed(indices, 0, -1)}});
  const size_t second =
      static_cast<size_t>(*std::find_if(indptr.begin(), indptr.end(), [](int64_t at) { return at > 1; })) - 1;
  refused("after", {{"history_items", changed(indices, second, indices[second - 1])}});
  refused("item_popularity has size 1", {{"item_popularity", std::vector<float>{1}}});
  refused("eigenvalues has size 1", {{"eigenvalues", std::vector<float>{1}}});
  refused("expected '<f4' in 2", {{"item_factors", model.item_factors}});
  refused("expected '<f4' in 1", {{"item_popularity", std::vector<int32_t>(7)}});
  refused("slot names id", {{"item_ids_slots", std::vector<int32_t>(16, 100)}});

  const auto refused_manifest = [&](const std::string& part, const std::string& key, const nlohmann::json& value) {
    refused(part, {}, [&](nlohmann::json& manifest) { manifest[key] = value; });
  };
  refused_manifest("5 user ids for 6 users", "n_users", 6);
  refused_manifest("user ids for -1 users", "n_users", -1);
  refused_manifest("'n_users' is no size", "n_users", 5.5);
  refused_manifest("'n_users' is no size", "n_users", "5");
  refused_manifest("7 item ids for 9223372036854775807 items", "n_items", std::numeric_limits<int64_t>::max());
  refused_manifest("3 columns; the manifest says 4", "n_factors", 4);
  refused_manifest("algorithm 'x' is not one", "algorithm", "x");
  refused_manifest("does not describe a model", "algorithm", 3);
  refused_manifest("does not describe a model", "objective", {{"regularization", 1}});
  refused_manifest("weight of the objective is -1", "objective",
                   {{"regularization", -1}, {"unobserved_weight", 1}, {"regularization_exponent", 1}});
  refused_manifest("weight of the objective is inf", "objective",
                   {{"regularization", 1e300}, {"unobserved_weight", 1}, {"regularization_exponent", 1}});
}

TEST_F(ModelTest, ModelsOfRatingsAreReadBack) {
  const SmallModel model = std::move(SmallModel().Rate());
  PublishModel(store_, "rated", model.view(), {});
  const auto opened = Model::Open(store_, "rated");
  ExpectEqualViews(opened->view(), model.view());
  EXPECT_EQ(opened->view().objective.unobserved_weight, 0);
  EXPECT_EQ(opened->manifest()["rating_mean"], 3.25);
  // What programs that know no ratings look for, and so refuse these versions.
  EXPECT_FALSE(opened->manifest()["objective"].contains("unobserved_weight"));
}

TEST_F(ModelTest, BiasesThatDoNotFitAreRefused) {
  const SmallModel model = std::move(SmallModel().Rate());
  const auto refused = [&](ErrorCode code, const std::string& part, const std::map<std::string, Values>& changes,
                           const std::function<void(nlohmann::json&)>& change_manifest = {},
                           const std::set<std::string>& without = {}) {
    Rewrite(model, changes, change_manifest, without);
    ExpectError(code, part, [&] { Model::Open(store_, "changed", 1); });
  };
  constexpr auto kCorrupt = ErrorCode::kCorrupt;
  refused(kCorrupt, "user_biases has size 7; expected 5", {{"user_biases", model.item_biases}});
  refused(kCorrupt, "item_biases has size 5; expected 7", {{"item_biases", model.user_biases}});
  refused(kCorrupt, "item_biases", {}, {}, {"item_biases"});
  refused(kCorrupt, "expected '<f4' in 1", {{"user_biases", std::vector<int32_t>(5)}});
  refused(kCorrupt, "does not describe a model", {}, [](nlohmann::json& manifest) { manifest.erase("rating_mean"); });
  refused(kCorrupt, "the mean of the ratings is inf", {},
          [](nlohmann::json& manifest) { manifest["rating_mean"] = 1e300; });
  refused(kCorrupt, "weight of the objective is -1", {},
          [](nlohmann::json& manifest) { manifest["objective"]["bias_regularization"] = -1; });
  refused(kCorrupt, "does not describe a model", {},
          [](nlohmann::json& manifest) { manifest["objective"]["feedback"] = 3; });
  refused(ErrorCode::kUnsupported, "the feedback is 'mixed'", {},
          [](nlohmann::json& manifest) { manifest["objective"]["feedback"] = "mixed"; });

  ModelView view = model.view();
  view.objective.unobserved_weight = 0.1f;
  ExpectError(ErrorCode::kInvalidArgument, "do not go with an unobserved weight",
              [&] { PublishModel(store_, "m", view, {}); });
  const SmallModel implicit;
  view = implicit.view();
  view.user_biases = model.user_biases;
  ExpectError(ErrorCode::kInvalidArgument, "user_biases has size 5; expected 0",
              [&] { PublishModel(store_, "m", view, {}); });
  SmallModel infinite = model;
  infinite.item_biases[2] = std::numeric_limits<float>::infinity();
  ExpectError(ErrorCode::kNumeric, "item_biases holds inf in row 2",
              [&] { PublishModel(store_, "m", infinite.view(), {}); });
}

TEST_F(ModelTest, ACalibrationIsAFunctionThatNeverFallsOrIsNotThere) {
  const SmallModel model;
  const auto refused = [&](const std::string& part, std::vector<float> scores, std::vector<float> probabilities) {
    SCOPED_TRACE(part);
    Rewrite(model, {{"calibration_scores", scores}, {"calibration_probabilities", probabilities}});
    ExpectError(ErrorCode::kCorrupt, part, [&] { Model::Open(store_, "changed", 1); });
  };
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  refused("calibration_probabilities has size 1; expected 2", {0, 1}, {0});
  refused("calibration_scores do not increase at 1", {0, 0}, {0, 0});
  refused("calibration_scores do not increase at 0", {nan, 0}, {0, 0});
  refused("calibration_scores do not increase at 1", {0, inf}, {0, 0});
  refused("calibration_probabilities holds 0.25 at 1", {0, 1}, {0.5f, 0.25f});
  refused("calibration_probabilities holds -1 at 0", {0, 1}, {-1, 0});
  refused("calibration_probabilities holds 1.5 at 1", {0, 1}, {0, 1.5f});
  refused("calibration_probabilities holds nan at 0", {0, 1}, {nan, 1});
  Rewrite(model, {}, {}, {"calibration_probabilities"});
  ExpectError(ErrorCode::kCorrupt, "no calibration_probabilities.npy", [&] { Model::Open(store_, "changed", 1); });

  // As versions were before they had one, and those without a holdout are.
  Rewrite(model, {}, {}, {"calibration_scores", "calibration_probabilities"});
  EXPECT_TRUE(Model::Open(store_, "changed", 1)->view().calibration.empty());
  ModelView without = model.view();
  without.calibration = {};
  PublishModel(store_, "m", without, {});
  EXPECT_FALSE(fs::exists(store_.VersionPath("m", 1) / "calibration_scores.npy"));
}

TEST_F(ModelTest, TheNoiseIsAVarianceOrIsNotThere) {
  const SmallModel model;
  ModelView view = model.view();
  PublishModel(store_, "m", view, {});
  EXPECT_FALSE(Model::Open(store_, "m")->view().noise_variance);
  EXPECT_FALSE(Model::Open(store_, "m")->manifest().contains("noise_variance"));
  view.noise_variance = 0.375;
  PublishModel(store_, "m", view, {});
  EXPECT_EQ(Model::Open(store_, "m")->view().noise_variance, 0.375);
  view.noise_variance = -0.5;
  ExpectError(ErrorCode::kInvalidArgument, "the noise variance is -0.5", [&] { PublishModel(store_, "m", view, {}); });
  const auto refused = [&](const std::string& part, const nlohmann::json& noise) {
    Rewrite(model, {}, [&](nlohmann::json& manifest) { manifest["noise_variance"] = noise; });
    ExpectError(ErrorCode::kCorrupt, part, [&] { Model::Open(store_, "changed", 1); });
  };
  refused("the noise variance is -1", -1);
  refused("does not describe a model", "much");
  refused("does not describe a model", nullptr);
}

TEST_F(ModelTest, EventsThatDoNotFitAreRefused) {
  const SmallModel model;
  const auto refused = [&](const std::string& part, const std::map<std::string, Values>& changes,
                           const std::function<void(nlohmann::json&)>& change_manifest = {},
                           const std::set<std::string>& without = {}) {
    Rewrite(model, changes, change_manifest, without);
    ExpectError(ErrorCode::kCorrupt, part, [&] { Model::Open(store_, "changed", 1); });
  };
  const auto changed = [](auto values, size_t at, auto value) {
    values.at(at) = value;
    return values;
  };
  const auto& [indptr, items, times, types, names] = model.events;
  const int64_t n_events = indptr.back();
  ASSERT_GT(n_events, 4);
  refused("event_indptr starts at 1", {{"event_indptr", changed(indptr, 0, 1)}});
  refused("event_indptr falls at row 1", {{"event_indptr", changed(indptr, 1, n_events + 1)}});
  refused("event_indptr has size 2; expected 6", {{"event_indptr", std::vector<int64_t>{0, n_events}}});
  refused("event_items has size", {{"event_indptr", changed(indptr, 5, n_events + 1)}});
  refused("event_items holds 7 of 7 items", {{"event_items", changed(items, 2, 7)}});
  refused("event_items holds -1", {{"event_items", changed(items, 2, -1)}});
  refused("event_times has size 1", {{"event_times", std::vector<int64_t>{1}}});
  refused("event_types has size 2", {{"event_types", std::vector<uint8_t>{1, 1}}});
  refused("event_types holds 3 of 3 types", {{"event_types", changed(types, 1, uint8_t{3})}});
  refused("expected '<i8' in 1", {{"event_times", items}});
  refused("event_items and no event_indptr", {}, {}, {"event_indptr"});
  refused("event_items has size 0", {}, {}, {"event_items"});
  for (const nlohmann::json& value :
       {nlohmann::json("view"), nlohmann::json({"view", 1, "buy"}), nlohmann::json(3), nlohmann::json({{"view", "x"}})})
    refused("'event_types' are no names", {}, [&](nlohmann::json& manifest) { manifest["event_types"] = value; });
  refused("of 0 types", {}, [](nlohmann::json& manifest) { manifest.erase("event_types"); });
  refused("of 1 types", {}, [](nlohmann::json& manifest) { manifest["event_types"] = {"view"}; });
}

TEST_F(ModelTest, EventsMayHaveNoTimesOrTypesOrNotBeThere) {
  const SmallModel model;
  ModelView bare = model.view();
  bare.events.times = {};
  bare.events.types = {};
  bare.events.type_names = {};
  PublishModel(store_, "m", bare, {});
  ExpectEqualViews(Model::Open(store_, "m")->view(), bare);
  EXPECT_EQ(Model::Open(store_, "m")->manifest()["n_events"], model.events.view().size());

  // As versions were before they had events.
  Rewrite(model, {}, {}, {"event_indptr", "event_items", "event_times", "event_types"});
  ModelView without = model.view();
  without.events = {};
  ExpectEqualViews(Model::Open(store_, "changed", 1)->view(), without);
  PublishModel(store_, "m", without, {});
  ExpectEqualViews(Model::Open(store_, "m")->view(), without);
  EXPECT_FALSE(fs::exists(store_.VersionPath("m", 2) / "event_indptr.npy"));
}

TEST_F(ModelTest, WhatIsNotFiniteIsNotPublished) {
  const float bad[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()};
  for (const float value : bad) {
    const auto refused = [&](const std::string& part, std::vector<float> SmallModel::*array, size_t at) {
      SmallModel model;
      (model.*array)[at] = value;
      ExpectError(ErrorCode::kNumeric, part, [&] { PublishModel(store_, "m", model.view(), {}); });
    };
    refused("user_factors holds ", &SmallModel::user_factors, 0);
    refused("in row 4:", &SmallModel::user_factors, 14);
    refused("item_factors holds ", &SmallModel::item_factors, 20);
    refused("in row 6:", &SmallModel::item_factors, 20);
    refused("eigenvalues holds ", &SmallModel::eigenvalues, 1);
    refused("item_popularity holds ", &SmallModel::popularity, 1);
  }
  SmallModel model;
  model.popularity.pop_back();
  ExpectError(ErrorCode::kInvalidArgument, "item_popularity has size 6; expected 7",
              [&] { PublishModel(store_, "m", model.view(), {}); });
  EXPECT_FALSE(fs::exists(store_.ModelPath("m")));
}

TEST(AlsObjective, RowRegularizationGrowsWithTheRow) {
  AlsObjective objective{0.5f, 0.25f, 1.0f};
  EXPECT_EQ(objective.RowRegularization(3, 10), 0.25f * 8);
  EXPECT_EQ(objective.RowRegularization(0, 0), 0.0f);
  objective.regularization_exponent = 0;
  EXPECT_EQ(objective.RowRegularization(3, 10), 0.25f);
  EXPECT_EQ(objective.RowRegularization(0, 0), 0.25f);
  objective.regularization_exponent = 0.5f;
  EXPECT_FLOAT_EQ(objective.RowRegularization(4, 10), 0.25f * 3);
}

}  // namespace
}  // namespace kindred
