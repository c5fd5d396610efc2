#include "serving/recommend_stream.h"

#include "serving/handlers.h"

namespace kindred {

RecommenderService::Stream::Stream(RecommenderService& service, const grpc::CallbackServerContext& context)
    : service_(service), deadline_(context.deadline()), accepted_(service.Enter(this)) {
  if (!accepted_) {
    ended_ = broken_ = true;
    status_ = ToStatus(Refusal::kStopped);
  }
  Advance();
}

void RecommenderService::Stream::Stop() {
  {
    std::lock_guard lock(mutex_);
    if (!ended_) status_ = ToStatus(Refusal::kStopped);
    ended_ = true;
  }
  Advance();
}

void RecommenderService::Stream::OnReadDone(bool ok) {
  {
    std::lock_guard lock(mutex_);
    reading_ = false;
    if (!ok) {
      ended_ = true;
    } else {
      waiting_bytes_ += incoming_.ByteSizeLong();
      waiting_.add_requests()->Swap(&incoming_);
    }
  }
  Advance();
}

void RecommenderService::Stream::OnWriteDone(bool ok) {
  {
    std::lock_guard lock(mutex_);
    writing_ = false;
    ready_.pop_front();
    if (!ok) {
      ended_ = broken_ = true;
      status_ = grpc::Status::CANCELLED;
    }
  }
  Advance();
}

void RecommenderService::Stream::OnDone() {
  if (accepted_) service_.Leave(this);
  delete this;
}

bool RecommenderService::Stream::HasRoom() const {
  return waiting_bytes_ < kMaxRequestBytes &&
         waiting_.requests_size() + job_.requests_size() + static_cast<int>(ready_.size()) < kStreamWindow;
}

void RecommenderService::Stream::Advance() {
  bool submit = false, finish = false;
  grpc::Status status;
  {
    std::lock_guard lock(mutex_);
    if (broken_) waiting_.Clear();
    if (broken_ && !writing_) ready_.clear();
    if (!writing_ && !ready_.empty()) {
      writing_ = true;
      StartWrite(&ready_.front());
    }
    if (!running_ && waiting_.requests_size() > 0) {
      running_ = submit = true;
      job_.Swap(&waiting_);
      waiting_bytes_ = 0;
    }
    if (!reading_ && !ended_ && HasRoom()) {
      reading_ = true;
      StartRead(&incoming_);
    }
    if (ended_ && !running_ && !writing_ && !finished_) {
      finished_ = finish = true;
      status = status_;
    }
  }
  if (finish) Finish(std::move(status));
  if (submit) Submit();
}

void RecommenderService::Stream::Submit() {
  Job job;
  job.run = [this](CallContext& own) {
    v1::BatchRecommendReply replies;
    const std::shared_ptr<const ServedModel> model = service_.models_.Current();
    const grpc::Status status = HandleBatchRecommend(own, model.get(), job_, &replies, service_.scenarios_);
    Answered(status, std::move(replies));
  };
  job.refuse = [this](Refusal refusal) { Refused(refusal); };
  job.cancelled = [this] { return cancelled_.load(); };
  job.deadline = deadline_;
  service_.executor_.Submit(std::move(job));
}

void RecommenderService::Stream::Answered(const grpc::Status& status, v1::BatchRecommendReply replies) {
  {
    std::lock_guard lock(mutex_);
    if (!status.ok()) {
      replies.Clear();
      for (int i = 0; i < job_.requests_size(); ++i) FillError(status, replies.add_results());
    }
    for (v1::BatchResult& result : *replies.mutable_results()) ready_.emplace_back().Swap(&result);
    job_.Clear();
    running_ = false;
  }
  Advance();
}

void RecommenderService::Stream::Refused(Refusal refusal) {
  if (refusal == Refusal::kQueueFull) return Answered(ToStatus(refusal), {});
  {
    std::lock_guard lock(mutex_);
    job_.Clear();
    running_ = false;
    ended_ = broken_ = true;
    status_ = ToStatus(refusal);
  }
  Advance();
}

}  // namespace kindred
