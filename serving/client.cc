#include "serving/client.h"

#include <fmt/format.h>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

const char* const kStatusNames[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

}  // namespace

void AddClientOptions(CLI::App* app, ClientOptions& options) {
  app->add_option("--server", options.server, "HOST:PORT or unix:PATH of a running `kindred serve`");
  app->add_option("--timeout-ms", options.timeout_ms, "how long to wait for the answer")->check(Within(1, 86'400'000));
  app->add_flag("--json", options.json, "print one JSON object, named as in the proto");
}

void CheckClientOptions(const ClientOptions& options) {
  if (options.server.empty()) throw Error(ErrorCode::kUsage, "--server is empty; expected HOST:PORT or unix:PATH");
}

void ExpectUtf8(const char* flag, const std::string& text) {
  if (!IsUtf8(text))
    throw Error(ErrorCode::kUsage,
                fmt::format("{} '{}' is not UTF-8, which ids in calls must be", flag, Printable(text)));
}

std::shared_ptr<grpc::Channel> Connect(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(options.server, grpc::InsecureChannelCredentials(), arguments);
}

void SetDeadline(const ClientOptions& options, grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(options.timeout_ms));
}

std::string DescribeStatus(int code, const std::string& message) {
  const bool known = code >= 0 && code < static_cast<int>(std::size(kStatusNames));
  return fmt::format("{}: {}", known ? kStatusNames[code] : std::to_string(code), message);
}

void ThrowUnlessOk(const grpc::Status& status) {
  if (!status.ok()) throw Error(ErrorCode::kIo, DescribeStatus(status.error_code(), status.error_message()));
}

}  // namespace kindred
