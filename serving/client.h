// What the commands that ask a running server have in common.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>

#include "host/cli/command_line.h"
#include "kindred/v1/recommender.grpc.pb.h"

namespace kindred {

struct ClientOptions {
  std::string server = "127.0.0.1:50051";
  int64_t timeout_ms = 5000;
  bool json = false;
};

/// --server, --timeout-ms and --json; the options live as long as the command.
void AddClientOptions(CLI::App* app, ClientOptions& options);
/// Throws kUsage for an empty --server.
void CheckClientOptions(const ClientOptions& options);
/// Throws kUsage naming the flag for an id or text that is not UTF-8.
void ExpectUtf8(const char* flag, const std::string& text);

std::shared_ptr<grpc::Channel> Connect(const ClientOptions& options);
void SetDeadline(const ClientOptions& options, grpc::ClientContext& context);

/// "NOT_FOUND: the message"
std::string DescribeStatus(int code, const std::string& message);
/// kIo with that.
void ThrowUnlessOk(const grpc::Status& status);

/// One unary call of a service of the API, on a connection of its own.
template <class Stub, class Request, class Reply>
Reply Call(const ClientOptions& options, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
           const Request& request) {
  Stub stub(Connect(options));
  grpc::ClientContext context;
  SetDeadline(options, context);
  Reply reply;
  ThrowUnlessOk((stub.*method)(&context, request, &reply));
  return reply;
}

}  // namespace kindred
