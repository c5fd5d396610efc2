// Cursors in requests and replies (serving/cursor.h): which version and which request they belong to.
#pragma once

#include <grpcpp/support/status.h>

#include "kindred/v1/recommender.pb.h"
#include "serving/model_watcher.h"
#include "serving/recommender.h"
#include "serving/scenarios.h"

namespace kindred {

/// Lets the query go on where the request's cursor says, if it has one. INVALID_ARGUMENT for a text that is no cursor,
/// or one of another request; FAILED_PRECONDITION for one of another version. Costs a pass over the request, with its
/// scenario applied.
grpc::Status Continue(const ServedModel& model, const Scenarios& scenarios, const v1::RecommendRequest& request,
                      RecommendQuery* query);

/// FAILED_PRECONDITION where what was found has other items to choose from than the query's earlier pages.
grpc::Status CheckSameItems(const RecommendQuery& query, const Recommendation& found);

/// Gives the reply to a query the cursor of its next page, where there may be one.
void SetNextCursor(const ServedModel& model, const Scenarios& scenarios, const v1::RecommendRequest& request,
                   const RecommendQuery& query, const Recommendation& found, v1::RecommendReply* reply);

}  // namespace kindred
