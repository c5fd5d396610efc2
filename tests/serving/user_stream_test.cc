// StreamUsersForItem over a connection.
#include "serving/page_stream.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <vector>

#include "tests/serving/grpc_server.h"

namespace kindred {
namespace {

using google::protobuf::util::MessageDifferencer;

class UserStreamTest : public GrpcServerTest {
 protected:
  /// A list of more than gRPC keeps for a client that does not read.
  std::unique_ptr<grpc::ClientReader<v1::UsersForItemReply>> OpenLong(grpc::ClientContext* context) {
    options_.n_users = kMany;
    options_.max_history = 2;
    Start();
    v1::UsersForItemRequest request;
    request.set_item_id("i3");
    request.set_include_users_with_item(true);
    Connect(/*reads_ahead=*/false);
    return stub_->StreamUsersForItem(context, request);
  }

  static constexpr int kMany = 20'000;
};

TEST_F(UserStreamTest, AnyNumber) {
  options_.n_users = 2345;
  options_.max_history = 2;
  Start();
  v1::UsersForItemRequest request;
  request.set_item_id("i3");
  request.set_n(1000);
  v1::UsersForItemReply first;
  ASSERT_TRUE(Call(&v1::Recommender::Stub::UsersForItem, request, &first).ok());
  std::vector<v1::UsersForItemReply> whole;
  for (const int32_t n : {0, 1, 999, 1000, 1001, 1999, 1'000'000'000}) {  // 0: unset
    SCOPED_TRACE(n);
    n > 0 ? request.set_n(n) : request.clear_n();
    grpc::ClientContext context;
    const auto stream = stub_->StreamUsersForItem(&context, request);
    std::vector<v1::UsersForItemReply> replies;
    v1::UsersForItemReply all;
    for (v1::UsersForItemReply reply; stream->Read(&reply); all.mutable_users()->MergeFrom(reply.users()))
      replies.push_back(reply);
    EXPECT_TRUE(stream->Finish().ok());
    if (n == 0) whole = replies;
    ASSERT_GE(replies.size(), 1u);
    for (size_t i = 0; i < replies.size(); ++i) {
      EXPECT_EQ(replies[i].model().version(), 1);
      EXPECT_EQ(replies[i].has_shortfall(), n == 1'000'000'000 && i + 1 == replies.size());
      EXPECT_TRUE(i + 1 == replies.size() || replies[i].users_size() == 1000);
    }
    if (n > 0 && n < 2000) {
      EXPECT_EQ(all.users_size(), n);
    }
    for (int i = 0; i < std::min(all.users_size(), 1000); ++i)
      EXPECT_TRUE(MessageDifferencer::Equals(all.users(i), first.users(i)));
    for (int i = 0; i < all.users_size(); ++i)
      EXPECT_TRUE(MessageDifferencer::Equals(all.users(i), whole[static_cast<size_t>(i / 1000)].users(i % 1000)));
  }
  EXPECT_EQ(whole.size(), 3u);
}

TEST_F(UserStreamTest, AListOfNoUsersIsOneReply) {
  options_.n_users = 2;
  Start();
  v1::UsersForItemRequest request;
  request.set_item_id("i3");
  grpc::ClientContext context;
  const auto stream = stub_->StreamUsersForItem(&context, request);
  v1::UsersForItemReply reply;
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.users_size(), 0);
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(UserStreamTest, RefusedAndCancelled) {
  Start();
  v1::UsersForItemRequest request;
  v1::UsersForItemReply reply;
  const auto status_of = [&] {
    grpc::ClientContext context;
    const auto stream = stub_->StreamUsersForItem(&context, request);
    EXPECT_FALSE(stream->Read(&reply));
    return stream->Finish();
  };
  request.set_item_id("lost");
  EXPECT_EQ(status_of().error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_item_id("i3");
  request.set_n(0);
  EXPECT_EQ(status_of().error_message(), "n: is 0, expected 1 to 2147483647");
  request.clear_n();
  request.set_tenant("x");
  EXPECT_EQ(status_of().error_code(), grpc::StatusCode::UNIMPLEMENTED);
  request.clear_tenant();
  {
    std::latch release(1);
    Occupy(release);
    const std::future<void> queued = Queue();
    EXPECT_EQ(status_of().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << "the queue is full";
    release.count_down();
    queued.wait();
  }
  {
    std::latch release(1);
    Occupy(release);
    grpc::ClientContext context;
    const auto stream = stub_->StreamUsersForItem(&context, request);
    WaitUntilQueued();
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
    release.count_down();
  }
  EXPECT_EQ(gate_->Drain(std::chrono::minutes(1)), 0);
  EXPECT_EQ(status_of().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(UserStreamTest, WithoutAModelItIsUnavailable) {
  Start(false);
  grpc::ClientContext context;
  const auto stream = stub_->StreamUsersForItem(&context, v1::UsersForItemRequest());
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(UserStreamTest, AClientThatCancelsMidwayEndsIt) {
  grpc::ClientContext context;
  const auto stream = OpenLong(&context);
  v1::UsersForItemReply reply;
  ASSERT_TRUE(stream->Read(&reply));
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(gate_->Drain(std::chrono::minutes(1)), 0);
}

TEST_F(UserStreamTest, ADrainWaitsForTheWholeList) {
  grpc::ClientContext context;
  const auto stream = OpenLong(&context);
  v1::UsersForItemReply reply;
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(gate_->Drain(std::chrono::milliseconds(1)), 1);
  int n = reply.users_size();
  for (; stream->Read(&reply); n += reply.users_size()) continue;
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(n, kMany - 1) << "all but u0, who has no history";
  EXPECT_EQ(gate_->Drain(std::chrono::minutes(1)), 0);
}

TEST_F(UserStreamTest, AClientThatDoesNotReadIsCutOff) {
  grpc::ClientContext context;
  const auto stream = OpenLong(&context);
  v1::UsersForItemReply reply;
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(gate_->CutOffStreams(std::chrono::minutes(10)), 0);
  while (gate_->CutOffStreams(std::chrono::milliseconds(100)) == 0) std::this_thread::yield();
  int n = reply.users_size();
  for (; stream->Read(&reply); n += reply.users_size()) continue;
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_LT(n, kMany - 1);
  EXPECT_EQ(gate_->Drain(std::chrono::minutes(1)), 0) << "what it held is freed";
}

}  // namespace
}  // namespace kindred
