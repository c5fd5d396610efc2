#include "serving/segment_service.h"

#include <chrono>
#include <utility>

#include "serving/page_stream.h"
#include "serving/segment_handlers.h"
#include "serving/unary_call.h"

namespace kindred {

std::shared_ptr<const ServedSegments> SegmentService::Current(grpc::Status* status) const {
  if (segments_ != nullptr) return segments_->Current();
  *status = {grpc::StatusCode::FAILED_PRECONDITION,
             "the server serves no segments; start it with `kindred serve --segments NAME`"};
  return nullptr;
}

template <class Request, class Reply, class Handler>
grpc::ServerUnaryReactor* SegmentService::Answer(const grpc::CallbackServerContext* context, const Request* request,
                                                 Reply* reply, Handler handle) {
  return Dispatch(gate_, executor_, context, [this, request, reply, handle](CallContext&) {
    grpc::Status status;
    const std::shared_ptr<const ServedSegments> served = Current(&status);
    return status.ok() ? handle(served.get(), *request, reply) : status;
  });
}

grpc::ServerUnaryReactor* SegmentService::GetUserSegments(grpc::CallbackServerContext* context,
                                                          const v1::GetUserSegmentsRequest* request,
                                                          v1::UserSegments* reply) {
  return Answer(context, request, reply, &HandleGetUserSegments);
}

grpc::ServerUnaryReactor* SegmentService::BatchGetUserSegments(grpc::CallbackServerContext* context,
                                                               const v1::BatchGetUserSegmentsRequest* request,
                                                               v1::BatchGetUserSegmentsReply* reply) {
  return Answer(context, request, reply, &HandleBatchGetUserSegments);
}

grpc::ServerUnaryReactor* SegmentService::ListSegments(grpc::CallbackServerContext* context,
                                                       const v1::ListSegmentsRequest* request,
                                                       v1::ListSegmentsReply* reply) {
  return Answer(context, request, reply, &HandleListSegments);
}

grpc::ServerUnaryReactor* SegmentService::DescribeSegment(grpc::CallbackServerContext* context,
                                                          const v1::DescribeSegmentRequest* request,
                                                          v1::SegmentDescription* reply) {
  return Answer(context, request, reply, &HandleDescribeSegment);
}

grpc::ServerUnaryReactor* SegmentService::AssignFeatures(grpc::CallbackServerContext* context,
                                                         const v1::AssignFeaturesRequest* request,
                                                         v1::UserSegments* reply) {
  return Answer(context, request, reply, &HandleAssignFeatures);
}

grpc::ServerUnaryReactor* SegmentService::AssignEvents(grpc::CallbackServerContext* context,
                                                       const v1::AssignEventsRequest* request,
                                                       v1::AssignEventsReply* reply) {
  return Answer(context, request, reply, [](const ServedSegments* served, const auto& asked, auto* answer) {
    const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    return HandleAssignEvents(served, asked, now, answer);
  });
}

grpc::ServerWriteReactor<v1::MembersPage>* SegmentService::ListMembers(grpc::CallbackServerContext* context,
                                                                       const v1::ListMembersRequest* request) {
  using Stream = PageStream<v1::MembersPage>;
  return new Stream(gate_, executor_, *context, [this, request](CallContext&, Stream::Pages* pages) {
    grpc::Status status;
    const auto list = std::make_shared<ListedMembers>();
    auto served = Current(&status);
    if (status.ok()) status = HandleListMembers(std::move(served), *request, list.get());
    *pages = [list](v1::MembersPage* page) { return FillMembers(list.get(), page); };
    return status;
  });
}

grpc::ServerWriteReactor<v1::ExportPage>* SegmentService::ExportSegment(grpc::CallbackServerContext* context,
                                                                        const v1::ExportSegmentRequest* request) {
  using Stream = PageStream<v1::ExportPage>;
  return new Stream(gate_, executor_, *context, [this, request](CallContext&, Stream::Pages* pages) {
    grpc::Status status;
    std::unique_ptr<SegmentExport> exported;
    auto served = Current(&status);
    if (status.ok()) status = HandleExportSegment(std::move(served), *request, &exported);
    *pages = [rows = std::shared_ptr<SegmentExport>(std::move(exported))](v1::ExportPage* page) {
      return rows->Fill(page);
    };
    return status;
  });
}

}  // namespace kindred
