#include "serving/recommend_stream.h"

#include <utility>

#include "serving/handlers.h"

namespace kindred {

RecommenderService::Stream::Stream(RecommenderService& service, const grpc::CallbackServerContext& context)
    : OpenStream(service.gate_, context), service_(service) {
  grpc::Status entered = Enter();
  std::unique_lock lock(mutex_);
  if (!entered.ok()) {
    ended_ = broken_ = true;
    status_ = std::move(entered);
  }
  Advance(std::move(lock));
}

void RecommenderService::Stream::Stop() {
  std::unique_lock lock(mutex_);
  if (!ended_) status_ = ToStatus(Refusal::kStopped);
  ended_ = true;
  Advance(std::move(lock));
}

void RecommenderService::Stream::OnReadDone(bool ok) {
  std::unique_lock lock(mutex_);
  reading_ = false;
  if (!ok) {
    ended_ = true;
  } else if (!ended_) {
    waiting_bytes_ += incoming_.ByteSizeLong();
    waiting_.add_requests()->Swap(&incoming_);
  }
  Advance(std::move(lock));
}

void RecommenderService::Stream::OnWriteDone(bool ok) {
  std::unique_lock lock(mutex_);
  WriteEnded();
  writing_ = false;
  ready_.pop_front();
  if (!ok) {
    ended_ = broken_ = true;
    status_ = grpc::Status::CANCELLED;
  }
  Advance(std::move(lock));
}

void RecommenderService::Stream::OnDone() {
  Leave();
  delete this;
}

bool RecommenderService::Stream::HasRoom() const {
  return waiting_bytes_ + job_bytes_ < kMaxRequestBytes &&
         waiting_.requests_size() + job_.requests_size() + static_cast<int>(ready_.size()) < kStreamWindow;
}

void RecommenderService::Stream::Advance(std::unique_lock<std::mutex> lock) {
  if (broken_) waiting_.Clear();
  if (broken_ && !writing_) ready_.clear();
  if (!writing_ && !ready_.empty()) {
    writing_ = true;
    WriteBegins();
    StartWrite(&ready_.front());
  }
  const bool submit = !running_ && waiting_.requests_size() > 0;
  if (submit) {
    running_ = true;
    job_.Swap(&waiting_);
    job_bytes_ = std::exchange(waiting_bytes_, 0);
  }
  if (!reading_ && !ended_ && HasRoom()) {
    reading_ = true;
    StartRead(&incoming_);
  }
  const bool finish = ended_ && !running_ && !writing_ && !finished_;
  if (finish) finished_ = true;
  lock.unlock();
  // Nothing ends the call before either of these does.
  if (finish) Finish(status_);
  if (submit) Submit();
}

void RecommenderService::Stream::Submit() {
  Job job;
  job.run = [this](CallContext& own) {
    v1::BatchRecommendReply replies;
    grpc::Status status;
    const std::shared_ptr<const ServedModel> model = service_.Current(&status);
    if (status.ok()) status = HandleBatchRecommend(own, model.get(), job_, &replies, service_.scenarios_);
    Answered(status, std::move(replies));
  };
  job.refuse = [this](Refusal refusal) { Refused(refusal); };
  job.cancelled = [this] { return cancelled_.load(); };
  job.deadline = context_.deadline();
  service_.executor_.Submit(std::move(job));
}

void RecommenderService::Stream::Answered(const grpc::Status& status, v1::BatchRecommendReply replies) {
  std::unique_lock lock(mutex_);
  if (!status.ok()) {
    replies.Clear();
    for (int i = 0; i < job_.requests_size(); ++i) FillError(status, replies.add_results()->mutable_error());
  }
  for (v1::BatchResult& result : *replies.mutable_results()) ready_.emplace_back().Swap(&result);
  job_.Clear();
  job_bytes_ = 0;
  running_ = false;
  Advance(std::move(lock));
}

void RecommenderService::Stream::Refused(Refusal refusal) {
  if (refusal == Refusal::kQueueFull) return Answered(ToStatus(refusal), {});
  std::unique_lock lock(mutex_);
  job_.Clear();
  running_ = false;
  ended_ = broken_ = true;
  status_ = ToStatus(refusal);
  Advance(std::move(lock));
}

}  // namespace kindred
