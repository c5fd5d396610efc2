// kindred.v1.Segments on gRPC's callback API, as serving/service.h: hands every call to the executor and never blocks.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "kindred/v1/segments.grpc.pb.h"
#include "serving/call_gate.h"
#include "serving/executor.h"
#include "serving/segment_watcher.h"

namespace kindred {

class SegmentService final : public v1::Segments::CallbackService {
 public:
  /// `segments` is null where the server has none to serve: every call is FAILED_PRECONDITION then. The others outlive
  /// the service.
  SegmentService(CallGate& gate, Executor& executor, const SegmentWatcher* segments)
      : gate_(gate), executor_(executor), segments_(segments) {}

  grpc::ServerUnaryReactor* GetUserSegments(grpc::CallbackServerContext* context,
                                            const v1::GetUserSegmentsRequest* request,
                                            v1::UserSegments* reply) override;
  grpc::ServerUnaryReactor* BatchGetUserSegments(grpc::CallbackServerContext* context,
                                                 const v1::BatchGetUserSegmentsRequest* request,
                                                 v1::BatchGetUserSegmentsReply* reply) override;
  grpc::ServerUnaryReactor* ListSegments(grpc::CallbackServerContext* context, const v1::ListSegmentsRequest* request,
                                         v1::ListSegmentsReply* reply) override;
  grpc::ServerUnaryReactor* DescribeSegment(grpc::CallbackServerContext* context,
                                            const v1::DescribeSegmentRequest* request,
                                            v1::SegmentDescription* reply) override;
  grpc::ServerWriteReactor<v1::MembersPage>* ListMembers(grpc::CallbackServerContext* context,
                                                         const v1::ListMembersRequest* request) override;
  grpc::ServerUnaryReactor* AssignFeatures(grpc::CallbackServerContext* context,
                                           const v1::AssignFeaturesRequest* request, v1::UserSegments* reply) override;
  grpc::ServerUnaryReactor* AssignEvents(grpc::CallbackServerContext* context, const v1::AssignEventsRequest* request,
                                         v1::AssignEventsReply* reply) override;
  grpc::ServerWriteReactor<v1::ExportPage>* ExportSegment(grpc::CallbackServerContext* context,
                                                          const v1::ExportSegmentRequest* request) override;

 private:
  /// A call holds one version from here to its end, so no reply mixes two: handle(version, request, reply).
  template <class Request, class Reply, class Handler>
  grpc::ServerUnaryReactor* Answer(const grpc::CallbackServerContext* context, const Request* request, Reply* reply,
                                   Handler handle);
  /// What calls are answered from now; null where no version is loaded. `*status` is not OK where there is none to
  /// load.
  std::shared_ptr<const ServedSegments> Current(grpc::Status* status) const;

  CallGate& gate_;
  Executor& executor_;
  const SegmentWatcher* const segments_;
};

}  // namespace kindred
