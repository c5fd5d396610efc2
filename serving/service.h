// kindred.v1.Recommender on gRPC's callback API: hands every call to the executor and never blocks.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "kindred/v1/recommender.grpc.pb.h"
#include "serving/call_gate.h"
#include "serving/executor.h"
#include "serving/failover.h"
#include "serving/model_watcher.h"
#include "serving/scenarios.h"
#include "serving/segment_watcher.h"

namespace kindred {

inline constexpr int kMaxRequestBytes = 4 << 20;

/// What calls are answered with. The pointed-to outlive the service.
struct ServiceParts {
  CallGate& gate;
  Executor& executor;
  const Failover& failover;
  const ModelWatcher* models = nullptr;      // null: the server has no model
  const SegmentWatcher* segments = nullptr;  // likewise; for GetServerInfo
  std::string version;                       // the program's
  ItemState* item_state = nullptr;           // null: the server keeps none
  Scenarios scenarios = {};
};

class RecommenderService final : public v1::Recommender::CallbackService {
 public:
  explicit RecommenderService(ServiceParts parts);

  grpc::ServerUnaryReactor* Recommend(grpc::CallbackServerContext* context, const v1::RecommendRequest* request,
                                      v1::RecommendReply* reply) override;
  grpc::ServerUnaryReactor* BatchRecommend(grpc::CallbackServerContext* context,
                                           const v1::BatchRecommendRequest* request,
                                           v1::BatchRecommendReply* reply) override;
  grpc::ServerUnaryReactor* SimilarItems(grpc::CallbackServerContext* context, const v1::SimilarItemsRequest* request,
                                         v1::SimilarItemsReply* reply) override;
  grpc::ServerUnaryReactor* Explain(grpc::CallbackServerContext* context, const v1::ExplainRequest* request,
                                    v1::ExplainReply* reply) override;
  grpc::ServerUnaryReactor* SimilarUsers(grpc::CallbackServerContext* context, const v1::SimilarUsersRequest* request,
                                         v1::SimilarUsersReply* reply) override;
  grpc::ServerUnaryReactor* UsersForItem(grpc::CallbackServerContext* context, const v1::UsersForItemRequest* request,
                                         v1::UsersForItemReply* reply) override;
  grpc::ServerUnaryReactor* GetPopular(grpc::CallbackServerContext* context, const v1::GetPopularRequest* request,
                                       v1::GetPopularReply* reply) override;
  grpc::ServerWriteReactor<v1::UsersForItemReply>* StreamUsersForItem(grpc::CallbackServerContext* context,
                                                                      const v1::UsersForItemRequest* request) override;
  grpc::ServerBidiReactor<v1::RecommendRequest, v1::BatchResult>* StreamRecommend(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context, const v1::GetServerInfoRequest* request,
                                          v1::ServerInfo* reply) override;
  grpc::ServerUnaryReactor* UpdateItems(grpc::CallbackServerContext* context, const v1::UpdateItemsRequest* request,
                                        v1::UpdateItemsReply* reply) override;
  grpc::ServerUnaryReactor* GetItem(grpc::CallbackServerContext* context, const v1::GetItemRequest* request,
                                    v1::Item* reply) override;

 private:
  class Stream;

  /// A call holds one version from here to its end, so no reply mixes two: handle(context, model, request, reply).
  /// `alone`: as Job has it.
  template <class Request, class Reply, class Handler>
  grpc::ServerUnaryReactor* Dispatch(const grpc::CallbackServerContext* context, const Request* request, Reply* reply,
                                     Handler handle, bool alone = false);
  void FillInfo(v1::ServerInfo* info) const;
  /// What calls are answered from now; null where no version is loaded. `*status` is not OK where there is none to
  /// load.
  std::shared_ptr<const ServedModel> Current(grpc::Status* status) const;

  CallGate& gate_;
  Executor& executor_;
  const Failover& failover_;
  const ModelWatcher* const models_;
  const SegmentWatcher* const segments_;
  const std::string version_;
  ItemState* const item_state_;
  const Scenarios scenarios_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace kindred
