// Answers of Segments as text, for people.
#pragma once

#include "kindred/v1/segments.pb.h"

namespace kindred {

/// "rule", "cluster", ...
const char* KindName(v1::SegmentKind kind);

void PrintUserSegments(const v1::UserSegments& user);
void PrintSegments(const v1::ListSegmentsReply& reply);
void PrintDescription(const v1::SegmentDescription& reply);
void PrintAssignment(const v1::AssignEventsReply& reply);

}  // namespace kindred
