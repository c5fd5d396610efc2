#include "kernels/cpu/parallel.h"

#include <algorithm>
#include <string>

#include "kernels/error.h"

namespace kindred {

struct ThreadPool::Loop {
  const std::function<void(int64_t, int)>& body;
  int64_t n_tasks;
  int max_threads;
  int n_joined = 1;  // guarded by mutex_; the caller is worker 0
  int n_active = 0;  // helpers inside; guarded by mutex_
  std::condition_variable idle = {};
  std::atomic<int64_t> next = 0;
  std::mutex error_mutex = {};
  int64_t error_task = 0;
  std::exception_ptr error = nullptr;
};

ThreadPool::ThreadPool(int n_threads)
    : n_threads_(n_threads > 0 ? n_threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))) {
  try {
    threads_.reserve(static_cast<size_t>(n_threads_ - 1));
    for (int i = 1; i < n_threads_; ++i) threads_.emplace_back([this] { Work(); });
  } catch (const std::exception& error) {
    const size_t n_started = threads_.size();
    Stop();
    throw Error(ErrorCode::kOutOfMemory, "only " + std::to_string(n_started + 1) + " of " + std::to_string(n_threads_) +
                                             " threads could be started: " + error.what());
  }
}

ThreadPool::~ThreadPool() {
  Stop();
}

void ThreadPool::Stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::Run(int64_t n_tasks, int max_threads, const std::function<void(int64_t, int)>& body) {
  if (n_tasks <= 0) return;
  const int n_helpers = static_cast<int>(std::min<int64_t>({n_tasks, max_threads, n_threads_})) - 1;
  Loop loop{body, n_tasks, n_helpers + 1};
  if (n_helpers > 0) {
    {
      std::lock_guard lock(mutex_);
      loops_.push_back(&loop);
    }
    for (int i = 0; i < n_helpers; ++i) wake_.notify_one();
  }
  Join(loop, 0);
  if (n_helpers > 0) {
    std::unique_lock lock(mutex_);
    const auto place = std::find(loops_.begin(), loops_.end(), &loop);
    if (place != loops_.end()) loops_.erase(place);
    loop.idle.wait(lock, [&] { return loop.n_active == 0; });
  }
  if (loop.error) std::rethrow_exception(loop.error);
}

void ThreadPool::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stop_ || !loops_.empty(); });
    if (stop_) return;
    Loop& loop = *loops_.front();
    const int worker = loop.n_joined++;
    ++loop.n_active;
    if (loop.n_joined == loop.max_threads) loops_.pop_front();
    lock.unlock();
    Join(loop, worker);
    lock.lock();
    const auto place = std::find(loops_.begin(), loops_.end(), &loop);
    if (place != loops_.end()) loops_.erase(place);
    if (--loop.n_active == 0) loop.idle.notify_one();
  }
}

void ThreadPool::Join(Loop& loop, int worker) {
  for (int64_t task; (task = loop.next.fetch_add(1, std::memory_order_relaxed)) < loop.n_tasks;) {
    try {
      loop.body(task, worker);
    } catch (...) {
      std::lock_guard lock(loop.error_mutex);
      if (!loop.error || task < loop.error_task) {
        loop.error = std::current_exception();
        loop.error_task = task;
      }
    }
  }
}

}  // namespace kindred
