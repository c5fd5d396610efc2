// What each method of Segments does with a message, as serving/handlers.h.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "kindred/v1/segments.pb.h"
#include "serving/segment_export.h"
#include "serving/segment_watcher.h"

namespace kindred {

/// None of these throw. No version is UNAVAILABLE.
grpc::Status HandleGetUserSegments(const ServedSegments* served, const v1::GetUserSegmentsRequest& request,
                                   v1::UserSegments* reply);
grpc::Status HandleBatchGetUserSegments(const ServedSegments* served, const v1::BatchGetUserSegmentsRequest& request,
                                        v1::BatchGetUserSegmentsReply* reply);
grpc::Status HandleListSegments(const ServedSegments* served, const v1::ListSegmentsRequest& request,
                                v1::ListSegmentsReply* reply);
grpc::Status HandleDescribeSegment(const ServedSegments* served, const v1::DescribeSegmentRequest& request,
                                   v1::SegmentDescription* reply);
grpc::Status HandleAssignFeatures(const ServedSegments* served, const v1::AssignFeaturesRequest& request,
                                  v1::UserSegments* reply);
/// `now` is unix seconds.
grpc::Status HandleAssignEvents(const ServedSegments* served, const v1::AssignEventsRequest& request, int64_t now,
                                v1::AssignEventsReply* reply);

/// A list of members under way. Holds the version.
struct ListedMembers {
  std::shared_ptr<const ServedSegments> served;
  std::vector<int64_t> users;  // those that were asked for
  int64_t size = 0;            // of the segment
  size_t n_written = 0;
  bool first = true;  // a segment without members is a page, too
};

/// What the pages of a stream are made of; each by Fill of theirs: of the next 1000 members, or the export's next rows;
/// false where there are no more.
grpc::Status HandleListMembers(std::shared_ptr<const ServedSegments> served, const v1::ListMembersRequest& request,
                               ListedMembers* list);
bool FillMembers(ListedMembers* list, v1::MembersPage* page);
grpc::Status HandleExportSegment(std::shared_ptr<const ServedSegments> served, const v1::ExportSegmentRequest& request,
                                 std::unique_ptr<SegmentExport>* exported);

/// Throws kInvalidArgument where the request names no segment, and what SegmentCatalogue::Find throws.
const SegmentEntry& FindSegment(const ServedSegments& served, const v1::SegmentId& id);
void FillVersion(const ServedSegments& from, v1::ModelVersion* to);
void FillSegmentsInfo(const ServedSegments& from, v1::SegmentsInfo* to);

}  // namespace kindred
