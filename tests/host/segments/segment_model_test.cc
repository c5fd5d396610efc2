// Versions of segments: published and opened, users in them and users placed in them, and what damage does.
#include "host/segments/segment_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "host/models/model.h"
#include "tests/support/editable_artifact.h"
#include "tests/support/errors.h"
#include "tests/support/small_model.h"
#include "tests/support/small_segments.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class SegmentModelTest : public testing::Test {
 protected:
  std::shared_ptr<const SegmentModel> Make(const Shoppers& shoppers = {}, const std::string& toml = kShoppersToml) {
    small_.emplace(folder_.path() / ("dataset" + std::to_string(n_made_++)), shoppers, toml);
    return SegmentModel::Open(store_, "s", small_->Publish(store_, "s"));
  }
  const SmallSegments& small() const { return *small_; }

  /// Without a table of their names, what differs.
  static void ExpectSame(const UserSegments& a, const UserSegments& b) {
    EXPECT_EQ(a.segment, b.segment);
    EXPECT_EQ(a.next, b.next);
    EXPECT_EQ(a.distance, b.distance);
    EXPECT_EQ(a.next_distance, b.next_distance);
    ASSERT_EQ(a.traits.size(), b.traits.size());
    for (size_t i = 0; i < a.traits.size(); ++i) {
      EXPECT_EQ(a.traits[i].feature, b.traits[i].feature);
      EXPECT_EQ(a.traits[i].deviations, b.traits[i].deviations);
    }
    ASSERT_EQ(a.rules.size(), b.rules.size());
    for (size_t i = 0; i < a.rules.size(); ++i) {
      EXPECT_EQ(a.rules[i].rule, b.rules[i].rule);
      EXPECT_EQ(a.rules[i].reasons, b.rules[i].reasons);
    }
    EXPECT_EQ(a.stage, b.stage);
    EXPECT_EQ(a.stage_reasons, b.stage_reasons);
    EXPECT_EQ(a.likelihood, b.likelihood);
    EXPECT_EQ(a.is_likely, b.is_likely);
  }

  /// What the version was published with.
  void ExpectAsPublished(const SegmentModel& model) {
    for (int64_t u = 0; u < model.users().size(); ++u) {
      SCOPED_TRACE(model.users().Id(u));
      const auto at = static_cast<size_t>(u);
      const UserSegments of = model.Of(u);
      EXPECT_EQ(of.segment, small().labels[at]);
      for (size_t f = 0; f < of.values.size(); ++f) {
        const double expected = small().values().row(u)[f];
        EXPECT_TRUE(of.values[f] == expected || (std::isnan(of.values[f]) && std::isnan(expected)));
      }
      std::vector<int64_t> expected_rules, found_rules;
      for (int64_t rule = 0; rule < model.rules().n_rules(); ++rule) {
        if (small().members.rules[static_cast<size_t>(rule)].Has(u)) expected_rules.push_back(rule);
        EXPECT_EQ(model.RuleHolds(rule, u), small().members.rules[static_cast<size_t>(rule)].Has(u));
      }
      for (const UserSegments::Rule& rule : of.rules) {
        found_rules.push_back(rule.rule);
        EXPECT_FALSE(rule.reasons.empty());
      }
      EXPECT_EQ(found_rules, expected_rules);
      EXPECT_EQ(of.stage, model.rules().n_stages() == 0 ? -1 : small().members.stages[at]);
      EXPECT_EQ(of.stage_reasons.empty(), of.stage < 0);
      if (!model.likelihood_model()) {
        EXPECT_FALSE(of.likelihood.has_value());
        EXPECT_FALSE(of.is_likely);
        continue;
      }
      EXPECT_EQ(of.likelihood.has_value(), !std::isnan(small().probabilities[at]));
      if (of.likelihood) {
        EXPECT_EQ(*of.likelihood, small().probabilities[at]);
      }
      EXPECT_EQ(of.is_likely, small().likely.Has(u));
    }
  }

  TemporaryFolder folder_;
  ModelStore store_{folder_.path() / "store"};
  std::optional<SmallSegments> small_;
  int n_made_ = 0;
};

TEST_F(SegmentModelTest, IsWhatWasPublished) {
  const auto model = Make();
  EXPECT_EQ(model->name(), "s");
  EXPECT_EQ(model->version(), 1);
  EXPECT_EQ(store_.Current("s"), 1);
  EXPECT_EQ(model->users().size(), 62);
  EXPECT_EQ(model->items().size(), Shoppers::kItems);
  EXPECT_EQ(model->n_segments(), 3);
  EXPECT_EQ(model->reference(), small().program->reference());
  EXPECT_EQ(model->feature_names(), small().table.names);
  EXPECT_TRUE(std::ranges::equal(model->labels(), small().labels));
  EXPECT_TRUE(std::ranges::equal(model->centroids().all(), small().clusters.centroids));
  EXPECT_EQ(model->events().size(), small().dataset->events().size());
  EXPECT_EQ(model->thresholds().size(), 2u);
  EXPECT_EQ(model->Find("2"), 1);
  EXPECT_EQ(model->Find("segment 3"), 2);
  EXPECT_EQ(model->Find("4"), -1);
  ExpectAsPublished(*model);
  // The habits, which rules and stages see as well.
  EXPECT_EQ(model->Of(0).segment, model->Of(3).segment);
  EXPECT_NE(model->Of(0).segment, model->Of(1).segment);
  EXPECT_NE(model->Of(1).segment, model->Of(2).segment);
  EXPECT_GT(model->MembersOfRule(0).size(), 0u);
  EXPECT_GT(model->LikelyMembers().size(), 0u);
  int64_t n = 0;
  for (int64_t s = 0; s < 3; ++s) n += std::ssize(model->MembersOfSegment(s));
  EXPECT_EQ(n, 60);
  EXPECT_EQ(std::ssize(model->MembersOfStage(2)), std::ranges::count(small().members.stages, 2));
  EXPECT_EQ(std::ssize(model->LikelyMembers()), small().likely.n_members);
}

TEST_F(SegmentModelTest, UsersWithoutEventsAreInNone) {
  const auto model = Make();
  for (int64_t u = 60; u < 62; ++u) {
    const UserSegments of = model->Of(u);
    EXPECT_EQ(of.segment, -1);
    EXPECT_EQ(of.next, -1);
    EXPECT_EQ(of.distance, 0);
    EXPECT_FALSE(of.likelihood.has_value());
    EXPECT_EQ(of.stage, -1);
    ExpectSame(model->Assign(EventsOf(model->events(), u), u, model->reference()), of);
  }
}

TEST_F(SegmentModelTest, StoredEventsArePlacedWhereTheUserIs) {
  const auto model = Make();
  for (int64_t u = 0; u < model->users().size(); ++u) {
    SCOPED_TRACE(model->users().Id(u));
    ExpectSame(model->Assign(EventsOf(model->events(), u), u, model->reference()), model->Of(u));
  }
}

// Whoever's clock is ahead of the reference has no events yet, neither in the version nor when placed.
TEST_F(SegmentModelTest, EventsBehindTheReferenceCountForNothing) {
  std::string toml = kShoppersToml;
  toml.insert(toml.find("[events]"), "reference = " + std::to_string(Shoppers::kFirst + 30 * Shoppers::kDay) + "\n");
  Shoppers late;
  late.n_users = 30;
  const auto model = Make(late, toml);
  ExpectAsPublished(*model);
  const int32_t items[] = {1};
  const float values[] = {5};
  const int64_t times[] = {model->reference() + 1};
  const uint8_t types[] = {2};
  const UserSegments placed = model->Assign({items, values, times, types}, -1, model->reference());
  EXPECT_EQ(placed.segment, -1);
  EXPECT_FALSE(placed.likelihood.has_value());
  EXPECT_EQ(placed.stage, -1);
  const UserSegments then = model->Assign({items, values, times, types}, -1, model->reference() + 1);
  EXPECT_GE(then.segment, 0);
  EXPECT_TRUE(then.likelihood.has_value());
}

TEST_F(SegmentModelTest, UnknownUsers) {
  const auto model = Make();
  const UserSegments nothing = model->Assign({}, -1, model->reference());
  EXPECT_EQ(nothing.segment, -1);
  EXPECT_FALSE(nothing.likelihood.has_value());
  EXPECT_TRUE(nothing.rules.empty());
  // With the events of one who is known: the same segment, but nothing of what is known of that user.
  const UserSegments placed = model->Assign(EventsOf(model->events(), 0), -1, model->reference());
  EXPECT_EQ(placed.segment, model->Of(0).segment);
  EXPECT_EQ(placed.stage, model->Of(0).stage);
  for (const UserSegments::Rule& rule : placed.rules) EXPECT_NE(model->rules().Name(rule.rule), "Germans");
  const int32_t no_item[] = {99}, item[] = {0};
  const int64_t time[] = {model->reference()};
  const float value[] = {1};
  const uint8_t no_type[] = {9}, type[] = {0};
  EXPECT_GE(model->Assign({no_item, value, time, type}, -1, model->reference()).segment, 0) << "an item that is new";
  ExpectError(ErrorCode::kInvalidArgument, "type", [&] {
    model->Assign({item, value, time, no_type}, -1, model->reference());
  });
  ExpectError(ErrorCode::kInvalidArgument, "times", [&] {
    model->Assign({item, value, {}, type}, -1, model->reference());
  });
}

TEST_F(SegmentModelTest, Features) {
  const auto model = Make();
  for (int64_t u = 0; u < 60; ++u) {
    const UserSegments of = model->Of(u), placed = model->AssignFeatures(model->values().row(u));
    EXPECT_EQ(placed.segment, of.segment);
    EXPECT_EQ(placed.distance, of.distance);
    EXPECT_EQ(placed.next_distance, of.next_distance);
    EXPECT_EQ(placed.likelihood, of.likelihood);
    EXPECT_TRUE(placed.rules.empty());
    EXPECT_EQ(placed.stage, -1);
  }
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> missing(5, nan), huge = {1e300, -1e300, 1e300, 1e300, 0};
  EXPECT_GE(model->AssignFeatures(missing).segment, 0) << "what is missing is imputed";
  EXPECT_GE(model->AssignFeatures(huge).segment, 0);
  ExpectError(ErrorCode::kInvalidArgument, "found 4 values; expected 5",
              [&] { model->AssignFeatures(std::vector<double>(4)); });
  ExpectError(ErrorCode::kInvalidArgument, "'frequency' is inf; expected a finite number", [&] {
    model->AssignFeatures(std::vector<double>{0, infinity, 0, 0, 0});
  });
}

// Of a tree a user may be in a segment that is not the nearest.
TEST_F(SegmentModelTest, TreesKeepTheirUsers) {
  std::string toml = kShoppersToml;
  toml.replace(toml.find("k = 3"), 5, "k = 4\nalgorithm = \"single\"");
  const auto model = Make({.n_users = 90}, toml);
  ExpectAsPublished(*model);
  for (int64_t u = 0; u < 90; ++u) {
    const UserSegments of = model->Of(u);
    if (of.next >= 0) {
      EXPECT_NE(of.next, of.segment);
    }
  }
}

TEST_F(SegmentModelTest, WithoutRulesStagesLikelihoodTimesTypesOrAttributes) {
  const auto model = Make({.times = false, .types = false, .values = false, .attributes = false},
                          "schema_version = 1\n[[features]]\nname = \"n\"\nkind = \"count\"\n[clusters]\nk = 2\n");
  EXPECT_EQ(model->n_segments(), 2);
  EXPECT_TRUE(model->stages().empty());
  ExpectAsPublished(*model);
  for (int64_t u = 0; u < model->users().size(); ++u)
    ExpectSame(model->Assign(EventsOf(model->events(), u), u, model->reference()), model->Of(u));
  EXPECT_TRUE(model->LikelyMembers().empty());
}

TEST_F(SegmentModelTest, VersionsOfOtherKinds) {
  {
    const ModelLock lock = store_.Lock("m");
    PublishModel(store_, "m", SmallModel().view(), {});
  }
  ExpectError(ErrorCode::kUnsupported, "is no version of segments; expected one that `kindred segment` has made",
              [&] { SegmentModel::Open(store_, "m"); });
  Make();
  ExpectError(ErrorCode::kUnsupported, "is a version of segments, which `kindred segment` makes",
              [&] { Model::Open(store_, "s", 0); });
  ExpectError(ErrorCode::kNotFound, "s", [&] { SegmentModel::Open(store_, "s", 7); });
  ExpectError(ErrorCode::kNotFound, "none", [&] { SegmentModel::Open(store_, "none"); });
}

/// What a reader may do with a version that opens, all of it.
void Use(const SegmentModel& model) {
  for (int64_t u = 0; u < model.users().size(); ++u) {
    model.Of(u);
    try {
      model.Assign(EventsOf(model.events(), u), u, model.reference());
    } catch (const Error&) {  // of events that no features can be computed of
    }
    model.AssignFeatures(std::vector<double>(model.feature_names().size()));
  }
  for (int64_t s = 0; s < model.n_segments(); ++s) model.MembersOfSegment(model.Find(model.id(s)));
  for (int64_t r = 0; r < model.rules().n_rules(); ++r) model.MembersOfRule(r);
  for (int64_t s = 0; s < model.rules().n_stages(); ++s) model.MembersOfStage(s);
  model.LikelyMembers();
}

TEST_F(SegmentModelTest, EveryMemberOfTheManifestIsNeededOrNot) {
  Make();
  const EditableArtifact artifact(store_.VersionPath("s", 1));
  const auto opens = [&](const json& manifest) {
    artifact.ReplaceManifest(manifest.dump());
    try {
      Use(*SegmentModel::Open(store_, "s", 1));
      return true;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(store_.VersionPath("s", 1).string()));
      return false;
    }
  };
  ASSERT_TRUE(opens(artifact.manifest()));
  const json strange[] = {nullptr, true, -1, 7, 1e300, "x", json::array(), {1, "a"}, json::object(), {{"a", nullptr}}};
  for (const char* key :
       {"event_types", "feature_program", "normalization", "reference_time", "thresholds", "likelihood", "rules",
        "stages", "segments", "next_id", "stability_bins", "algorithm", "schema_version"}) {
    SCOPED_TRACE(key);
    json manifest = artifact.manifest();
    manifest.erase(key);
    EXPECT_FALSE(opens(manifest));
    for (const json& value : strange) {
      manifest[key] = value;
      opens(manifest);
    }
  }
  // And within: each value of each, replaced by each.
  const json flat = artifact.manifest().flatten();
  std::mt19937 random(3);
  for (const auto& [path, value] : flat.items()) {
    if (path.starts_with("/files") || random() % 4 != 0) continue;
    SCOPED_TRACE(path);
    json manifest = artifact.manifest();
    manifest[json::json_pointer(path)] = strange[random() % std::size(strange)];
    opens(manifest);
  }
}

TEST_F(SegmentModelTest, DamagedArraysAreErrors) {
  Make();
  const EditableArtifact artifact(store_.VersionPath("s", 1));
  std::mt19937 random(5);
  int n_refused = 0, n_tried = 0;
  for (const auto& [name, content] : artifact.files())
    for (int turn = 0; turn < 12; ++turn) {
      SCOPED_TRACE(name);
      std::string changed = content;
      if (turn == 0)
        changed.resize(content.size() / 2);
      else
        for (int edit = 0; edit < 3; ++edit)
          changed[random() % changed.size()] = static_cast<char>(random() % 2 == 0 ? 0xff : random());
      artifact.Replace(name, changed);
      ++n_tried;
      try {
        Use(*SegmentModel::Open(store_, "s", 1));
      } catch (const Error& error) {
        ++n_refused;
        EXPECT_THAT(error.what(), Not(HasSubstr("json.exception"))) << error.what();
      }
      artifact.Replace(name, content);
    }
  EXPECT_GT(n_refused, n_tried / 4);
  Use(*SegmentModel::Open(store_, "s", 1));
}

// Arrays that are well-formed and of the wrong size or content: each refused by what it does not fit.
TEST_F(SegmentModelTest, ArraysThatDoNotFitEachOther) {
  Make();
  const auto replaced = [&](const char* name, const char* by) {
    const EditableArtifact artifact(store_.VersionPath("s", 1));
    artifact.Replace(name, Content(artifact.path() / by));
    std::string message;
    try {
      SegmentModel::Open(store_, "s", 1);
    } catch (const Error& error) {
      message = error.what();
    }
    for (const auto& [file, content] : artifact.files())
      if (file == name) artifact.Replace(name, content);
    artifact.ReplaceManifest(artifact.manifest().dump());
    return message;
  };
  EXPECT_THAT(replaced("segment_labels.npy", "event_items.npy"), HasSubstr("segment_labels does not fit"));
  EXPECT_THAT(replaced("segment_labels.npy", "user_stages.npy"), testing::AnyOf("", HasSubstr("segment_labels")));
  EXPECT_THAT(replaced("event_items.npy", "segment_labels.npy"), HasSubstr("event"));
  EXPECT_THAT(replaced("event_indptr.npy", "event_times.npy"), HasSubstr("event_indptr does not fit"));
  EXPECT_THAT(replaced("user_stages.npy", "event_items.npy"), HasSubstr("user_stages does not fit"));
  EXPECT_THAT(replaced("likely_users.npy", "event_times.npy"), HasSubstr("user_likelihood does not fit"));
  EXPECT_THAT(replaced("rule_members.npy", "likely_users.npy"), HasSubstr("rule_members"));
  SegmentModel::Open(store_, "s", 1);
}

// A version that cannot be made CURRENT is not there.
TEST_F(SegmentModelTest, WhatCannotBePublishedLeavesNothing) {
  Make();
  fs::create_directory(store_.ModelPath("s") / "CURRENT.tmp");
  EXPECT_THROW(small().Publish(store_, "s"), Error);
  fs::remove(store_.ModelPath("s") / "CURRENT.tmp");
  EXPECT_EQ(store_.Versions("s"), std::vector<int64_t>{1});
  EXPECT_EQ(SegmentModel::Open(store_, "s")->version(), 1);
  EXPECT_EQ(small().Publish(store_, "s"), 2);
}

}  // namespace
}  // namespace kindred
