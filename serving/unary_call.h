// One call with one reply: through the gate to a worker of the executor, and out.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <utility>

#include "serving/call_gate.h"
#include "serving/executor.h"

namespace kindred {

/// From the call's arrival until its reply is written out. Deletes itself then.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  explicit UnaryCall(CallGate& gate) : gate_(gate), entered_(gate.Enter()) {}

  /// OK, or what to finish with at once.
  const grpc::Status& entered() const { return entered_; }
  bool cancelled() const { return cancelled_; }

  void OnCancel() override { cancelled_ = true; }
  void OnDone() override {
    if (entered_.ok()) gate_.Leave();
    delete this;
  }

 private:
  CallGate& gate_;
  const grpc::Status entered_;
  std::atomic<bool> cancelled_ = false;
};

/// The call is answered by a job: handle(context) returns its status. `alone`: as Job has it.
template <class Handler>
grpc::ServerUnaryReactor* Dispatch(CallGate& gate, Executor& executor, const grpc::CallbackServerContext* context,
                                   Handler handle, bool alone = false) {
  auto* call = new UnaryCall(gate);
  if (!call->entered().ok()) {
    call->Finish(call->entered());
    return call;
  }
  Job job;
  job.run = [call, handle = std::move(handle)](CallContext& own) { call->Finish(handle(own)); };
  job.refuse = [call](Refusal refusal) { call->Finish(ToStatus(refusal)); };
  job.cancelled = [call] { return call->cancelled(); };
  job.deadline = context->deadline();
  job.alone = alone;
  executor.Submit(std::move(job));
  return call;
}

}  // namespace kindred
