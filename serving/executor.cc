#include "serving/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <system_error>

#include "kernels/error.h"

namespace kindred {

Executor::Executor(Failover& failover, int n_workers, int max_queue) : max_queue_(max_queue) {
  for (int i = 0; i < n_workers; ++i) contexts_.push_back(failover.NewContext());
  workers_.reserve(contexts_.size());
  try {
    for (auto& context : contexts_) workers_.emplace_back([this, &context] { Work(*context); });
  } catch (const std::system_error& error) {
    const size_t n_started = workers_.size();
    Stop();
    throw Error(ErrorCode::kOutOfMemory,
                fmt::format("{} of {} threads for calls were started: {}", n_started, n_workers, error.what()));
  }
}

Executor::~Executor() {
  Stop();
}

void Executor::Stop() {
  std::deque<Job> left;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    left.swap(queue_);
  }
  ready_.notify_all();
  for (Job& job : left) job.refuse(Refusal::kStopped);
  for (std::thread& worker : workers_) worker.join();
}

void Executor::Submit(Job job) {
  Refusal refusal = Refusal::kQueueFull;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) {
      refusal = Refusal::kStopped;
    } else if (HasRoomFor(job)) {
      queue_.push_back(std::move(job));
      ready_.notify_one();
      return;
    }
  }
  job.refuse(refusal);
}

bool Executor::HasRoomFor(const Job& job) const {
  const auto most = static_cast<size_t>(max_queue_);
  if (queue_.size() >= most) return false;
  return !job.alone || static_cast<size_t>(std::ranges::count(queue_, true, &Job::alone)) < (most + 1) / 2;
}

std::deque<Job>::iterator Executor::NextJob() {
  return std::ranges::find_if(queue_, [this](const Job& job) { return !job.alone || !alone_runs_; });
}

int Executor::n_waiting() const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(queue_.size());
}

void Executor::Work(CallContext& context) {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      auto next = queue_.end();
      ready_.wait(lock, [&] { return (next = NextJob()) != queue_.end() || stopping_; });
      if (next == queue_.end()) return;
      job = std::move(*next);
      queue_.erase(next);
      alone_runs_ |= job.alone;
    }
    if (job.cancelled && job.cancelled())
      job.refuse(Refusal::kCancelled);
    else if (std::chrono::system_clock::now() >= job.deadline)
      job.refuse(Refusal::kDeadlinePassed);
    else
      job.run(context);
    if (!job.alone) continue;
    std::lock_guard lock(mutex_);
    alone_runs_ = false;
    ready_.notify_one();
  }
}

}  // namespace kindred
