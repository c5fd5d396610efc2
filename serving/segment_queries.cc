#include "serving/segment_queries.h"

#include <fmt/format.h>

#include <charconv>
#include <functional>
#include <span>

#include "host/store/files.h"
#include "host/text/text.h"
#include "host/text/time_format.h"
#include "kernels/error.h"
#include "kindred/v1/segments.grpc.pb.h"
#include "serving/event_file.h"
#include "serving/export_file.h"
#include "serving/json.h"
#include "serving/query_text.h"
#include "serving/segment_text.h"

namespace kindred {
namespace {

using Stub = v1::Segments::Stub;

[[noreturn]] void RefuseUsage(const std::string& wrong) {
  throw Error(ErrorCode::kUsage, wrong);
}

/// The segment that the flags name; none where they name none.
std::optional<v1::SegmentId> SegmentOf(const SegmentQueryOptions& options) {
  std::vector<v1::SegmentId> named;
  const auto add = [&](v1::SegmentKind kind, const std::string& id) {
    named.emplace_back().set_kind(kind);
    named.back().set_id(id);
  };
  if (!options.cluster.empty()) add(v1::CLUSTER, options.cluster);
  if (!options.rule.empty()) add(v1::RULE, options.rule);
  if (!options.stage.empty()) add(v1::STAGE, options.stage);
  if (options.likely) add(v1::LIKELY, "");
  if (named.size() > 1) RefuseUsage("expected one of --cluster, --rule, --stage and --likely");
  if (named.empty()) return {};
  return named[0];
}

v1::SegmentId RequiredSegment(const SegmentQueryOptions& options) {
  const auto segment = SegmentOf(options);
  if (!segment) RefuseUsage("which segment? expected one of --cluster, --rule, --stage and --likely");
  return *segment;
}

/// "recency=3.5"
void AddFeature(const std::string& text, v1::AssignFeaturesRequest* request) {
  const size_t equals = text.rfind('=');  // names of values may have one
  double value = 0;
  const char* end = text.data() + text.size();
  if (equals == std::string::npos || equals == 0)
    RefuseUsage(fmt::format("--feature '{}': expected NAME=VALUE", Printable(text)));
  const auto [stop, error] = std::from_chars(text.data() + equals + 1, end, value);
  if (error != std::errc() || stop != end)
    RefuseUsage(fmt::format("--feature '{}': '{}' is no number", Printable(text), Printable(text.substr(equals + 1))));
  if (!request->mutable_features()->insert({text.substr(0, equals), value}).second)
    RefuseUsage(fmt::format("--feature '{}' is there twice", Printable(text.substr(0, equals))));
}

int64_t TimeOf(const std::string& reference) {
  int64_t seconds = 0;
  if (const char* wrong = ParseTime(reference, &seconds); wrong != nullptr)
    RefuseUsage(fmt::format("--reference '{}': {}", Printable(reference), wrong));
  return seconds;
}

int AssignByFeatures(const SegmentQueryOptions& options) {
  if (!options.user.empty() || !options.reference.empty() || options.only_these_events)
    RefuseUsage("--user, --reference and --only-these-events go with events, --feature does not");
  v1::AssignFeaturesRequest request;
  for (const std::string& one : options.values) AddFeature(one, &request);
  const auto reply = Call(options, &Stub::AssignFeatures, request);
  options.json ? PrintJson(ToJson(reply)) : PrintUserSegments(reply);
  return 0;
}

ExportFormat FormatOf(const SegmentQueryOptions& options) {
  const std::string& name = options.out;
  const auto ends = [&](std::string_view end) { return std::string_view(name).ends_with(end); };
  if (options.format == "jsonl" || (options.format.empty() && (ends(".jsonl") || ends(".ndjson"))))
    return ExportFormat::kJsonLines;
  if (options.format.empty() && !name.empty() && !ends(".csv"))
    RefuseUsage(fmt::format("--out '{}' ends in none of .csv, .jsonl and .ndjson; say --format", Printable(name)));
  return ExportFormat::kCsv;
}

/// Reads the whole stream, and has each piece of text written.
void Export(const SegmentQueryOptions& options, const v1::ExportSegmentRequest& request, ExportFormat format,
            const std::function<void(const std::string&)>& write) {
  Stub stub(Connect(options));
  grpc::ClientContext context;
  SetDeadline(options, context);
  const auto stream = stub.ExportSegment(&context, request);
  bool first = true;
  for (v1::ExportPage page; stream->Read(&page); first = false) {
    if (first) write(ExportHead(format, page));
    write(ExportLines(format, page));
  }
  ThrowUnlessOk(stream->Finish());
}

}  // namespace

int QuerySegmentsGet(const SegmentQueryOptions& options) {
  if (options.users.size() == 1) {
    v1::GetUserSegmentsRequest request;
    request.set_user_id(options.users[0]);
    const auto reply = Call(options, &Stub::GetUserSegments, request);
    options.json ? PrintJson(ToJson(reply)) : PrintUserSegments(reply);
    return 0;
  }
  v1::BatchGetUserSegmentsRequest request;
  for (const std::string& user : options.users) request.add_user_ids(user);
  const auto reply = Call(options, &Stub::BatchGetUserSegments, request);
  bool failed = false;
  for (int i = 0; i < reply.results_size(); ++i) {
    const v1::UserSegmentsResult& result = reply.results(i);
    failed |= result.has_error();
    if (options.json) continue;
    if (result.has_error())
      fmt::print("user {}: {}\n", Printable(options.users[static_cast<size_t>(i)]),
                 DescribeStatus(result.error().code(), result.error().message()));
    else
      PrintUserSegments(result.reply());
  }
  if (options.json) PrintJson(ToJson(reply));
  return failed ? 1 : 0;
}

int QuerySegmentsList(const SegmentQueryOptions& options) {
  const auto reply = Call(options, &Stub::ListSegments, v1::ListSegmentsRequest());
  options.json ? PrintJson(ToJson(reply)) : PrintSegments(reply);
  return 0;
}

int QuerySegmentsDescribe(const SegmentQueryOptions& options) {
  v1::DescribeSegmentRequest request;
  *request.mutable_segment() = RequiredSegment(options);
  const auto reply = Call(options, &Stub::DescribeSegment, request);
  options.json ? PrintJson(ToJson(reply)) : PrintDescription(reply);
  return 0;
}

int QuerySegmentsMembers(const SegmentQueryOptions& options) {
  v1::ListMembersRequest request;
  *request.mutable_segment() = RequiredSegment(options);
  if (options.n) request.set_n(*options.n);
  Stub stub(Connect(options));
  grpc::ClientContext context;
  SetDeadline(options, context);
  const auto stream = stub.ListMembers(&context, request);
  for (v1::MembersPage page; stream->Read(&page);)
    for (const std::string& user : page.user_ids())
      options.json ? PrintJsonLine({{"user_id", user}}) : fmt::print("{}\n", Printable(user, kMaxLine));
  ThrowUnlessOk(stream->Finish());
  return 0;
}

int QuerySegmentsAssign(const SegmentQueryOptions& options) {
  if (!options.values.empty() && !options.events.empty()) RefuseUsage("expected one of --feature and --events");
  if (!options.values.empty()) return AssignByFeatures(options);
  if (options.events.empty() && options.user.empty())
    RefuseUsage("who is to be placed? expected --events, --feature or --user");
  v1::AssignEventsRequest request;
  request.set_user_id(options.user);
  request.set_only_these_events(options.only_these_events);
  if (!options.reference.empty()) request.mutable_reference()->set_seconds(TimeOf(options.reference));
  if (!options.events.empty())
    for (v1::UserEvent& event : ReadEventFile(options.events)) *request.add_events() = std::move(event);
  const auto reply = Call(options, &Stub::AssignEvents, request);
  options.json ? PrintJson(ToJson(reply)) : PrintAssignment(reply);
  return 0;
}

int QuerySegmentsExport(const SegmentQueryOptions& options) {
  v1::ExportSegmentRequest request;
  if (const auto segment = SegmentOf(options)) *request.mutable_segment() = *segment;
  for (const std::string& name : options.features) request.add_features(name);
  for (const std::string& name : options.attributes) request.add_attributes(name);
  const ExportFormat format = FormatOf(options);
  if (options.out.empty()) {
    Export(options, request, format, [](const std::string& text) { fmt::print("{}", text); });
    return 0;
  }
  CheckNewFile(options.out, options.overwrite);
  WriteNewFile(
      options.out,
      [&](const Descriptor& file) {
        Export(options, request, format,
               [&](const std::string& text) { WriteAll(file, std::as_bytes(std::span(text)), options.out); });
      },
      options.overwrite);
  return 0;
}

}  // namespace kindred
