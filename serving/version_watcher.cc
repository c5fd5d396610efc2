#include "serving/version_watcher.h"

#include <sys/resource.h>

#include <algorithm>
#include <new>
#include <utility>

#include "host/store/artifact.h"
#include "host/text/text.h"

namespace kindred {
namespace {

constexpr int kLoaderNiceness = 10;
constexpr std::chrono::seconds kRetryAfter{60};
constexpr std::chrono::hours kLongestInterval{24};
constexpr size_t kMaxReason = 2000;

/// Whether trying the same version again may succeed: the machine was at fault, not the version.
bool MayPass(ErrorCode code) {
  return code == ErrorCode::kIo || code == ErrorCode::kOutOfMemory || code == ErrorCode::kDevice ||
         code == ErrorCode::kNotFound;
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

VersionWatcher::VersionWatcher(ModelStore store, WatcherOptions options, Loader load, Listener listener)
    : store_(std::move(store)), options_(std::move(options)), load_(std::move(load)), listener_(std::move(listener)) {
  thread_ = std::thread([this] { Watch(); });
}

VersionWatcher::~VersionWatcher() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

std::shared_ptr<const void> VersionWatcher::Current() const {
  std::lock_guard lock(mutex_);
  return current_;
}

LoadFailures VersionWatcher::failures() const {
  std::lock_guard lock(mutex_);
  return failures_;
}

void VersionWatcher::Watch() {
  setpriority(PRIO_PROCESS, 0, kLoaderNiceness);  // on Linux: of this thread
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    Poll();
    lock.lock();
    wake_.wait_for(lock, std::min<std::chrono::milliseconds>(options_.poll_interval, kLongestInterval),
                   [this] { return stopping_; });
  }
}

void VersionWatcher::Poll() try { Follow(); } catch (const std::exception&) {
  // Not even enough memory to report it; the next poll tries again.
}

void VersionWatcher::Follow() {
  std::erase_if(retired_, [](const auto& old) { return old.use_count() == 1; });
  int64_t version = 0;
  std::string digest;
  try {
    version = store_.Resolve(options_.model, options_.version);
    digest = Artifact::RecordedDigest(store_.VersionPath(options_.model, version));
    unreadable_.clear();
  } catch (const std::exception& error) {
    if (error.what() == unreadable_) return;
    unreadable_ = error.what();
    return Fail(version, unreadable_, Clock::now());
  }
  if (served_ == version && (digest.empty() || served_digest_ == digest)) {
    attempted_ = 0;
  } else if (version != attempted_ || digest != attempted_digest_ || Clock::now() >= retry_at_) {
    attempted_digest_ = digest;
    Load(version);
  }
}

void VersionWatcher::Load(int64_t version) {
  const Clock::time_point start = Clock::now();
  attempted_ = version;
  retry_at_ = Clock::time_point::max();
  try {
    Loaded loaded = load_(version);
    {
      std::lock_guard lock(mutex_);
      current_.swap(loaded.version);
    }
    served_ = version;
    served_digest_ = std::move(loaded.digest);
    if (loaded.version) retired_.push_back(std::move(loaded.version));
    if (listener_) listener_({version, {}, SecondsSince(start), {}});
  } catch (const Error& error) {
    if (MayPass(error.code())) retry_at_ = Clock::now() + kRetryAfter;
    Fail(version, error.what(), start);
  } catch (const std::bad_alloc&) {
    retry_at_ = Clock::now() + kRetryAfter;
    Fail(version, "out of memory", start);
  } catch (const std::exception& error) {
    Fail(version, error.what(), start);
  }
}

void VersionWatcher::Fail(int64_t version, const std::string& reason, Clock::time_point start) {
  const std::string printable = Printable(reason, kMaxReason);
  {
    std::lock_guard lock(mutex_);
    ++failures_.count;
    failures_.last_version = version;
    failures_.last_reason = printable;
    failures_.last_at = std::chrono::system_clock::now();
  }
  if (listener_) listener_({version, printable, SecondsSince(start), {}});
}

}  // namespace kindred
