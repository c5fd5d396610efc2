// One call of StreamRecommend: requests are read, answered and written out side by side.
//
//   client -> read, into `waiting_` -> a job of the executor answers all that wait, as a batch -> `ready_` -> written
//
// No more than kStreamWindow requests are between the two ends, and while those without an answer have the bytes of the
// largest message (kMaxRequestBytes; with the one read last, less than twice that), none is read: a client that does
// not read its replies is not read from either, by gRPC's own flow control, and no thread waits for it. A full queue of
// the executor is an error of the requests that met it, and not of the stream.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <mutex>

#include "serving/open_stream.h"

namespace kindred {

inline constexpr int kStreamWindow = 64;

/// Deletes itself when the call has ended.
class RecommenderService::Stream final : public OpenStream,
                                         public grpc::ServerBidiReactor<v1::RecommendRequest, v1::BatchResult> {
 public:
  /// Begins to read.
  Stream(RecommenderService& service, const grpc::CallbackServerContext& context);

  /// Takes no more, and ends with UNAVAILABLE once what was read is answered and written out.
  void Stop() override;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override;

 private:
  /// Starts what can be started now, in the same hold of the lock in which the state was changed: without the lock, any
  /// thread may see that there is nothing left to do, and end the call. The stream may be gone when it returns.
  void Advance(std::unique_lock<std::mutex> lock);
  /// Hands the requests of `job_` to the executor; likewise.
  void Submit();
  /// What becomes of them.
  void Answered(const grpc::Status& status, v1::BatchRecommendReply replies);
  void Refused(Refusal refusal);
  bool HasRoom() const;

  std::mutex mutex_;
  v1::RecommendRequest incoming_;
  v1::BatchRecommendRequest waiting_, job_;
  size_t waiting_bytes_ = 0, job_bytes_ = 0;
  std::deque<v1::BatchResult> ready_;  // of which the first may be under way
  bool reading_ = false, running_ = false, writing_ = false, finished_ = false;
  bool ended_ = false;   // nothing more is taken; a read may be under way even so, and is dropped
  bool broken_ = false;  // and nobody to write to, or no point in it
  grpc::Status status_;  // that the call ends with
};

}  // namespace kindred
