// One call that is answered by a stream of pages: a job of the executor makes what they are taken from, and each is
// written when the one before it has gone; no thread waits for a client that reads slowly.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <new>
#include <utility>

#include "serving/executor.h"
#include "serving/open_stream.h"

namespace kindred {

/// Deletes itself when the call has ended. Memory meanwhile: what the pages are taken from, and one of them.
template <class Reply>
class PageStream final : public OpenStream, public grpc::ServerWriteReactor<Reply> {
 public:
  /// Fills a page, anew; returns false where there is none any more.
  using Pages = std::function<bool(Reply* page)>;
  /// Makes what they are taken from; where it returns no OK, the call ends with that.
  using Begin = std::function<grpc::Status(CallContext& context, Pages* pages)>;

  PageStream(CallGate& gate, Executor& executor, const grpc::CallbackServerContext& context, Begin begin)
      : OpenStream(gate, context), begin_(std::move(begin)) {
    grpc::Status entered = Enter();
    entered.ok() ? Submit(executor) : this->Finish(std::move(entered));
  }

  void OnWriteDone(bool ok) override {
    WriteEnded();
    ok ? WriteNext() : this->Finish(grpc::Status::CANCELLED);
  }
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override {
    Leave();
    delete this;
  }

 private:
  void Submit(Executor& executor) {
    Job job;
    job.run = [this](CallContext& own) {
      grpc::Status status = begin_(own, &pages_);
      status.ok() ? WriteNext() : this->Finish(std::move(status));
    };
    job.refuse = [this](Refusal refusal) { this->Finish(ToStatus(refusal)); };
    job.cancelled = [this] { return cancelled_.load(); };
    job.deadline = context_.deadline();
    executor.Submit(std::move(job));
  }

  /// Writes the next page, or ends the call; the stream may be gone when it returns.
  void WriteNext() {
    try {
      if (!pages_(&page_)) return this->Finish(grpc::Status::OK);
    } catch (const std::bad_alloc&) {
      return this->Finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "out of memory"});
    }
    WriteBegins();
    this->StartWrite(&page_);
  }

  const Begin begin_;
  Pages pages_;
  Reply page_;
};

}  // namespace kindred
