// What each method of the API does with a message: checks it, asks the recommender, fills the reply.
// Plain functions of (context, model, request), so that they run without a network.
#pragma once

#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/support/status.h>

#include <chrono>

#include "kindred/v1/recommender.pb.h"
#include "serving/model_watcher.h"
#include "serving/ranked_users.h"
#include "serving/scenarios.h"

namespace kindred {

/// None of these throw. A null model is UNAVAILABLE.
grpc::Status HandleRecommend(CallContext& context, const ServedModel* model, const v1::RecommendRequest& request,
                             v1::RecommendReply* reply, const Scenarios& scenarios = {});
grpc::Status HandleBatchRecommend(CallContext& context, const ServedModel* model,
                                  const v1::BatchRecommendRequest& request, v1::BatchRecommendReply* reply,
                                  const Scenarios& scenarios = {});
grpc::Status HandleSimilarItems(CallContext& context, const ServedModel* model, const v1::SimilarItemsRequest& request,
                                v1::SimilarItemsReply* reply, const Scenarios& scenarios = {});
grpc::Status HandleSimilarUsers(CallContext& context, const ServedModel* model, const v1::SimilarUsersRequest& request,
                                v1::SimilarUsersReply* reply);
grpc::Status HandleUsersForItem(CallContext& context, const ServedModel* model, const v1::UsersForItemRequest& request,
                                v1::UsersForItemReply* reply);
/// The list that a stream of replies is made of, each by FillUsers: at most kMaxN users, from number `first` on;
/// returns how many. The last one has the shortfall.
grpc::Status HandleStreamUsersForItem(CallContext& context, const ServedModel* model,
                                      const v1::UsersForItemRequest& request, RankedUsers* list);
size_t FillUsers(const ServedModel& model, const RankedUsers& list, size_t first, v1::UsersForItemReply* reply);
grpc::Status HandleGetPopular(CallContext& context, const ServedModel* model, const v1::GetPopularRequest& request,
                              v1::GetPopularReply* reply);
grpc::Status HandleExplain(CallContext& context, const ServedModel* model, const v1::ExplainRequest& request,
                           v1::ExplainReply* reply);

EventExclusion ToExclusion(const v1::EventExclusion& from);
/// Views into both: what the request says, and else the scenario. Throws kInvalidArgument naming a name of the context.
QueryConditions ToConditions(const v1::RecommendRequest& request, const v1::RecommendRequest& scenario);
RequestedRules ToRules(const v1::RecommendRequest& request, const v1::RecommendRequest& scenario);

google::protobuf::Timestamp ToTimestamp(std::chrono::system_clock::time_point time);

/// The status a caller sees for an error of Kindred's.
grpc::Status ToStatus(const Error& error);
/// And in a batch.
void FillError(const grpc::Status& status, v1::Status* error);

}  // namespace kindred
