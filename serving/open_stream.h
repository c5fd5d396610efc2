// What the gate knows of a stream of any kind, from its acceptance to its end.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>

#include "serving/call_gate.h"

namespace kindred {

class OpenStream {
 public:
  using Clock = std::chrono::steady_clock;

  /// The server is stopping.
  virtual void Stop() {}

  /// Cancels the call where a reply is under way since `time` or longer, once. Returns whether it did.
  bool CutOff(Clock::time_point time) {
    if (cut_off_ || write_began_.load() > time) return false;
    context_.TryCancel();
    return cut_off_ = true;
  }

 protected:
  OpenStream(CallGate& gate, const grpc::CallbackServerContext& context) : context_(context), gate_(gate) {}
  ~OpenStream() = default;

  /// The last thing that a constructor does before it starts anything: from here on Stop and CutOff are called.
  grpc::Status Enter() {
    grpc::Status status = gate_.Enter(this);
    accepted_ = status.ok();
    return status;
  }
  /// The last thing that a stream does.
  void Leave() {
    if (accepted_) gate_.Leave(this);
  }
  void WriteBegins() { write_began_ = Clock::now(); }
  void WriteEnded() { write_began_ = Clock::time_point::max(); }

  const grpc::CallbackServerContext& context_;
  std::atomic<bool> cancelled_ = false;

 private:
  CallGate& gate_;
  bool accepted_ = false;
  bool cut_off_ = false;  // touched under the gate's lock alone
  std::atomic<Clock::time_point> write_began_ = Clock::time_point::max();
};

}  // namespace kindred
