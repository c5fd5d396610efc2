#include "serving/service.h"

#include <utility>

#include "host/text/text.h"
#include "serving/handlers.h"
#include "serving/item_handlers.h"
#include "serving/page_stream.h"
#include "serving/recommend_stream.h"
#include "serving/recommender.h"
#include "serving/segment_assignment.h"
#include "serving/segment_handlers.h"
#include "serving/served_fields.h"
#include "serving/unary_call.h"

namespace kindred {
namespace {

constexpr size_t kMaxReason = 2000;

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

RecommenderService::RecommenderService(ServiceParts parts)
    : gate_(parts.gate),
      executor_(parts.executor),
      failover_(parts.failover),
      models_(parts.models),
      segments_(parts.segments),
      version_(std::move(parts.version)),
      item_state_(parts.item_state),
      scenarios_(std::move(parts.scenarios)) {}

std::shared_ptr<const ServedModel> RecommenderService::Current(grpc::Status* status) const {
  if (models_ != nullptr) return models_->Current();
  *status = {grpc::StatusCode::FAILED_PRECONDITION,
             "the server has no model to recommend with; start it with `kindred serve --model NAME`"};
  return nullptr;
}

template <class Request, class Reply, class Handler>
grpc::ServerUnaryReactor* RecommenderService::Dispatch(const grpc::CallbackServerContext* context,
                                                       const Request* request, Reply* reply, Handler handle,
                                                       bool alone) {
  const auto answer = [this, request, reply, handle](CallContext& own) {
    grpc::Status status;
    const std::shared_ptr<const ServedModel> model = Current(&status);
    return status.ok() ? handle(own, model.get(), *request, reply) : status;
  };
  return kindred::Dispatch(gate_, executor_, context, answer, alone);
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
  struct List {
    std::shared_ptr<const ServedModel> model;
    RankedUsers users;
    size_t n_written = 0;
    bool first = true;  // a list without users is a reply, too
  };
  using Users = PageStream<v1::UsersForItemReply>;
  return new Users(gate_, executor_, *context, [this, request](CallContext& own, Users::Pages* pages) {
    grpc::Status status;
    const auto list = std::make_shared<List>();
    list->model = Current(&status);
    if (status.ok()) status = HandleStreamUsersForItem(own, list->model.get(), *request, &list->users);
    *pages = [list](v1::UsersForItemReply* page) {
      if (!std::exchange(list->first, false) && list->n_written == list->users.users.size()) return false;
      list->n_written += FillUsers(*list->model, list->users, list->n_written, page);
      return true;
    };
    return status;
  });
}

grpc::ServerBidiReactor<v1::RecommendRequest, v1::BatchResult>* RecommenderService::StreamRecommend(
    grpc::CallbackServerContext* context) {
  return new Stream(*this, *context);
}

grpc::ServerUnaryReactor* RecommenderService::GetServerInfo(grpc::CallbackServerContext*,
                                                            const v1::GetServerInfoRequest* request,
                                                            v1::ServerInfo* reply) {
  auto* call = new UnaryCall(gate_);
  grpc::Status status = call->entered().ok() ? CheckServed(*request) : call->entered();
  if (status.ok()) FillInfo(reply);
  call->Finish(std::move(status));
  return call;
}

void RecommenderService::FillInfo(v1::ServerInfo* info) const {
  info->set_server_version(version_);
  if (models_ != nullptr) {
    if (const auto model = models_->Current()) Fill(*model, info->mutable_model());
  }
  if (segments_ != nullptr) {
    if (const auto segments = segments_->Current()) FillSegmentsInfo(*segments, info->mutable_segments());
    Fill(segments_->failures(), info->mutable_segments_load_failures());
  }
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
  limits->set_max_streams(gate_.max_streams());
  limits->set_max_unread_seconds(static_cast<int32_t>(kMaxUnread.count()));
  limits->set_max_events(kMaxEvents);
  limits->set_max_features(kMaxFeatureValues);
  limits->set_max_export_columns(kMaxExportColumns);
  Fill(models_ == nullptr ? LoadFailures() : models_->failures(), info->mutable_load_failures());
  if (item_state_ != nullptr) FillState(item_state_->info(), info->mutable_item_state());
  info->set_uptime_seconds(std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
  info->set_calls_in_flight(gate_.n_calls());
}

}  // namespace kindred
