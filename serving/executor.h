// The calls' own threads: bounded workers, a bounded queue, and an answer for every job that does not run.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "serving/failover.h"

namespace kindred {

enum class Refusal { kQueueFull, kDeadlinePassed, kCancelled, kStopped };

/// Exactly one of `run` and `refuse` is called, once. Neither may throw.
struct Job {
  std::function<void(CallContext&)> run;  // on a worker, with the worker's own context
  std::function<void(Refusal)> refuse;
  std::function<bool()> cancelled;  // asked before the job starts; may be empty
  bool alone = false;               // of these, one runs at a time: others wait and keep no worker
  std::chrono::system_clock::time_point deadline = std::chrono::system_clock::time_point::max();
};

class Executor {
 public:
  /// Each worker computes with one thread. At most `max_queue` jobs wait for a worker.
  /// Throws kOutOfMemory where the system starts fewer threads.
  Executor(Failover& failover, int n_workers, int max_queue);
  /// Refuses what waits (kStopped) and joins the workers after the jobs they run.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Never blocks. A full queue refuses the job at once, on the caller's thread; jobs that run alone may have half of
  /// it, so that slow ones leave room.
  void Submit(Job job);

  int n_workers() const { return static_cast<int>(workers_.size()); }
  int max_queue() const { return max_queue_; }
  /// Jobs that wait for a worker now.
  int n_waiting() const;

 private:
  void Work(CallContext& context);
  bool HasRoomFor(const Job& job) const;
  /// The first job that can run now, or the end.
  std::deque<Job>::iterator NextJob();
  /// Refuses what waits and joins the workers.
  void Stop();

  const int max_queue_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Job> queue_;
  bool alone_runs_ = false;
  bool stopping_ = false;
  std::vector<std::unique_ptr<CallContext>> contexts_;
  std::vector<std::thread> workers_;
};

}  // namespace kindred
