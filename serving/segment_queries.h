// The questions of `kindred query segments`: each asks the server, prints the answer, and returns the exit status.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "serving/client.h"

namespace kindred {

struct SegmentQueryOptions : ClientOptions {
  std::vector<std::string> users;
  std::string user;
  // Which segment.
  std::string cluster, rule, stage;
  bool likely = false;
  std::optional<int64_t> n;
  // Of assign.
  std::vector<std::string> values;  // NAME=VALUE
  std::string events;               // a file
  std::string reference;
  bool only_these_events = false;
  // Of export.
  std::vector<std::string> features, attributes;
  std::string format;  // empty: as the file's name says
  std::string out;     // empty: standard output
  bool overwrite = false;
};

int QuerySegmentsGet(const SegmentQueryOptions& options);
int QuerySegmentsList(const SegmentQueryOptions& options);
int QuerySegmentsDescribe(const SegmentQueryOptions& options);
int QuerySegmentsMembers(const SegmentQueryOptions& options);
int QuerySegmentsAssign(const SegmentQueryOptions& options);
int QuerySegmentsExport(const SegmentQueryOptions& options);

}  // namespace kindred
