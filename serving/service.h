// kindred.v1.Recommender on gRPC's callback API: hands every call to the executor and never blocks.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_set>

#include "kindred/v1/recommender.grpc.pb.h"
#include "serving/executor.h"
#include "serving/failover.h"
#include "serving/model_watcher.h"
#include "serving/scenarios.h"

namespace kindred {

inline constexpr int kMaxRequestBytes = 4 << 20;
/// Streams that may be open, unless the server is told otherwise.
inline constexpr int kMaxStreams = 256;
/// How long a reply of a stream may wait for its client to read.
inline constexpr std::chrono::seconds kMaxUnread{60};

class RecommenderService final : public v1::Recommender::CallbackService {
 public:
  /// `version` is the program's. `item_state` is null where the server keeps none. At most `max_streams` are open.
  RecommenderService(Executor& executor, const ModelWatcher& models, const Failover& failover, std::string version,
                     ItemState* item_state = nullptr, Scenarios scenarios = {}, int max_streams = kMaxStreams);

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

  /// Refuses new calls (UNAVAILABLE) and waits until those accepted before are answered, at most `time`; streams read
  /// no more requests.
  /// Returns how many are not.
  int Drain(std::chrono::milliseconds time);
  /// Cancels the streams that have had a reply under way for `unread` or longer: what they hold is held for a client
  /// that does not read. Returns how many. Somebody must call it again and again.
  int CutOffStreams(std::chrono::milliseconds unread);
  /// Calls whose reply was written out since the start.
  int64_t n_answered() const;

 private:
  class Call;
  class OpenStream;
  class Stream;
  class UserStream;

  /// A call holds one version from here to its end, so no reply mixes two: handle(context, model, request, reply).
  /// `alone`: as Job has it.
  template <class Request, class Reply, class Handler>
  grpc::ServerUnaryReactor* Dispatch(grpc::CallbackServerContext* context, const Request* request, Reply* reply,
                                     Handler handle, bool alone = false);
  void FillInfo(v1::ServerInfo* info) const;
  /// OK where a call, of this stream if it is one, is accepted; those that are leave at their end.
  grpc::Status Enter(OpenStream* stream = nullptr);
  void Leave(OpenStream* stream = nullptr);

  Executor& executor_;
  const ModelWatcher& models_;
  const Failover& failover_;
  const std::string version_;
  ItemState* const item_state_;
  const Scenarios scenarios_;
  const int max_streams_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();

  mutable std::mutex mutex_;
  std::condition_variable idle_;
  int n_calls_ = 0;  // accepted, and not yet written out
  int64_t n_answered_ = 0;
  std::unordered_set<OpenStream*> streams_;  // of these calls
  bool stopping_ = false;
};

/// The status of a call, or of a request of a stream, that the executor refuses.
grpc::Status ToStatus(Refusal refusal);

}  // namespace kindred
