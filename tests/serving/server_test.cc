#include "serving/server.h"

#include <gmock/gmock.h>
#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/generic/generic_stub.h>

#include <fstream>

#include "serving/json.h"
#include "serving/listen_address.h"
#include "tests/serving/grpc_server.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

class ServerTest : public GrpcServerTest {
 protected:
  /// What grpc.health.v1 says: 1 SERVING, 2 NOT_SERVING, or minus the status code.
  int Health(const std::string& service) {
    grpc::TemplatedGenericStub<google::protobuf::StringValue, google::protobuf::Int32Value> stub(channel_);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    google::protobuf::StringValue request;
    request.set_value(service);
    google::protobuf::Int32Value reply;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &reply,
                   [&](grpc::Status status) { done.set_value(std::move(status)); });
    const grpc::Status status = done.get_future().get();
    return status.ok() ? reply.value() : -static_cast<int>(status.error_code());
  }
};

TEST_F(ServerTest, HealthOfTheServerAndOfTheService) {
  Start();
  EXPECT_EQ(Health(""), 2);
  EXPECT_EQ(Health("kindred.v1.Recommender"), 2);
  server_->SetServing(true);
  EXPECT_EQ(Health(""), 1);
  EXPECT_EQ(Health("kindred.v1.Recommender"), 1);
  EXPECT_EQ(Health("another.Service"), -static_cast<int>(grpc::StatusCode::NOT_FOUND));
  server_->SetServing(false);
  EXPECT_EQ(Health(""), 2);
}

TEST_F(ServerTest, ATakenPortIsNamed) {
  Start();
  EXPECT_THAT(server_->address(), testing::MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
  ExpectError(ErrorCode::kIo, "cannot listen on " + server_->address() + ": Address already in use",
              [&] { Server(Hosted(), server_->address()); });
}

TEST_F(ServerTest, UnixSockets) {
  const std::string address = "unix:" + (folder_.path() / "socket").string();
  Start(true, address);
  EXPECT_EQ(server_->address(), address);
  v1::RecommendReply reply;
  EXPECT_TRUE(Recommend(ForUser("u5"), &reply).ok());
  ExpectError(ErrorCode::kIo, "Address already in use", [&] { Server(Hosted(), address); });
  EXPECT_TRUE(Recommend(ForUser("u5"), &reply).ok());
  server_.reset();
  server_ = std::make_unique<Server>(Hosted(), address);  // the path may be used again
  ExpectError(ErrorCode::kIo, "cannot listen on unix:/nowhere/socket: there is no folder '/nowhere'",
              [&] { Server(Hosted(), "unix:/nowhere/socket"); });
  const auto expect = [&](const std::filesystem::path& path, const std::string& why) {
    ExpectError(ErrorCode::kIo, ": " + why, [&] { Server(Hosted(), "unix:" + path.string()); });
  };
  expect(folder_.path(), "it is a folder");
  const auto file = folder_.path() / "file";
  std::ofstream(file) << "mine";
  expect(file, "a file is there that is no socket");
  expect(file / "socket", "there is no folder");
  EXPECT_EQ(Content(file), "mine");
}

TEST(ListenAddress, LoopbackAndUnixSocketsOnly) {
  EXPECT_EQ(ParseListenAddress("127.0.0.1:50051"), "127.0.0.1:50051");
  EXPECT_EQ(ParseListenAddress("127.3.2.1:0"), "127.3.2.1:0");
  EXPECT_EQ(ParseListenAddress("localhost:7"), "127.0.0.1:7");
  EXPECT_EQ(ParseListenAddress("[::1]:65535"), "[::1]:65535");
  EXPECT_EQ(ParseListenAddress("unix:/a/b"), "unix:/a/b");
  EXPECT_EQ(ParseListenAddress("unix:///a/b"), "unix:///a/b");
  for (const char* text : {"0.0.0.0:1", "10.0.0.1:1", "example.com:1", "[::]:1", "[::ffff:127.0.0.1]:1", ":1",
                           "128.0.0.1:1", "127.0.0.1.evil.com:1", "127.1:1", "::1:1"})
    ExpectError(ErrorCode::kUsage, "is not the loopback interface", [&] { ParseListenAddress(text); });
  for (const char* text : {"127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1: 1",
                           "127.0.0.1:99999999999999999999"})
    ExpectError(ErrorCode::kUsage, "is no port", [&] { ParseListenAddress(text); });
  ExpectError(ErrorCode::kUsage, "no port", [] { ParseListenAddress("127.0.0.1"); });
  ExpectError(ErrorCode::kUsage, "a path of 0 bytes", [] { ParseListenAddress("unix:"); });
  ExpectError(ErrorCode::kUsage, "a path of 200 bytes", [] { ParseListenAddress("unix:" + std::string(200, 'a')); });
}

TEST(Json, NamesNumbersAndPresence) {
  v1::RecommendReply reply;
  v1::ScoredItem* item = reply.add_items();
  item->set_item_id("caf\xc3\xa9");
  item->set_score(0.1f);
  reply.mutable_model()->set_version(1LL << 40);
  reply.set_served_by(v1::FOLDED_IN);
  EXPECT_EQ(
      ToJson(reply).dump(),
      "{\"items\":[{\"item_id\":\"caf\xc3\xa9\",\"score\":0.1}],\"model\":{\"name\":\"\",\"version\":1099511627776},"
      "\"next_cursor\":\"\",\"served_by\":\"FOLDED_IN\",\"unknown_history_items\":[],\"why\":\"\"}");
  v1::LoadFailures failures;
  failures.mutable_last_at()->set_seconds(1767323045);
  EXPECT_EQ(ToJson(failures)["last_at"], "2026-01-02T03:04:05Z");
  v1::BatchResult result;
  result.mutable_error()->set_code(3);
  EXPECT_EQ(ToJson(result).dump(), "{\"error\":{\"code\":3,\"message\":\"\"}}");
}

}  // namespace
}  // namespace kindred
