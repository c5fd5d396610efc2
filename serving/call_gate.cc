#include "serving/call_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "serving/open_stream.h"

namespace kindred {

grpc::Status ToStatus(Refusal refusal) {
  switch (refusal) {
    case Refusal::kQueueFull:
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue of calls is full; try again"};
    case Refusal::kDeadlinePassed:
      return {grpc::StatusCode::DEADLINE_EXCEEDED, "the deadline passed before work on the call began"};
    case Refusal::kCancelled:
      return grpc::Status::CANCELLED;
    case Refusal::kStopped:
      break;
  }
  return {grpc::StatusCode::UNAVAILABLE, "the server is stopping"};
}

grpc::Status CallGate::Enter(OpenStream* stream) {
  std::lock_guard lock(mutex_);
  if (stopping_) return ToStatus(Refusal::kStopped);
  if (stream != nullptr) {
    if (std::ssize(streams_) >= max_streams_)
      return {grpc::StatusCode::RESOURCE_EXHAUSTED,
              fmt::format("{} streams are open, and no more may be; try again", max_streams_)};
    streams_.insert(stream);
  }
  ++n_calls_;
  return grpc::Status::OK;
}

void CallGate::Leave(OpenStream* stream) {
  std::lock_guard lock(mutex_);
  streams_.erase(stream);
  ++n_answered_;
  if (--n_calls_ == 0) idle_.notify_all();
}

int CallGate::Drain(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  for (OpenStream* stream : streams_) stream->Stop();
  idle_.wait_for(lock, time, [this] { return n_calls_ == 0; });
  return n_calls_;
}

int CallGate::CutOffStreams(std::chrono::milliseconds unread) {
  const OpenStream::Clock::time_point time = OpenStream::Clock::now() - unread;
  std::lock_guard lock(mutex_);
  return static_cast<int>(
      std::count_if(streams_.begin(), streams_.end(), [time](OpenStream* stream) { return stream->CutOff(time); }));
}

int CallGate::n_calls() const {
  std::lock_guard lock(mutex_);
  return n_calls_;
}

int64_t CallGate::n_answered() const {
  std::lock_guard lock(mutex_);
  return n_answered_;
}

}  // namespace kindred
