#include "serving/failover.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <barrier>
#include <future>
#include <latch>
#include <thread>

#include "serving/executor.h"
#include "serving/explain.h"
#include "serving/model_watcher.h"
#include "serving/ranked_users.h"
#include "serving/recommender.h"
#include "tests/serving/failing_device.h"
#include "tests/serving/load_events.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using Replies = std::vector<std::string>;

/// Everything of a reply, its scores to the last bit.
std::string ToText(const Recommendation& reply) {
  std::string text = fmt::format("{} {}", static_cast<int>(reply.served_by), reply.why);
  for (const ScoredItem& item : reply.items) text += fmt::format(" {}={:a}", item.item_id, item.score);
  return text;
}

const std::vector<RecommendQuery> kQueries = {
    {"u5", {}, 7}, {"u6", {{"i1", 1}}, 7}, {{}, {{"i2", 1}, {"i3", 2}}, 7}, {"nobody", {}, 5}, {"u9", {}, 3}};

Replies Batch(Context& context, const Ranker& ranker) {
  Replies replies;
  for (const RecommendOutcome& outcome : RecommendAll(context, ranker, kQueries))
    replies.push_back(ToText(std::get<Recommendation>(outcome)));
  return replies;
}

std::string ToText(const Explanation& reply) {
  std::string text = fmt::format("{} {}", static_cast<int>(reply.served_by), reply.why);
  for (const ExplainedItem& item : reply.items) {
    const ItemExplanation& one = item.explanation;
    text += fmt::format(" {}={:a}@{}", one.item, one.score, one.position);
    for (const Contribution& by : one.contributions)
      text += fmt::format(" {}:{:a}@{}", by.item, by.amount, by.position_without);
  }
  return text;
}

std::string ToText(const RankedUsers& reply) {
  std::string text = reply.why;
  for (const ScoredUser& user : reply.users) text += fmt::format(" {}={:a}", user.user_id, user.score);
  return text;
}

constexpr int kCalls = 13;

/// One of a few calls of every kind.
Replies Call(int which, Context& context, const Ranker& ranker) {
  if (which == 0) return Batch(context, ranker);
  if (which == 6) return {ToText(SimilarItems(context, ranker, "i4", 6))};
  if (which == 7) return {ToText(ExplainItems(context, ranker, {.user_id = "u5"}))};
  if (which == 8) return {ToText(ExplainItems(context, ranker, {.history = {{"i2", 1}, {"i3", 2}}, .n = 2}))};
  if (which == 9) return {ToText(SimilarUsers(context, ranker, "u5", 6))};
  if (which == 10) return {ToText(UsersForItem(context, ranker, {"i4", 6}))};
  if (which == 11) return {ToText(Popular(context, ranker, "", 6))};
  if (which == 12) return {ToText(Recommend(context, ranker, {"u5", {}, 3, {}, 4}))};
  return {ToText(Recommend(context, ranker, kQueries[static_cast<size_t>(which) - 1]))};
}

class FailoverTest : public testing::Test {
 protected:
  FailoverTest() : cpu_(std::make_unique<CpuBackend>(1)), model_(*cpu_), expected_(Expected(model_)) {}

  /// What an undisturbed server answers.
  std::vector<Replies> Expected(const TinyModel& model) {
    const auto context = cpu_->NewContext(1);
    const Ranker ranker(*cpu_, model.view(), nullptr);
    std::vector<Replies> replies;
    for (int which = 0; which < kCalls; ++which) replies.push_back(Call(which, *context, ranker));
    return replies;
  }

  /// A device that works, until the test says otherwise.
  void Start(const std::string& name = "cuda") {
    state_ = std::make_shared<DeviceState>();
    told_.clear();
    failover_ = std::make_unique<Failover>(Chosen(std::make_unique<FailingDevice>(state_, name)), 1,
                                           [this](const BackendStatus& now) { told_.push_back(now); });
  }

  static Replies Ask(CallContext& context, const ServedRanker& ranker, int which) {
    return ranker.Ask(context, [&](Context& own, const Ranker& one) { return Call(which, own, one); });
  }

  void ExpectHealthy() {
    EXPECT_TRUE(told_.empty());
    EXPECT_FALSE(failover_->status().degraded);
    EXPECT_EQ(failover_->status().device.backend, "cuda");
    EXPECT_EQ(failover_->status().reason, "the test wants it");
    EXPECT_EQ(failover_->status().degraded_reason, "");
  }

  /// That it was said, once, with the reason.
  void ExpectDegraded(const std::string& doing, const std::string& reason) {
    ASSERT_EQ(told_.size(), 1u);
    for (const BackendStatus& status : {told_[0], failover_->status()}) {
      EXPECT_TRUE(status.degraded);
      EXPECT_EQ(status.device.backend, "cpu");
      EXPECT_EQ(status.reason, "fell back from cuda (Failing Card): " + reason);
      EXPECT_EQ(status.degraded_reason, "while " + doing + ": " + reason);
    }
  }

  const std::unique_ptr<Backend> cpu_;
  const TinyModel model_;
  const std::vector<Replies> expected_;
  std::shared_ptr<DeviceState> state_;
  std::vector<BackendStatus> told_;
  std::unique_ptr<Failover> failover_;
};

TEST_F(FailoverTest, AWorkingDeviceAnswers) {
  Start();
  const ServedRanker ranker(*failover_, model_.view(), nullptr);
  const auto context = failover_->NewContext();
  for (int which = 0; which < kCalls; ++which) {
    const int before = state_->n_operations;
    EXPECT_EQ(Ask(*context, ranker, which), expected_[static_cast<size_t>(which)]);
    EXPECT_GT(state_->n_operations, before) << which;
  }
  ExpectHealthy();
  EXPECT_GT(state_->n_buffers, 0);
}

TEST_F(FailoverTest, AnyOperationOfACallMayFail) {
  for (const ErrorCode code : {ErrorCode::kDevice, ErrorCode::kOutOfMemory}) {
    int n = 0;
    for (bool reached = true; reached;) {
      SCOPED_TRACE(++n);
      Start();
      const ServedRanker ranker(*failover_, model_.view(), nullptr);
      const auto context = failover_->NewContext();
      state_->FailAt("", n, code);
      for (int which = 0; which < kCalls; ++which)
        EXPECT_EQ(Ask(*context, ranker, which), expected_[static_cast<size_t>(which)]) << which;
      reached = failover_->status().degraded;
      if (!reached) break;
      ExpectDegraded("answering calls", code == ErrorCode::kDevice ? DeviceState::kLost : DeviceState::kNoMemory);
      EXPECT_EQ(state_->n_buffers, 0) << "memory of the device is kept";
      EXPECT_EQ(state_->n_contexts, 0) << "the caller's queue on the device is kept";
      const int before = state_->n_operations;
      EXPECT_EQ(Ask(*context, ranker, 0), expected_[0]);
      EXPECT_EQ(Ask(*failover_->NewContext(), ServedRanker(*failover_, model_.view(), nullptr), 0), expected_[0]);
      EXPECT_EQ(state_->n_operations, before) << "the device that failed is asked again";
    }
    EXPECT_GT(n, 50) << "too few operations were seen to fail";
  }
}

TEST_F(FailoverTest, ErrorsOfTheRequestAreNotTheDevices) {
  Start();
  const ServedRanker ranker(*failover_, model_.view(), nullptr);
  const auto context = failover_->NewContext();
  ExpectError(ErrorCode::kNotFound, "no item 'lost'", [&] {
    ranker.Ask(*context, [](Context& own, const Ranker& one) { return SimilarItems(own, one, "lost", {}); });
  });
  state_->FailAt("top_n", 1, ErrorCode::kInvalidArgument);
  ExpectError(ErrorCode::kInvalidArgument, "", [&] { Ask(*context, ranker, 0); });
  EXPECT_EQ(Ask(*context, ranker, 0), expected_[0]);
  ExpectHealthy();
}

TEST_F(FailoverTest, TheCpuHasNoOtherToFallBackTo) {
  Start("cpu");
  const ServedRanker ranker(*failover_, model_.view(), nullptr);
  const auto context = failover_->NewContext();
  state_->FailAt("allocate", 1, ErrorCode::kOutOfMemory);
  ExpectError(ErrorCode::kOutOfMemory, DeviceState::kNoMemory, [&] { Ask(*context, ranker, 0); });
  EXPECT_EQ(Ask(*context, ranker, 0), expected_[0]);
  EXPECT_FALSE(failover_->status().degraded);
  EXPECT_TRUE(told_.empty());
}

TEST_F(FailoverTest, TwoCallsThatMeetTheFailureAtOnce) {
  for (int round = 0; round < 20; ++round) {
    Start();
    const ServedRanker ranker(*failover_, model_.view(), nullptr);
    std::barrier together(2);
    thread_local bool waited;
    state_->before = [&](std::string_view operation) {
      if (operation != "top_n" || std::exchange(waited, true)) return;
      together.arrive_and_wait();
    };
    state_->FailAt("top_n", 1);
    Replies replies[2];
    {
      std::vector<std::jthread> callers;
      for (Replies& one : replies)
        callers.emplace_back([&] {
          waited = false;
          one = Ask(*failover_->NewContext(), ranker, 0);
        });
    }
    for (const Replies& one : replies) EXPECT_EQ(one, expected_[0]);
    ExpectDegraded("answering calls", DeviceState::kLost);
    EXPECT_EQ(state_->n_buffers, 0);
  }
}

TEST_F(FailoverTest, ACallThatStillRunsOnTheDeviceKeepsItsMemory) {
  Start();
  const ServedRanker ranker(*failover_, model_.view(), nullptr);
  std::latch inside(1), failed(1);
  thread_local bool slow = false;
  state_->before = [&](std::string_view operation) {
    if (!slow || operation != "top_n") return;
    slow = false;
    inside.count_down();
    failed.wait();
  };
  Replies late;
  {
    const std::jthread caller([&] {
      const auto context = failover_->NewContext();
      slow = true;
      late = Ask(*context, ranker, 1);
    });
    inside.wait();
    state_->FailAt("allocate", 1, ErrorCode::kOutOfMemory);
    const auto context = failover_->NewContext();
    EXPECT_EQ(Ask(*context, ranker, 0), expected_[0]);
    EXPECT_EQ(Ask(*context, ranker, 6), expected_[6]);
    ExpectDegraded("answering calls", DeviceState::kNoMemory);
    EXPECT_GT(state_->n_buffers, 0);
    failed.count_down();
  }
  EXPECT_EQ(late, expected_[1]);
  EXPECT_EQ(state_->n_buffers, 0);
}

class FailoverOfVersionsTest : public FailoverTest {
 protected:
  FailoverOfVersionsTest() : store_(folder_.path() / "store") { model_.Publish(store_, "tiny"); }

  /// A watcher that tells loads_.
  void Watch() {
    watcher_ = std::make_unique<ModelWatcher>(
        *failover_, store_, WatcherOptions{"tiny", kCurrentVersion, std::chrono::milliseconds(2)}, loads_.listener());
  }

  TemporaryFolder folder_;
  const ModelStore store_;
  LoadEvents loads_;
  std::unique_ptr<ModelWatcher> watcher_;
};

TEST_F(FailoverOfVersionsTest, AnyOperationOfALoadMayFail) {
  for (const ErrorCode code : {ErrorCode::kDevice, ErrorCode::kOutOfMemory}) {
    int n = 0;
    for (bool reached = true; reached;) {
      SCOPED_TRACE(++n);
      Start();
      const auto context = failover_->NewContext();
      state_->FailAt("", n, code);
      const auto served = LoadServedModel(*failover_, store_, "tiny", 1);
      reached = failover_->status().degraded;
      if (reached)
        ExpectDegraded("loading a model", code == ErrorCode::kDevice ? DeviceState::kLost : DeviceState::kNoMemory);
      for (int which = 0; which < kCalls; ++which)
        EXPECT_EQ(Ask(*context, *served->ranker, which), expected_[static_cast<size_t>(which)]);
      if (reached) {
        EXPECT_EQ(state_->n_buffers, 0);
      }
    }
    EXPECT_GT(n, 20) << "too few operations were seen to fail";
  }
}

TEST_F(FailoverOfVersionsTest, AVersionThatComesAfterTheFailureIsLoadedOnTheCpu) {
  Start();
  Watch();
  EXPECT_EQ(loads_.Next().reason, "");
  const auto context = failover_->NewContext();
  state_->FailAt("top_n", 1);
  EXPECT_EQ(Ask(*context, *watcher_->Current()->ranker, 0), expected_[0]);
  const int before = state_->n_operations;
  const TinyModel next(*cpu_, {.seed = 2});
  next.Publish(store_, "tiny");
  EXPECT_EQ(loads_.Next().reason, "");
  ASSERT_EQ(watcher_->Current()->version, 2);
  EXPECT_EQ(Ask(*context, *watcher_->Current()->ranker, 0), Expected(next)[0]);
  EXPECT_EQ(state_->n_operations, before);
  EXPECT_EQ(watcher_->failures().count, 0);
}

TEST_F(FailoverOfVersionsTest, AFailureWhileAVersionIsLoaded) {
  enum Fault { kOfACallAndTheLoad, kOfACallAlone, kOfTheLoad };
  for (const Fault fault : {kOfACallAndTheLoad, kOfACallAlone, kOfTheLoad}) {
    SCOPED_TRACE(fault);
    store_.SetCurrent("tiny", 1);
    Start();
    std::latch loading(1), go_on(1);
    std::atomic<bool> hold = false;
    state_->before = [&](std::string_view operation) {
      if (operation != "new_item_index" || !hold.exchange(false)) return;
      loading.count_down();
      go_on.wait();
    };
    Watch();
    EXPECT_EQ(loads_.Next().version, 1);
    hold = true;
    const TinyModel next(*cpu_, {.seed = 3});
    const int64_t version = next.Publish(store_, "tiny");
    loading.wait();
    const auto old = watcher_->Current();
    const auto context = failover_->NewContext();
    if (fault == kOfTheLoad)
      state_->FailAt("new_item_index", 1);
    else
      state_->FailAt("top_n", 1, fault == kOfACallAlone ? ErrorCode::kOutOfMemory : ErrorCode::kDevice);
    if (fault != kOfTheLoad) {
      EXPECT_EQ(Ask(*context, *old->ranker, 0), expected_[0]);
    }
    go_on.count_down();
    const LoadEvent event = loads_.Next();
    EXPECT_EQ(event.version, version);
    EXPECT_EQ(event.reason, "");
    ExpectDegraded(fault == kOfTheLoad ? "loading a model" : "answering calls",
                   fault == kOfACallAlone ? DeviceState::kNoMemory : DeviceState::kLost);
    EXPECT_EQ(Ask(*context, *old->ranker, 0), expected_[0]);
    EXPECT_EQ(Ask(*context, *watcher_->Current()->ranker, 0), Expected(next)[0]);
    EXPECT_EQ(state_->n_buffers, 0);
    EXPECT_EQ(watcher_->failures().count, 0);
    watcher_.reset();
  }
}

TEST_F(FailoverOfVersionsTest, NoCallIsLostWhileCallsFlowAndVersionsChange) {
  const TinyModel next(*cpu_, {.seed = 4});
  const std::vector<Replies> expected_next = Expected(next);
  Start();
  Watch();
  loads_.Next();
  state_->FailAt("top_n", 150);
  std::atomic<int> answered = 0, wrong = 0, refused = 0;
  std::atomic<bool> stop = false;
  {
    Executor executor(*failover_, 3, 8);
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 4; ++caller)
      callers.emplace_back([&, caller] {
        for (int i = 0; !stop; ++i) {
          const int which = (caller + i) % kCalls;
          std::promise<void> done;
          Job job;
          job.run = [&](CallContext& own) {
            const auto model = watcher_->Current();
            const auto& expected = model->version == 1 ? expected_ : expected_next;
            if (Ask(own, *model->ranker, which) != expected[static_cast<size_t>(which)]) ++wrong;
            ++answered;
            done.set_value();
          };
          job.refuse = [&](Refusal) {
            ++refused;
            done.set_value();
          };
          executor.Submit(std::move(job));
          done.get_future().wait();
        }
      });
    next.Publish(store_, "tiny");
    EXPECT_EQ(loads_.Next().version, 2);
    while (!failover_->status().degraded) std::this_thread::yield();
    const int before = answered;
    while (answered < before + 50) std::this_thread::yield();
    stop = true;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(told_.size(), 1u);
  EXPECT_EQ(watcher_->failures().count, 0);
}

}  // namespace
}  // namespace kindred
