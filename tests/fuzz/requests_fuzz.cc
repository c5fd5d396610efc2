// Any bytes as a request: refused with a status that blames the request, or answered with a reply that keeps
// what the API promises. The whole way but for the network.
//
// Input: one byte that picks the method, then the message.
#include <google/protobuf/stubs/logging.h>

#include <cmath>
#include <cstdlib>
#include <set>

#include "kernels/cpu/backend.h"
#include "serving/explain.h"
#include "serving/handlers.h"
#include "serving/recommender.h"
#include "tests/serving/tiny_model.h"

namespace kindred {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void RequireBlame(int code) {
  Require(code == grpc::StatusCode::INVALID_ARGUMENT || code == grpc::StatusCode::NOT_FOUND ||
          code == grpc::StatusCode::UNIMPLEMENTED || code == grpc::StatusCode::FAILED_PRECONDITION);
}

/// Of replies with items, best first.
template <class Reply>
void CheckReply(const Reply& reply, int n, const ModelView& model) {
  Require(reply.items_size() <= n && reply.has_shortfall() == (reply.items_size() < n));
  Require(reply.served_by() != v1::SERVED_BY_UNSPECIFIED && reply.model().version() > 0);
  std::set<std::string> ids;
  for (int i = 0; i < reply.items_size(); ++i) {
    Require(model.items.Find(reply.items(i).item_id()) >= 0 && ids.insert(reply.items(i).item_id()).second);
    Require(i == 0 || reply.items(i).score() <= reply.items(i - 1).score());
  }
}

/// Of replies with users, best first.
template <class Reply>
void CheckUsers(const Reply& reply, int n, const ModelView& model) {
  Require(reply.users_size() <= n && reply.has_shortfall() == (reply.users_size() < n) && reply.model().version() > 0);
  std::set<std::string> ids;
  for (int i = 0; i < reply.users_size(); ++i) {
    Require(model.users.Find(reply.users(i).user_id()) >= 0 && ids.insert(reply.users(i).user_id()).second);
    Require(i == 0 || reply.users(i).score() <= reply.users(i - 1).score());
  }
}

template <class Message>
void CheckTravels(const Message& message) {
  Require(Message().ParseFromString(message.SerializeAsString()));  // not with text that is no UTF-8
}

template <class Request>
int CountOf(const Request& request) {
  return request.has_n() ? request.n() : kDefaultN;
}

class Target {
 public:
  Target() {
    google::protobuf::SetLogHandler(nullptr);  // it would print a line for each input with text that is no UTF-8
  }

  void Run(uint8_t method, const uint8_t* data, int size) {
    if (method % 7 == 0) Recommend(data, size);
    if (method % 7 == 1) BatchRecommend(data, size);
    if (method % 7 == 2) SimilarItems(data, size);
    if (method % 7 == 3) Explain(data, size);
    if (method % 7 == 4) SimilarUsers(data, size);
    if (method % 7 == 5) UsersForItem(data, size);
    if (method % 7 == 6) GetPopular(data, size);
  }

 private:
  void Recommend(const uint8_t* data, int size) {
    v1::RecommendRequest request;
    v1::RecommendReply reply;
    if (!request.ParseFromArray(data, size)) return;
    const grpc::Status status = HandleRecommend(*context_, served_.get(), request, &reply);
    if (!status.ok()) return RequireBlame(status.error_code());
    CheckReply(reply, CountOf(request), model_.view());
    Require(reply.has_cost() == request.explain_cost() && (reply.next_cursor().empty() || !reply.has_shortfall()));
    CheckTravels(reply);
  }

  void BatchRecommend(const uint8_t* data, int size) {
    v1::BatchRecommendRequest batch;
    v1::BatchRecommendReply replies;
    if (!batch.ParseFromArray(data, size)) return;
    const grpc::Status status = HandleBatchRecommend(*context_, served_.get(), batch, &replies);
    if (!status.ok()) return RequireBlame(status.error_code());
    Require(replies.results_size() == batch.requests_size());
    for (int i = 0; i < replies.results_size(); ++i) {
      v1::RecommendReply alone;
      const grpc::Status single = HandleRecommend(*context_, served_.get(), batch.requests(i), &alone);
      Require(replies.results(i).error().code() == single.error_code());
      v1::RecommendReply one = replies.results(i).reply();
      for (v1::RecommendReply* reply : {&one, &alone})
        if (reply->has_cost()) reply->mutable_cost()->clear_microseconds();
      Require(one.SerializeAsString() == alone.SerializeAsString());
    }
    CheckTravels(replies);
  }

  void SimilarItems(const uint8_t* data, int size) {
    v1::SimilarItemsRequest request;
    v1::SimilarItemsReply reply;
    if (!request.ParseFromArray(data, size)) return;
    const grpc::Status status = HandleSimilarItems(*context_, served_.get(), request, &reply);
    if (!status.ok()) return RequireBlame(status.error_code());
    CheckReply(reply, CountOf(request), model_.view());
    CheckTravels(reply);
  }

  void SimilarUsers(const uint8_t* data, int size) {
    v1::SimilarUsersRequest request;
    v1::SimilarUsersReply reply;
    if (!request.ParseFromArray(data, size)) return;
    const grpc::Status status = HandleSimilarUsers(*context_, served_.get(), request, &reply);
    if (!status.ok()) return RequireBlame(status.error_code());
    CheckUsers(reply, CountOf(request), model_.view());
    CheckTravels(reply);
  }

  void UsersForItem(const uint8_t* data, int size) {
    v1::UsersForItemRequest request;
    v1::UsersForItemReply reply;
    if (!request.ParseFromArray(data, size)) return;
    const grpc::Status status = HandleUsersForItem(*context_, served_.get(), request, &reply);
    if (!status.ok()) return RequireBlame(status.error_code());
    CheckUsers(reply, CountOf(request), model_.view());
    CheckTravels(reply);
  }

  void GetPopular(const uint8_t* data, int size) {
    v1::GetPopularRequest request;
    v1::GetPopularReply reply;
    if (!request.ParseFromArray(data, size)) return;
    const grpc::Status status = HandleGetPopular(*context_, served_.get(), request, &reply);
    if (!status.ok()) return RequireBlame(status.error_code());
    CheckReply(reply, CountOf(request), model_.view());
    CheckTravels(reply);
  }

  void Explain(const uint8_t* data, int size) {
    v1::ExplainRequest request;
    v1::ExplainReply reply;
    if (!request.ParseFromArray(data, size)) return;
    const grpc::Status status = HandleExplain(*context_, served_.get(), request, &reply);
    if (!status.ok()) return RequireBlame(status.error_code());
    if (request.item_ids().empty())
      CheckReply(reply, request.has_n() ? request.n() : kDefaultExplained, model_.view());
    else
      Require(reply.items_size() == request.item_ids_size());
    for (const v1::ItemExplanation& item : reply.items()) CheckExplanation(item, request);
    CheckTravels(reply);
  }

  void CheckExplanation(const v1::ItemExplanation& item, const v1::ExplainRequest& request) {
    const int most = request.has_max_contributions() ? request.max_contributions() : kDefaultContributions;
    Require(item.position() > 0 && item.position() <= model_.view().n_items() && item.contributions_size() <= most);
    for (const v1::Contribution& by : item.contributions())
      Require(model_.view().items.Find(by.item_id()) >= 0 && std::isfinite(by.amount()) && std::abs(by.share()) <= 1);
  }

  CpuBackend backend_{1};
  Failover failover_{Chosen(std::make_unique<CpuBackend>(1))};
  std::unique_ptr<CallContext> context_ = failover_.NewContext();
  TinyModel model_{backend_, {.n_users = 6, .n_items = 9, .n_factors = 3, .max_history = 3, .described = true}};
  std::unique_ptr<ServedModel> served_ = model_.Serve(failover_);
};

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static kindred::Target target;
  if (size > 0) target.Run(data[0], data + 1, static_cast<int>(size - 1));
  return 0;
}
