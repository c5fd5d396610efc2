#include "serving/user_stream.h"

#include "serving/handlers.h"

namespace kindred {

RecommenderService::UserStream::UserStream(RecommenderService& service, const grpc::CallbackServerContext& context,
                                           const v1::UsersForItemRequest& request)
    : OpenStream(service, context), request_(request) {
  grpc::Status entered = Enter();
  entered.ok() ? Submit() : Finish(std::move(entered));
}

void RecommenderService::UserStream::Submit() {
  Job job;
  job.run = [this](CallContext& own) {
    model_ = service_.models_.Current();
    const grpc::Status status = HandleStreamUsersForItem(own, model_.get(), request_, &list_);
    status.ok() ? WriteNext() : Finish(status);
  };
  job.refuse = [this](Refusal refusal) { Finish(ToStatus(refusal)); };
  job.cancelled = [this] { return cancelled_.load(); };
  job.deadline = context_.deadline();
  service_.executor_.Submit(std::move(job));
}

void RecommenderService::UserStream::WriteNext() {
  if (!first_ && n_written_ == list_.users.size()) return Finish(grpc::Status::OK);
  first_ = false;
  n_written_ += FillUsers(*model_, list_, n_written_, &reply_);
  WriteBegins();
  StartWrite(&reply_);
}

void RecommenderService::UserStream::OnWriteDone(bool ok) {
  WriteEnded();
  ok ? WriteNext() : Finish(grpc::Status::CANCELLED);
}

void RecommenderService::UserStream::OnDone() {
  Leave();
  delete this;
}

}  // namespace kindred
