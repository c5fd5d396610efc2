#include "serving/paging.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "serving/cursor.h"

namespace kindred {
namespace {

std::string VersionChecksum(const ServedModel& model) {
  return ChecksumOf(fmt::format("{} {} {}", model.version, model.digest, model.name));
}

/// Of everything that decides the list: what a page may change is left out.
std::string RequestChecksum(const Scenarios& scenarios, const v1::RecommendRequest& request) {
  v1::RecommendRequest list = scenarios.Apply(request);
  list.clear_n();
  list.clear_cursor();
  list.clear_explain_cost();
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  {
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    list.SerializeToCodedStream(&coded);
  }
  return ChecksumOf(bytes);
}

}  // namespace

grpc::Status Continue(const ServedModel& model, const Scenarios& scenarios, const v1::RecommendRequest& request,
                      RecommendQuery* query) {
  if (request.cursor().empty()) return grpc::Status::OK;
  const std::optional<Cursor> cursor = ParseCursor(request.cursor());
  if (!cursor)
    return {grpc::StatusCode::INVALID_ARGUMENT, "cursor: is none, expected the next_cursor of an earlier reply"};
  if (cursor->version != model.version || cursor->model != VersionChecksum(model))
    return {grpc::StatusCode::FAILED_PRECONDITION,
            fmt::format("cursor: is of version {} of a model, and version {} of '{}' is served now; begin again "
                        "without a cursor",
                        cursor->version, model.version, model.name)};
  if (cursor->request != RequestChecksum(scenarios, request))
    return {grpc::StatusCode::INVALID_ARGUMENT,
            "cursor: is of another request, expected the same but for n and explain_cost"};
  query->n_before = cursor->n_before;
  query->items_checksum = cursor->items;
  return grpc::Status::OK;
}

grpc::Status CheckSameItems(const RecommendQuery& query, const Recommendation& found) {
  if (query.n_before == 0 || query.items_checksum == found.items_checksum) return grpc::Status::OK;
  return {grpc::StatusCode::FAILED_PRECONDITION,
          "cursor: the request's conditions leave other items than for the page before, as attributes have changed or "
          "time has passed; begin again without a cursor"};
}

void SetNextCursor(const ServedModel& model, const Scenarios& scenarios, const v1::RecommendRequest& request,
                   const RecommendQuery& query, const Recommendation& found, v1::RecommendReply* reply) {
  const int32_t n_before = query.n_before + reply->items_size();
  if (reply->has_shortfall() || n_before >= kMaxDepth || !query.rules.has_pages()) return;
  reply->set_next_cursor(ToText(
      {model.version, VersionChecksum(model), RequestChecksum(scenarios, request), found.items_checksum, n_before}));
}

}  // namespace kindred
