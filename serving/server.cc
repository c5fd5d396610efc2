#include "serving/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>

#include <utility>

#include "kernels/error.h"
#include "serving/listen_address.h"
#include "serving/service.h"

namespace kindred {
namespace {

constexpr size_t kMemoryQuota = size_t{1} << 30;

void Configure(grpc::ServerBuilder& builder) {
  // Without this, a second server would silently share the port.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 1024);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 8 << 10);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  builder.SetResourceQuota(grpc::ResourceQuota("kindred").Resize(kMemoryQuota));
}

}  // namespace

Server::Server(std::vector<Hosted> services, const std::string& address)
    : services_(std::move(services)), address_(address) {
  if (const std::string why = WhyUnusable(address); !why.empty())
    throw Error(ErrorCode::kIo, "cannot listen on " + address + ": " + why);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  Configure(builder);
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  for (const Hosted& hosted : services_) builder.RegisterService(&hosted.service);
  server_ = builder.BuildAndStart();
  if (!server_ || port == 0) throw Error(ErrorCode::kIo, "cannot listen on " + address);
  address_ = WithPort(address, port);
  SetServing(false);
}

Server::~Server() {
  Shutdown();
}

void Server::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  health->SetServingStatus(serving);
  for (const Hosted& hosted : services_) health->SetServingStatus(hosted.name, serving && hosted.ready);
}

void Server::Shutdown() {
  if (!server_) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

}  // namespace kindred
