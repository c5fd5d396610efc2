#include "serving/executor.h"

#include <fmt/format.h>

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
    } else if (queue_.size() < static_cast<size_t>(max_queue_)) {
      queue_.push_back(std::move(job));
      ready_.notify_one();
      return;
    }
  }
  job.refuse(refusal);
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
      ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    if (job.cancelled && job.cancelled())
      job.refuse(Refusal::kCancelled);
    else if (std::chrono::system_clock::now() >= job.deadline)
      job.refuse(Refusal::kDeadlinePassed);
    else
      job.run(context);
  }
}

}  // namespace kindred
