#include "kernels/cpu/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace kindred {
namespace {

TEST(ThreadPool, EveryTaskRunsOnceAndWorkersAreTheirOwn) {
  for (int n_threads : {1, 2, 5}) {
    ThreadPool pool(n_threads);
    for (int64_t n_tasks : {0, 1, 2, 31, 1000}) {
      for (int max_threads : {1, 2, 9}) {
        std::vector<std::atomic<int>> runs(static_cast<size_t>(n_tasks));
        std::vector<std::atomic<bool>> busy(static_cast<size_t>(std::min(n_threads, max_threads)));
        pool.Run(n_tasks, max_threads, [&](int64_t task, int worker) {
          ASSERT_LT(static_cast<size_t>(worker), busy.size());
          ASSERT_FALSE(busy[static_cast<size_t>(worker)].exchange(true));
          ++runs[static_cast<size_t>(task)];
          busy[static_cast<size_t>(worker)] = false;
        });
        for (const auto& count : runs) ASSERT_EQ(count, 1);
      }
    }
  }
}

TEST(ThreadPool, TheLowestFailureIsRethrownAndTheRestStillRun) {
  ThreadPool pool(3);
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> runs = 0;
    try {
      pool.Run(100, 3, [&](int64_t task, int) {
        ++runs;
        if (task % 10 == 7) throw std::runtime_error(std::to_string(task));
      });
      FAIL() << "no exception";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "7");
    }
    EXPECT_EQ(runs, 100);
  }
}

TEST(ThreadPool, TheLowestFailureCountsEvenIfItComesLast) {
  ThreadPool pool(2);
  std::atomic<bool> thrown = false;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  try {
    pool.Run(2, 2, [&](int64_t task, int) {
      if (task == 0)
        while (!thrown && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
      thrown = true;
      throw std::runtime_error(std::to_string(task));
    });
    FAIL() << "no exception";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "0");
  }
}

TEST(ThreadPool, ManyCallersShareIt) {
  ThreadPool pool(3);
  std::atomic<int64_t> total = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) pool.Run(17, 2, [&](int64_t task, int) { total += task; });
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total, 4 * 200 * (16 * 17 / 2));
}

}  // namespace
}  // namespace kindred
