#include "serving/segment_watcher.h"

#include <gmock/gmock.h>

#include "tests/serving/load_events.h"
#include "tests/serving/tiny_model.h"
#include "tests/serving/tiny_segments.h"
#include "tests/support/backends.h"
#include "tests/support/editable_artifact.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::HasSubstr;

class SegmentWatcherTest : public testing::Test {
 protected:
  int64_t Publish(uint64_t seed) {
    return TinySegments({.n_users = 12, .seed = seed, .has_behaviour = false}).Publish(store_, "segments");
  }
  std::unique_ptr<SegmentWatcher> Watch() {
    return std::make_unique<SegmentWatcher>(
        store_, WatcherOptions{"segments", kCurrentVersion, std::chrono::milliseconds(2)}, events_.listener());
  }

  TemporaryFolder folder_;
  ModelStore store_{folder_.path() / "store"};
  LoadEvents events_;
};

TEST_F(SegmentWatcherTest, LoadsCurrentAndFollowsIt) {
  Publish(1);
  const auto watcher = Watch();
  EXPECT_EQ(events_.Next().version, 1);
  const auto first = watcher->Current();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->model->version(), 1);
  EXPECT_EQ(first->catalogue.created_at(), "2026-01-02T03:04:05Z");
  Publish(2);
  const LoadEvent event = events_.Next();
  EXPECT_EQ(event.version, 2);
  EXPECT_EQ(event.reason, "");
  EXPECT_EQ(watcher->Current()->model->version(), 2);
  EXPECT_EQ(first->model->Of(1).segment, 1) << "a call that holds the old one can go on";
  EXPECT_EQ(watcher->failures().count, 0);
}

TEST_F(SegmentWatcherTest, WhatDoesNotDoIsReportedAndTheOldOneKept) {
  Publish(1);
  const auto watcher = Watch();
  events_.Next();
  // A model to recommend with, under the name of segments.
  const auto backend = NewTestBackend("cpu_baseline", 1);
  TinyModel(*backend).Publish(store_, "segments");
  EXPECT_THAT(events_.Next().reason, HasSubstr("is no version of segments"));
  EXPECT_EQ(watcher->Current()->model->version(), 1);
  EXPECT_EQ(watcher->failures().count, 1);
  EXPECT_EQ(watcher->failures().last_version, 2);
}

TEST_F(SegmentWatcherTest, AManifestThatIsNoReportIsCorrupt) {
  const int64_t version = Publish(1);
  const EditableArtifact artifact(store_.VersionPath("segments", version));
  const auto expect = [&](const std::string& message, const auto& edit) {
    nlohmann::json manifest = artifact.manifest();
    edit(manifest["segments"][1]);
    artifact.ReplaceManifest(manifest.dump());
    ExpectError(ErrorCode::kCorrupt, message, [&] { LoadServedSegments(store_, "segments", version); });
  };
  for (const char* key : {"in_words", "named_by", "profile", "examples", "mean_silhouette"})
    expect(key, [&](nlohmann::json& segment) { segment.erase(key); });
  expect("number", [](nlohmann::json& segment) { segment["mean_silhouette"] = "much"; });
  expect("has other features", [](nlohmann::json& segment) { segment["profile"].erase(0); });
  expect("recency", [](nlohmann::json& segment) { segment["examples"][0]["values"].erase("recency"); });
  artifact.ReplaceManifest(artifact.manifest().dump());
  EXPECT_EQ(LoadServedSegments(store_, "segments", version)->catalogue.entries().size(), 2u);
}

}  // namespace
}  // namespace kindred
