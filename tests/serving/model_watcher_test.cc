#include "serving/model_watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <map>

#include "serving/executor.h"
#include "serving/recommender.h"
#include "tests/serving/load_events.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/backends.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::HasSubstr;

constexpr std::chrono::seconds kPatience{60};

class ModelWatcherTest : public testing::Test {
 protected:
  ModelWatcherTest() : backend_(NewTestBackend("strict", 2)), store_(folder_.path() / "store") {}

  int64_t Publish(uint64_t seed, const std::string& algorithm = "als") {
    return TinyModel(*backend_, {.algorithm = algorithm, .seed = seed}).Publish(store_, "tiny");
  }

  /// Puts the next version into the store with one byte of it changed, and makes CURRENT name it.
  int64_t PublishCorrupt(uint64_t seed) {
    const ModelStore other(folder_.path() / "other");
    const int64_t made = TinyModel(*backend_, {.seed = seed}).Publish(other, "tiny");
    std::fstream file(other.VersionPath("tiny", made) / "item_factors.npy",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(200);
    file.put('\x55');
    file.close();
    const int64_t version = store_.NextVersion("tiny");
    std::filesystem::rename(other.VersionPath("tiny", made), store_.VersionPath("tiny", version));
    store_.SetCurrent("tiny", version);
    return version;
  }

  std::unique_ptr<ModelWatcher> Watch(LoadEvents& events, const std::string& version = kCurrentVersion) {
    return std::make_unique<ModelWatcher>(
        failover_, store_, WatcherOptions{"tiny", version, std::chrono::milliseconds(2)}, events.listener());
  }

  TemporaryFolder folder_;
  std::unique_ptr<Backend> backend_;
  Failover failover_{Chosen(NewTestBackend("strict", 2)), 1};
  ModelStore store_;
};

TEST_F(ModelWatcherTest, LoadsCurrentAndFollowsIt) {
  Publish(1);
  LoadEvents events;
  const auto watcher = Watch(events);
  EXPECT_EQ(events.Next().version, 1);
  const auto first = watcher->Current();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->version, 1);
  EXPECT_EQ(first->name, "tiny");
  EXPECT_EQ(first->created_at, "2026-01-02T03:04:05Z");
  EXPECT_EQ(first->digest.size(), 64u);
  EXPECT_GT(first->bytes, 0);

  Publish(2, "popularity");
  const LoadEvent event = events.Next();
  EXPECT_EQ(event.version, 2);
  EXPECT_EQ(event.reason, "");
  EXPECT_EQ(watcher->Current()->version, 2);
  EXPECT_EQ(first->ranker->model().n_factors(), 6);  // a call that holds the old one can go on

  store_.SetCurrent("tiny", 1);
  EXPECT_EQ(events.Next().version, 1);
  EXPECT_EQ(watcher->Current()->version, 1);
  EXPECT_EQ(watcher->failures().count, 0);
}

TEST_F(ModelWatcherTest, FreesTheOldVersionOnceNoCallHoldsIt) {
  Publish(1);
  LoadEvents events;
  const auto watcher = Watch(events);
  events.Next();
  auto held = watcher->Current();
  const std::weak_ptr<const ServedModel> old = held;
  Publish(2);
  events.Next();
  EXPECT_FALSE(old.expired());
  held.reset();
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!old.expired() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(old.expired());
}

TEST_F(ModelWatcherTest, ACorruptVersionIsReportedOnceAndTheOldOneKept) {
  Publish(1);
  LoadEvents events;
  const auto watcher = Watch(events);
  events.Next();
  PublishCorrupt(2);
  const LoadEvent failure = events.Next();
  EXPECT_EQ(failure.version, 2);
  EXPECT_THAT(failure.reason, HasSubstr("item_factors.npy"));
  EXPECT_EQ(watcher->Current()->version, 1);
  EXPECT_EQ(watcher->failures().count, 1);
  EXPECT_EQ(watcher->failures().last_version, 2);
  EXPECT_EQ(watcher->failures().last_reason, failure.reason);

  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // many polls: it is not tried again
  EXPECT_EQ(events.count(), 2u);
  Publish(3);
  EXPECT_EQ(events.Next().version, 3);
  EXPECT_EQ(watcher->Current()->version, 3);
  EXPECT_EQ(watcher->failures().count, 1);
}

TEST_F(ModelWatcherTest, ACorruptVersionIsTriedAgainAfterCurrentChanged) {
  Publish(1);
  LoadEvents events;
  const auto watcher = Watch(events);
  events.Next();
  PublishCorrupt(2);
  events.Next();
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (watcher->failures().count < 2 && std::chrono::steady_clock::now() < until) {
    store_.SetCurrent("tiny", 1);  // what is served already; until the watcher has seen it
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    store_.SetCurrent("tiny", 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_GE(watcher->failures().count, 2);
  EXPECT_EQ(watcher->Current()->version, 1);
}

TEST_F(ModelWatcherTest, WaitsForAFirstModel) {
  LoadEvents events;
  const auto watcher = Watch(events);
  const LoadEvent missing = events.Next();
  EXPECT_EQ(missing.version, 0);
  EXPECT_NE(missing.reason, "");
  EXPECT_EQ(watcher->Current(), nullptr);
  Publish(1);
  LoadEvent event = events.Next();
  while (event.version == 0 && !HasFailure()) event = events.Next();  // seen half published
  EXPECT_EQ(event.version, 1);
  ASSERT_NE(watcher->Current(), nullptr);
  EXPECT_EQ(watcher->Current()->version, 1);
}

TEST_F(ModelWatcherTest, AVersionMadeAgainUnderItsNumberIsLoaded) {
  Publish(1);
  LoadEvents events;
  const auto watcher = Watch(events);
  events.Next();
  const std::string digest = watcher->Current()->digest;
  const auto old = folder_.path() / "old";
  std::filesystem::rename(store_.VersionPath("tiny", 1), old);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // many polls: what is gone goes on being served
  EXPECT_EQ(events.count(), 1u);
  std::filesystem::remove(store_.ModelPath("tiny") / "CURRENT");
  ASSERT_EQ(Publish(2), 1);
  LoadEvent event = events.Next();
  while (event.version == 0 && !HasFailure()) event = events.Next();  // seen without CURRENT
  EXPECT_EQ(event.version, 1);
  EXPECT_EQ(event.reason, "");
  EXPECT_NE(watcher->Current()->digest, digest);
}

TEST_F(ModelWatcherTest, WhatIsThrownInAPollDoesNotEndTheWatcher) {
  std::atomic<int> n_calls = 0;
  LoadEvents events;
  const auto tell = events.listener();
  const ModelWatcher watcher(failover_, store_, {"tiny", kCurrentVersion, std::chrono::milliseconds(2)},
                             [&](const LoadEvent& event) {
                               if (++n_calls == 1) throw std::bad_alloc();
                               tell(event);
                             });
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (n_calls == 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  Publish(1);
  LoadEvent event = events.Next();
  while (event.version == 0 && !HasFailure()) event = events.Next();  // seen half published
  EXPECT_EQ(event.version, 1);
}

TEST_F(ModelWatcherTest, AHugeIntervalIsWaitedFor) {
  Publish(1);
  LoadEvents events;
  {
    const ModelWatcher watcher(failover_, store_, {"tiny", kCurrentVersion, std::chrono::milliseconds::max()},
                               events.listener());
    events.Next();
    std::ofstream(store_.ModelPath("tiny") / "CURRENT") << "nonsense";
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // an overflow polls at once, and all the time
  }
  EXPECT_EQ(events.count(), 1u);
}

TEST_F(ModelWatcherTest, AnUnreadableCurrentKeepsTheOldVersion) {
  Publish(1);
  LoadEvents events;
  const auto watcher = Watch(events);
  events.Next();
  std::ofstream(store_.ModelPath("tiny") / "CURRENT") << "nonsense";
  const LoadEvent failure = events.Next();
  EXPECT_EQ(failure.version, 0);
  EXPECT_EQ(watcher->Current()->version, 1);
  EXPECT_EQ(watcher->failures().count, 1);
}

TEST_F(ModelWatcherTest, AVersionWhoseIdsCouldNotBeReturnedIsNotServed) {
  Publish(1);
  LoadEvents events;
  const auto watcher = Watch(events);
  events.Next();
  TinyModel(*backend_, {.item_prefix = "caf\xe9"}).Publish(store_, "tiny");
  EXPECT_THAT(events.Next().reason, HasSubstr("item 0: its id 'caf\\xe90' is not UTF-8"));
  EXPECT_EQ(watcher->Current()->version, 1);
}

TEST_F(ModelWatcherTest, APinnedVersionStays) {
  Publish(1);
  Publish(2);
  LoadEvents events;
  const auto watcher = Watch(events, "1");
  EXPECT_EQ(events.Next().version, 1);
  Publish(3);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(watcher->Current()->version, 1);
  EXPECT_EQ(events.count(), 1u);
}

/// What a version answers, to tell versions apart by their replies.
std::vector<std::pair<std::string, float>> Answers(Context& context, const Ranker& ranker) {
  const RecommendQuery queries[] = {{"u5", {}, 7}, {"u6", {{"i1", 1}}, 7}, {{}, {{"i2", 1}}, 7}};
  std::vector<std::pair<std::string, float>> answers;
  for (const RecommendOutcome& outcome : RecommendAll(context, ranker, queries))
    for (const ScoredItem& item : std::get<Recommendation>(outcome).items)
      answers.emplace_back(item.item_id, item.score);
  return answers;
}

TEST_F(ModelWatcherTest, CallsFlowWhileVersionsChangeAndNoReplyMixesTwo) {
  constexpr int kVersions = 8;
  std::map<int64_t, std::vector<std::pair<std::string, float>>> expected;
  const auto context = backend_->NewContext(1);
  const auto publish = [&](uint64_t seed) {
    const TinyModel model(*backend_, {.seed = seed});
    expected[static_cast<int64_t>(seed)] = Answers(*context, Ranker(*backend_, model.view(), nullptr));
    return [&, seed] { EXPECT_EQ(Publish(seed), static_cast<int64_t>(seed)); };
  };
  for (int seed = 2; seed <= kVersions; ++seed) publish(static_cast<uint64_t>(seed));
  publish(1)();
  LoadEvents events;
  const auto watcher = Watch(events);
  EXPECT_EQ(events.Next().version, 1);

  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0, failed = 0, answered = 0;
  {
    Executor executor(failover_, 2, 16);
    std::vector<std::thread> callers;
    for (int c = 0; c < 3; ++c)
      callers.emplace_back([&] {
        while (!stop) {
          std::atomic<bool> done = false;
          Job job;
          job.run = [&](CallContext& own) {
            const auto model = watcher->Current();
            if (model->ranker->Ask(own, &Answers) != expected.at(model->version)) ++wrong;
            ++answered;
            done = true;
            done.notify_one();
          };
          job.refuse = [&](Refusal) {
            ++failed;
            done = true;
            done.notify_one();
          };
          executor.Submit(std::move(job));
          done.wait(false);
        }
      });
    for (int seed = 2; seed <= kVersions; ++seed) {
      Publish(static_cast<uint64_t>(seed));
      EXPECT_EQ(events.Next().version, seed);
      const int before = answered;
      while (answered < before + 5) std::this_thread::yield();
    }
    stop = true;
    for (std::thread& caller : callers) caller.join();
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(watcher->Current()->version, kVersions);
}

}  // namespace
}  // namespace kindred
