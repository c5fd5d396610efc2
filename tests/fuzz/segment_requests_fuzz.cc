// Any bytes as a request of Segments: refused with a status that blames the request, or answered with a reply that
// keeps what the API promises. The whole way but for the network.
//
// Input: one byte that picks the method, then the message.
#include <google/protobuf/stubs/logging.h>

#include <cstdlib>
#include <memory>

#include "serving/segment_handlers.h"
#include "tests/serving/tiny_segments.h"

namespace kindred {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

template <class Message>
void CheckTravels(const Message& message) {
  Require(Message().ParseFromString(message.SerializeAsString()));  // not with text that is no UTF-8
}

class Target {
 public:
  Target() {
    google::protobuf::SetLogHandler(nullptr);  // it would print a line for each input with text that is no UTF-8
    TinySegments({.n_users = 30}).Publish(ModelStore(folder_.path()), "segments");
    served_ = LoadServedSegments(ModelStore(folder_.path()), "segments", 0);
  }

  void Run(uint8_t method, const uint8_t* data, int size) {
    const ServedSegments* served = served_.get();
    switch (method % 8) {
      case 0:
        return Answer<v1::GetUserSegmentsRequest, v1::UserSegments>(
            data, size, [&](const auto& asked, auto* reply) { return HandleGetUserSegments(served, asked, reply); });
      case 1:
        return Answer<v1::BatchGetUserSegmentsRequest, v1::BatchGetUserSegmentsReply>(
            data, size,
            [&](const auto& asked, auto* reply) { return HandleBatchGetUserSegments(served, asked, reply); });
      case 2:
        return Answer<v1::DescribeSegmentRequest, v1::SegmentDescription>(
            data, size, [&](const auto& asked, auto* reply) { return HandleDescribeSegment(served, asked, reply); });
      case 3:
        return Answer<v1::AssignFeaturesRequest, v1::UserSegments>(
            data, size, [&](const auto& asked, auto* reply) { return HandleAssignFeatures(served, asked, reply); });
      case 4:
        return Answer<v1::AssignEventsRequest, v1::AssignEventsReply>(data, size, [&](const auto& asked, auto* reply) {
          return HandleAssignEvents(served, asked, TinySegments::kReference, reply);
        });
      case 5:
        return Answer<v1::ListSegmentsRequest, v1::ListSegmentsReply>(
            data, size, [&](const auto& asked, auto* reply) { return HandleListSegments(served, asked, reply); });
      case 6:
        return Members(data, size);
      default:
        return Export(data, size);
    }
  }

 private:
  static bool IsBlamed(const grpc::Status& status) {
    Require(status.ok() || status.error_code() == grpc::StatusCode::INVALID_ARGUMENT ||
            status.error_code() == grpc::StatusCode::NOT_FOUND ||
            status.error_code() == grpc::StatusCode::UNIMPLEMENTED);
    return !status.ok();
  }

  template <class Request, class Reply, class Handle>
  void Answer(const uint8_t* data, int size, const Handle& handle) {
    Request request;
    Reply reply;
    if (!request.ParseFromArray(data, size) || IsBlamed(handle(request, &reply))) return;
    CheckTravels(reply);
  }

  void Members(const uint8_t* data, int size) {
    v1::ListMembersRequest request;
    ListedMembers list;
    if (!request.ParseFromArray(data, size) || IsBlamed(HandleListMembers(served_, request, &list))) return;
    int64_t n = 0;
    for (v1::MembersPage page; FillMembers(&list, &page); n += page.user_ids_size()) CheckTravels(page);
    Require(n == (request.has_n() ? std::min(request.n(), list.size) : list.size));
  }

  void Export(const uint8_t* data, int size) {
    v1::ExportSegmentRequest request;
    std::unique_ptr<SegmentExport> exported;
    if (!request.ParseFromArray(data, size) || IsBlamed(HandleExportSegment(served_, request, &exported))) return;
    int64_t n = 0, of = 0;
    for (v1::ExportPage page; exported->Fill(&page); n += page.rows_size()) {
      CheckTravels(page);
      of = page.size();
      for (const v1::ExportRow& row : page.rows()) Require(row.values_size() == page.columns_size());
    }
    Require(n == of);
  }

  TemporaryFolder folder_;
  std::shared_ptr<const ServedSegments> served_;
};

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static kindred::Target target;
  if (size > 0) target.Run(data[0], data + 1, static_cast<int>(size - 1));
  return 0;
}
