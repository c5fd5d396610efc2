#include "serving/service.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <atomic>

#include "host/text/text.h"
#include "serving/handlers.h"
#include "serving/item_handlers.h"
#include "serving/recommend_stream.h"
#include "serving/recommender.h"
#include "serving/user_stream.h"

namespace kindred {
namespace {

constexpr size_t kMaxReason = 2000;

google::protobuf::Timestamp ToTimestamp(std::chrono::system_clock::time_point time) {
  return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
      std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count());
}

void Fill(const ServedModel& from, v1::ModelInfo* to) {
  const ModelView& model = from.ranker->model();
  to->set_name(from.name);
  to->set_version(from.version);
  to->set_digest(from.digest);
  to->set_algorithm(model.algorithm);
  to->set_n_users(model.n_users());
  to->set_n_items(model.n_items());
  to->set_n_factors(model.n_factors());
  to->set_nnz(model.history.nnz());
  to->set_created_at(from.created_at);
  *to->mutable_loaded_at() = ToTimestamp(from.loaded_at);
  to->set_bytes(from.bytes);
  FillAttributes(from.items->own(), to);
}

void Fill(const BackendStatus& from, v1::BackendInfo* to) {
  to->set_name(from.device.backend);
  to->set_device(from.device.device);
  to->set_instruction_set(from.device.instruction_set);
  to->set_reason(Printable(from.reason, kMaxReason));
  to->set_degraded(from.degraded);
  to->set_degraded_reason(Printable(from.degraded_reason, kMaxReason));
}

void Fill(const LoadFailures& from, v1::LoadFailures* to) {
  to->set_count(from.count);
  if (from.count == 0) return;
  to->set_last_version(from.last_version);
  to->set_last_reason(from.last_reason);
  *to->mutable_last_at() = ToTimestamp(from.last_at);
}

}  // namespace

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

/// One call, from its arrival until its reply is written out. Deletes itself then.
class RecommenderService::Call final : public grpc::ServerUnaryReactor {
 public:
  explicit Call(RecommenderService& service) : service_(service), entered_(service.Enter()) {}

  /// OK, or what to finish with at once.
  const grpc::Status& entered() const { return entered_; }
  bool cancelled() const { return cancelled_; }

  void OnCancel() override { cancelled_ = true; }
  void OnDone() override {
    if (entered_.ok()) service_.Leave();
    delete this;
  }

 private:
  RecommenderService& service_;
  const grpc::Status entered_;
  std::atomic<bool> cancelled_ = false;
};

RecommenderService::RecommenderService(Executor& executor, const ModelWatcher& models, const Failover& failover,
                                       std::string version, ItemState* item_state, Scenarios scenarios, int max_streams)
    : executor_(executor),
      models_(models),
      failover_(failover),
      version_(std::move(version)),
      item_state_(item_state),
      scenarios_(std::move(scenarios)),
      max_streams_(max_streams) {}

template <class Request, class Reply, class Handler>
grpc::ServerUnaryReactor* RecommenderService::Dispatch(grpc::CallbackServerContext* context, const Request* request,
                                                       Reply* reply, Handler handle, bool alone) {
  Call* call = new Call(*this);
  if (!call->entered().ok()) {
    call->Finish(call->entered());
    return call;
  }
  Job job;
  job.run = [this, call, request, reply, handle](CallContext& own) {
    const std::shared_ptr<const ServedModel> model = models_.Current();
    call->Finish(handle(own, model.get(), *request, reply));
  };
  job.refuse = [call](Refusal refusal) { call->Finish(ToStatus(refusal)); };
  job.cancelled = [call] { return call->cancelled(); };
  job.deadline = context->deadline();
  job.alone = alone;
  executor_.Submit(std::move(job));
  return call;
}

grpc::ServerUnaryReactor* RecommenderService::Recommend(grpc::CallbackServerContext* context,
                                                        const v1::RecommendRequest* request,
                                                        v1::RecommendReply* reply) {
  return Dispatch(context, request, reply,
                  [this](CallContext& own, const auto* model, const auto& asked, auto* answer) {
                    return HandleRecommend(own, model, asked, answer, scenarios_);
                  });
}

grpc::ServerUnaryReactor* RecommenderService::BatchRecommend(grpc::CallbackServerContext* context,
                                                             const v1::BatchRecommendRequest* request,
                                                             v1::BatchRecommendReply* reply) {
  return Dispatch(context, request, reply,
                  [this](CallContext& own, const auto* model, const auto& asked, auto* answer) {
                    return HandleBatchRecommend(own, model, asked, answer, scenarios_);
                  });
}

grpc::ServerUnaryReactor* RecommenderService::SimilarItems(grpc::CallbackServerContext* context,
                                                           const v1::SimilarItemsRequest* request,
                                                           v1::SimilarItemsReply* reply) {
  return Dispatch(context, request, reply,
                  [this](CallContext& own, const auto* model, const auto& asked, auto* answer) {
                    return HandleSimilarItems(own, model, asked, answer, scenarios_);
                  });
}

grpc::ServerUnaryReactor* RecommenderService::Explain(grpc::CallbackServerContext* context,
                                                      const v1::ExplainRequest* request, v1::ExplainReply* reply) {
  return Dispatch(context, request, reply, &HandleExplain);
}

grpc::ServerUnaryReactor* RecommenderService::UpdateItems(grpc::CallbackServerContext* context,
                                                          const v1::UpdateItemsRequest* request,
                                                          v1::UpdateItemsReply* reply) {
  const auto update = [state = item_state_](CallContext&, const ServedModel* model, const auto& asked, auto* answer) {
    return HandleUpdateItems(state, model, asked, answer);
  };
  return Dispatch(context, request, reply, update, true);  // they wait for the disk
}

grpc::ServerUnaryReactor* RecommenderService::GetItem(grpc::CallbackServerContext* context,
                                                      const v1::GetItemRequest* request, v1::Item* reply) {
  return Dispatch(context, request, reply,
                  [state = item_state_](CallContext&, const ServedModel* model, const auto& asked, auto* answer) {
                    return HandleGetItem(state, model, asked, answer);
                  });
}

grpc::ServerUnaryReactor* RecommenderService::SimilarUsers(grpc::CallbackServerContext* context,
                                                           const v1::SimilarUsersRequest* request,
                                                           v1::SimilarUsersReply* reply) {
  return Dispatch(context, request, reply, &HandleSimilarUsers);
}

grpc::ServerUnaryReactor* RecommenderService::UsersForItem(grpc::CallbackServerContext* context,
                                                           const v1::UsersForItemRequest* request,
                                                           v1::UsersForItemReply* reply) {
  return Dispatch(context, request, reply, &HandleUsersForItem);
}

grpc::ServerUnaryReactor* RecommenderService::GetPopular(grpc::CallbackServerContext* context,
                                                         const v1::GetPopularRequest* request,
                                                         v1::GetPopularReply* reply) {
  return Dispatch(context, request, reply, &HandleGetPopular);
}

grpc::ServerWriteReactor<v1::UsersForItemReply>* RecommenderService::StreamUsersForItem(
    grpc::CallbackServerContext* context, const v1::UsersForItemRequest* request) {
  return new UserStream(*this, *context, *request);
}

grpc::ServerBidiReactor<v1::RecommendRequest, v1::BatchResult>* RecommenderService::StreamRecommend(
    grpc::CallbackServerContext* context) {
  return new Stream(*this, *context);
}

grpc::ServerUnaryReactor* RecommenderService::GetServerInfo(grpc::CallbackServerContext*,
                                                            const v1::GetServerInfoRequest* request,
                                                            v1::ServerInfo* reply) {
  Call* call = new Call(*this);
  grpc::Status status = call->entered().ok() ? CheckServed(*request) : call->entered();
  if (status.ok()) FillInfo(reply);
  call->Finish(std::move(status));
  return call;
}

void RecommenderService::FillInfo(v1::ServerInfo* info) const {
  info->set_server_version(version_);
  if (const auto model = models_.Current()) Fill(*model, info->mutable_model());
  Fill(failover_.status(), info->mutable_backend());
  info->mutable_backend()->set_n_threads(executor_.n_workers());
  v1::Limits* limits = info->mutable_limits();
  limits->set_max_n(kMaxN);
  limits->set_max_batch(kMaxBatch);
  limits->set_max_history(kMaxHistory);
  limits->set_max_request_bytes(kMaxRequestBytes);
  limits->set_max_queue(executor_.max_queue());
  limits->set_max_item_updates(kMaxItemUpdates);
  limits->set_max_item_changes(kMaxItemChanges);
  limits->set_max_item_id_bytes(kMaxItemIdBytes);
  limits->set_max_item_tags(kMaxItemTags);
  limits->set_max_streams(max_streams_);
  limits->set_max_unread_seconds(static_cast<int32_t>(kMaxUnread.count()));
  Fill(models_.failures(), info->mutable_load_failures());
  if (item_state_ != nullptr) FillState(item_state_->info(), info->mutable_item_state());
  info->set_uptime_seconds(std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
  std::lock_guard lock(mutex_);
  info->set_calls_in_flight(n_calls_);
}

int RecommenderService::Drain(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  for (OpenStream* stream : streams_) stream->Stop();
  idle_.wait_for(lock, time, [this] { return n_calls_ == 0; });
  return n_calls_;
}

int64_t RecommenderService::n_answered() const {
  std::lock_guard lock(mutex_);
  return n_answered_;
}

int RecommenderService::CutOffStreams(std::chrono::milliseconds unread) {
  const OpenStream::Clock::time_point time = OpenStream::Clock::now() - unread;
  std::lock_guard lock(mutex_);
  return static_cast<int>(
      std::count_if(streams_.begin(), streams_.end(), [time](OpenStream* stream) { return stream->CutOff(time); }));
}

grpc::Status RecommenderService::Enter(OpenStream* stream) {
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

void RecommenderService::Leave(OpenStream* stream) {
  std::lock_guard lock(mutex_);
  streams_.erase(stream);
  ++n_answered_;
  if (--n_calls_ == 0) idle_.notify_all();
}

}  // namespace kindred
