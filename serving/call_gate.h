// Which calls and streams are under way, of all services of a server: who may come in, and when the last has left.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <unordered_set>

#include "serving/executor.h"

namespace kindred {

/// Streams that may be open, unless the server is told otherwise.
inline constexpr int kMaxStreams = 256;
/// How long a reply of a stream may wait for its client to read.
inline constexpr std::chrono::seconds kMaxUnread{60};

class OpenStream;

/// Thread-safe. Outlives the calls that have entered.
class CallGate {
 public:
  /// At most `max_streams` are open.
  explicit CallGate(int max_streams = kMaxStreams) : max_streams_(max_streams) {}
  CallGate(const CallGate&) = delete;
  CallGate& operator=(const CallGate&) = delete;

  /// OK where a call, of this stream if it is one, is accepted; those that are leave at their end.
  grpc::Status Enter(OpenStream* stream = nullptr);
  void Leave(OpenStream* stream = nullptr);

  /// Refuses new calls (UNAVAILABLE) and waits until those accepted before are answered, at most `time`; streams read
  /// no more requests. Returns how many are not.
  int Drain(std::chrono::milliseconds time);
  /// Cancels the streams that have had a reply under way for `unread` or longer: what they hold is held for a client
  /// that does not read. Returns how many. Somebody must call it again and again.
  int CutOffStreams(std::chrono::milliseconds unread);

  int max_streams() const { return max_streams_; }
  /// Calls that are accepted, and not yet written out.
  int n_calls() const;
  /// Calls that have ended since the start, with a reply or another status.
  int64_t n_answered() const;

 private:
  const int max_streams_;
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  int n_calls_ = 0;
  int64_t n_answered_ = 0;
  std::unordered_set<OpenStream*> streams_;  // of these calls
  bool stopping_ = false;
};

/// The status of a call, or of a request of a stream, that the executor refuses.
grpc::Status ToStatus(Refusal refusal);

}  // namespace kindred
