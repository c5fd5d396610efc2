// What the service knows of a stream of either kind, from its acceptance to its end.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>

#include "serving/service.h"

namespace kindred {

class RecommenderService::OpenStream {
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
  OpenStream(RecommenderService& service, const grpc::CallbackServerContext& context)
      : service_(service), context_(context) {}
  ~OpenStream() = default;

  /// The last thing that a constructor does before it starts anything: from here on Stop and CutOff are called.
  grpc::Status Enter() {
    grpc::Status status = service_.Enter(this);
    accepted_ = status.ok();
    return status;
  }
  /// The last thing that a stream does.
  void Leave() {
    if (accepted_) service_.Leave(this);
  }
  void WriteBegins() { write_began_ = Clock::now(); }
  void WriteEnded() { write_began_ = Clock::time_point::max(); }

  RecommenderService& service_;
  const grpc::CallbackServerContext& context_;
  std::atomic<bool> cancelled_ = false;

 private:
  bool accepted_ = false;
  bool cut_off_ = false;  // touched under the service's lock alone
  std::atomic<Clock::time_point> write_began_ = Clock::time_point::max();
};

}  // namespace kindred
