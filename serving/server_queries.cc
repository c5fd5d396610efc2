// What `kindred query` asks of the server itself.
#include <fmt/format.h>
#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/generic/generic_stub.h>

#include <future>

#include "host/text/text.h"
#include "serving/json.h"
#include "serving/queries.h"
#include "serving/query_text.h"

namespace kindred {
namespace {

void PrintState(const v1::ItemStateInfo& state) {
  fmt::print("state     {} item updates in {}, epoch {}\n", state.n_values(), state.path(), state.epoch());
  if (state.n_unused() == 0) return;
  fmt::print("          {} of them do not fit the version:\n", state.n_unused());
  for (const v1::UnusedUpdate& unused : state.unused())
    fmt::print("          item {}, attribute {}: {}\n", Printable(unused.item_id()), Printable(unused.attribute()),
               unused.reason());
}

void PrintSegments(const v1::SegmentsInfo& segments) {
  fmt::print(
      "segments  {} version {}: {} users, {} features, {} clusters, {} rules, {} stages{}, made {}\n          {}\n",
      segments.name(), segments.version(), segments.n_users(), segments.n_features(), segments.n_clusters(),
      segments.n_rules(), segments.n_stages(), segments.has_likelihood() ? ", a likelihood" : "", segments.created_at(),
      segments.digest());
}

}  // namespace

int QueryServerInfo(const QueryOptions& options) {
  const auto info = Call(options, &v1::Recommender::Stub::GetServerInfo, v1::GetServerInfoRequest());
  if (options.json) {
    PrintJson(ToJson(info));
    return 0;
  }
  const auto& model = info.model();
  fmt::print("server    kindred {}, up {:.0f} s\n", info.server_version(), info.uptime_seconds());
  if (info.has_model())
    fmt::print("model     {} version {}, {}: {} users x {} items, {} factors, made {}\n          {}\n", model.name(),
               model.version(), model.algorithm(), model.n_users(), model.n_items(), model.n_factors(),
               model.created_at(), model.digest());
  else
    fmt::print("model     none is loaded\n");
  fmt::print("backend   {} ({}{}{}), {} threads: {}\n", info.backend().name(), info.backend().device(),
             info.backend().instruction_set().empty() ? "" : ", ", info.backend().instruction_set(),
             info.backend().n_threads(), info.backend().reason());
  if (info.backend().degraded()) fmt::print("degraded  {}\n", Printable(info.backend().degraded_reason(), kMaxLine));
  fmt::print("limits    n {}, batch {}, history {}, request {} bytes, queue {}, streams {}\n", info.limits().max_n(),
             info.limits().max_batch(), info.limits().max_history(), info.limits().max_request_bytes(),
             info.limits().max_queue(), info.limits().max_streams());
  if (info.has_segments()) PrintSegments(info.segments());
  if (info.has_item_state()) PrintState(info.item_state());
  for (const v1::LoadFailures* failures : {&info.load_failures(), &info.segments_load_failures()})
    if (failures == &info.load_failures() || failures->count() > 0)
      fmt::print("failures  {}{}{}\n", failures->count(), failures->count() > 0 ? ", the last: " : "",
                 failures->last_reason());
  return 0;
}

/// grpc.health.v1.Health/Check of the server as a whole. Its messages hold one field each, and on the wire are these
/// well-known ones.
int QueryHealth(const QueryOptions& options) {
  const char* const kStates[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  grpc::TemplatedGenericStub<google::protobuf::StringValue, google::protobuf::Int32Value> stub(Connect(options));
  grpc::ClientContext context;
  SetDeadline(options, context);
  google::protobuf::StringValue service;
  google::protobuf::Int32Value state;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &service, &state,
                 [&done](grpc::Status status) { done.set_value(std::move(status)); });
  ThrowUnlessOk(done.get_future().get());
  const std::string name = state.value() >= 0 && state.value() < 4 ? kStates[state.value()] : "UNKNOWN";
  if (options.json)
    PrintJson({{"status", name}});
  else
    fmt::print("{}\n", name);
  return name == "SERVING" ? 0 : 1;
}

}  // namespace kindred
