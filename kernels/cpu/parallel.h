// The one thread pool of the CPU backend.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace kindred {

/// Threads that share loops. Work is cut into tasks by its shape, never by the number of threads, and tasks
/// write to places of their own, so that results do not depend on who ran what.
class ThreadPool {
 public:
  /// n_threads counts the caller of Run; 0 means one a core. Starts n_threads - 1 threads; throws kOutOfMemory,
  /// with none left running, where the system gives fewer.
  explicit ThreadPool(int n_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int n_threads() const { return n_threads_; }

  /// Calls body(task, worker) once for every task in [0, n_tasks), on the caller and up to max_threads - 1
  /// threads of the pool, and returns when all are done. Workers are numbered from 0 and no number is used by
  /// two threads at once. If tasks throw, the rest still run, and the exception of the lowest task is rethrown.
  void Run(int64_t n_tasks, int max_threads, const std::function<void(int64_t task, int worker)>& body);

 private:
  struct Loop;

  void Work();
  void Stop();
  static void Join(Loop& loop, int worker);

  int n_threads_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Loop*> loops_;  // those that still take helpers
  bool stop_ = false;
};

}  // namespace kindred
