// One call of StreamUsersForItem: the list is made by one job of the executor, and written out in pieces, each when the
// one before it has gone; no thread waits for a client that reads slowly.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "serving/open_stream.h"
#include "serving/ranked_users.h"

namespace kindred {

/// Deletes itself when the call has ended. Memory meanwhile: the version, and 40 bytes a user of the list.
class RecommenderService::UserStream final : public OpenStream, public grpc::ServerWriteReactor<v1::UsersForItemReply> {
 public:
  UserStream(RecommenderService& service, const grpc::CallbackServerContext& context,
             const v1::UsersForItemRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override;

 private:
  void Submit();
  /// Writes the next piece, or ends the call; the stream may be gone when it returns.
  void WriteNext();

  const v1::UsersForItemRequest& request_;  // the call's own
  std::shared_ptr<const ServedModel> model_;
  RankedUsers list_;
  size_t n_written_ = 0;  // users of the list
  bool first_ = true;     // a list without users is a reply, too
  v1::UsersForItemReply reply_;
};

}  // namespace kindred
