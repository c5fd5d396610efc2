#include "serving/executor.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <future>
#include <latch>
#include <memory>
#include <set>
#include <vector>

#include "tests/serving/tiny_model.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"

namespace {

std::atomic<int> n_until_no_thread = -1;  // threads that are started before none is; negative: all are

}  // namespace

/// A sanitizer's, which is to know of every thread; null without one.
extern "C" __attribute__((weak)) decltype(pthread_create) __interceptor_pthread_create;

/// In front of the system's, for the C++ library too.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* data) {
  static const auto real = __interceptor_pthread_create != nullptr
                               ? &__interceptor_pthread_create
                               : reinterpret_cast<decltype(&pthread_create)>(::dlsym(RTLD_NEXT, "pthread_create"));
  if (n_until_no_thread == 0) return EAGAIN;
  if (n_until_no_thread > 0) --n_until_no_thread;
  return real(thread, attributes, start, data);
}

namespace kindred {
namespace {

/// What became of a job.
struct Fate {
  std::promise<int> promise;  // -1: it ran; else the refusal
  std::future<int> future = promise.get_future();

  Job Make(std::function<void()> body = [] {}) {
    Job job;
    job.run = [this, body](CallContext&) {
      body();
      promise.set_value(-1);
    };
    job.refuse = [this](Refusal refusal) { promise.set_value(static_cast<int>(refusal)); };
    return job;
  }
  bool Ran() { return future.get() == -1; }
  bool Refused(Refusal refusal) { return future.get() == static_cast<int>(refusal); }
};

class ExecutorTest : public testing::Test {
 protected:
  /// Occupies one worker from the time this returns until `release` is counted down.
  void Occupy(Executor& executor, Fate& fate, std::latch& release) {
    std::latch started(1);
    executor.Submit(fate.Make([&] {
      started.count_down();
      release.wait();
    }));
    started.wait();
  }

  Failover failover_{Chosen(NewTestBackend("strict", 1)), 1};
};

TEST_F(ExecutorTest, RunsEveryJobOnceWithAContextOfTheWorker) {
  Executor executor(failover_, 3, 1000);
  std::atomic<int> ran = 0;
  std::mutex mutex;
  std::set<CallContext*> contexts;
  std::latch done(300);
  for (int i = 0; i < 300; ++i) {
    Job job;
    job.run = [&](CallContext& context) {
      ++ran;
      {
        std::lock_guard lock(mutex);
        contexts.insert(&context);
      }
      done.count_down();
    };
    job.refuse = [&](Refusal) { ADD_FAILURE() << "refused"; };
    executor.Submit(std::move(job));
  }
  done.wait();
  EXPECT_EQ(ran, 300);
  EXPECT_LE(contexts.size(), 3u);
}

TEST_F(ExecutorTest, TooFewThreadsAreAnError) {
  for (int n_started = 0; n_started < 3; ++n_started) {
    n_until_no_thread = n_started;
    ExpectError(ErrorCode::kOutOfMemory, std::to_string(n_started) + " of 3 threads",
                [&] { Executor(failover_, 3, 1); });
    n_until_no_thread = -1;
  }
}

TEST_F(ExecutorTest, AFullQueueRefusesAtOnce) {
  Executor executor(failover_, 1, 2);
  std::latch release(1);
  Fate running, waiting[2], refused;
  Occupy(executor, running, release);
  for (Fate& fate : waiting) executor.Submit(fate.Make());
  executor.Submit(refused.Make());
  EXPECT_TRUE(refused.Refused(Refusal::kQueueFull));
  release.count_down();
  EXPECT_TRUE(running.Ran());
  for (Fate& fate : waiting) EXPECT_TRUE(fate.Ran());
}

TEST_F(ExecutorTest, JobsThatRunAloneKeepOneWorkerAtMost) {
  Executor executor(failover_, 2, 100);
  std::latch release(1);
  Fate first;
  Fate alone[3];
  std::atomic<int> running = 0;
  const auto submit = [&](Fate& fate, const std::function<void()>& body) {
    Job job = fate.Make([&running, body] {
      EXPECT_EQ(++running, 1);
      body();
      --running;
    });
    job.alone = true;
    executor.Submit(std::move(job));
  };
  submit(first, [&] { release.wait(); });
  for (Fate& fate : alone) submit(fate, [] {});
  for (int i = 0; i < 20; ++i) {  // past those that wait
    Fate other;
    executor.Submit(other.Make());
    EXPECT_TRUE(other.Ran());
  }
  release.count_down();
  EXPECT_TRUE(first.Ran());
  for (Fate& fate : alone) EXPECT_TRUE(fate.Ran());
}

TEST_F(ExecutorTest, JobsThatRunAloneHaveHalfOfTheQueue) {
  Executor executor(failover_, 1, 4);
  std::latch release(1);
  Fate running, waiting[2], refused, others[2], full;
  Occupy(executor, running, release);
  const auto submit_alone = [&](Fate& fate) {
    Job job = fate.Make();
    job.alone = true;
    executor.Submit(std::move(job));
  };
  for (Fate& fate : waiting) submit_alone(fate);
  submit_alone(refused);
  EXPECT_TRUE(refused.Refused(Refusal::kQueueFull));
  for (Fate& fate : others) executor.Submit(fate.Make());
  executor.Submit(full.Make());
  EXPECT_TRUE(full.Refused(Refusal::kQueueFull));
  release.count_down();
  EXPECT_TRUE(running.Ran());
  for (Fate& fate : waiting) EXPECT_TRUE(fate.Ran());
  for (Fate& fate : others) EXPECT_TRUE(fate.Ran());
}

/// One that is not started lets the next in.
TEST_F(ExecutorTest, ACancelledJobThatRunsAloneHoldsUpNobody) {
  Executor executor(failover_, 2, 10);
  std::latch release(1);
  Fate running, cancelled, next;
  Job job = running.Make([&] { release.wait(); });
  job.alone = true;
  executor.Submit(std::move(job));
  for (Fate* fate : {&cancelled, &next}) {
    job = fate->Make();
    job.alone = true;
    if (fate == &cancelled) job.cancelled = [] { return true; };
    executor.Submit(std::move(job));
  }
  release.count_down();
  EXPECT_TRUE(running.Ran());
  EXPECT_TRUE(cancelled.Refused(Refusal::kCancelled));
  EXPECT_TRUE(next.Ran());
}

TEST_F(ExecutorTest, DeadAndCancelledJobsAreNotStarted) {
  Executor executor(failover_, 1, 10);
  std::latch release(1);
  Fate running, late, cancelled, in_time;
  Occupy(executor, running, release);
  Job job = late.Make();
  job.deadline = std::chrono::system_clock::now();
  executor.Submit(std::move(job));
  std::atomic<bool> gone = false;
  job = cancelled.Make();
  job.cancelled = [&] { return gone.load(); };
  executor.Submit(std::move(job));
  job = in_time.Make();
  job.cancelled = [] { return false; };
  job.deadline = std::chrono::system_clock::now() + std::chrono::hours(1);
  executor.Submit(std::move(job));
  gone = true;
  release.count_down();
  EXPECT_TRUE(late.Refused(Refusal::kDeadlinePassed));
  EXPECT_TRUE(cancelled.Refused(Refusal::kCancelled));
  EXPECT_TRUE(in_time.Ran());
}

TEST_F(ExecutorTest, StoppingRefusesWhatWaitsAndFinishesWhatRuns) {
  auto executor = std::make_unique<Executor>(failover_, 1, 10);
  std::latch release(1);
  Fate running, waiting;
  Occupy(*executor, running, release);
  Job job = waiting.Make();
  job.refuse = [&, refuse = std::move(job.refuse)](Refusal refusal) {
    refuse(refusal);
    release.count_down();
  };
  executor->Submit(std::move(job));
  executor.reset();
  EXPECT_TRUE(waiting.Refused(Refusal::kStopped));
  EXPECT_TRUE(running.Ran());
}

TEST_F(ExecutorTest, ManyCallersLoseNoJob) {
  std::atomic<int> ran = 0, refused = 0;
  {
    Executor executor(failover_, 2, 4);
    std::vector<std::thread> callers;
    for (int c = 0; c < 4; ++c)
      callers.emplace_back([&] {
        for (int i = 0; i < 500; ++i) {
          Job job;
          job.alone = i % 3 == 0;
          job.run = [&](CallContext&) { ++ran; };
          job.refuse = [&](Refusal) { ++refused; };
          executor.Submit(std::move(job));
        }
      });
    for (std::thread& caller : callers) caller.join();
  }
  EXPECT_EQ(ran + refused, 2000);
}

}  // namespace
}  // namespace kindred
