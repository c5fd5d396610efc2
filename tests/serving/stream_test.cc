// StreamRecommend over a connection.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <thread>

#include "serving/recommend_stream.h"
#include "tests/serving/grpc_server.h"

namespace kindred {
namespace {

using google::protobuf::util::MessageDifferencer;

class StreamTest : public GrpcServerTest {
 protected:
  /// One stream, with all the time it may need.
  std::unique_ptr<grpc::ClientReaderWriter<v1::RecommendRequest, v1::BatchResult>> Open(
      std::chrono::milliseconds time = std::chrono::minutes(1)) {
    context_.set_deadline(std::chrono::system_clock::now() + time);
    return stub_->StreamRecommend(&context_);
  }

  void WaitUntilEnded() {
    while (service_->Drain(std::chrono::milliseconds(0)) > 0) std::this_thread::yield();
  }

  grpc::ClientContext context_;
};

TEST_F(StreamTest, EachRequestIsAnsweredAsAloneInOrder) {
  Start(true, "127.0.0.1:0", 4);
  for (const int n_requests : {0, 1, 2, 63, 64, 65, 300}) {
    SCOPED_TRACE(n_requests);
    std::vector<v1::RecommendRequest> requests;
    for (int i = 0; i < n_requests; ++i) {
      requests.push_back(ForUser(i % 5 == 0 ? "stranger" : "u" + std::to_string(i % 40), i % 11));  // n 0 is refused
      if (i % 3 == 0) requests.back().add_history()->set_item_id("i" + std::to_string(i % 30));
      if (i % 17 == 0) requests.back().set_tenant("x");
    }
    grpc::ClientContext context;
    const auto stream = stub_->StreamRecommend(&context);
    std::thread writer([&] {
      for (const auto& request : requests) EXPECT_TRUE(stream->Write(request));
      stream->WritesDone();
    });
    v1::BatchResult result;
    int n = 0;
    for (; stream->Read(&result); ++n) {
      v1::RecommendReply alone;
      const grpc::Status status = Recommend(requests[static_cast<size_t>(n)], &alone);
      EXPECT_EQ(result.error().code(), status.error_code()) << n;
      EXPECT_EQ(result.error().message(), status.error_message()) << n;
      EXPECT_TRUE(MessageDifferencer::Equals(result.reply(), alone)) << n;
    }
    writer.join();
    EXPECT_EQ(n, n_requests);
    EXPECT_TRUE(stream->Finish().ok());
  }
}

TEST_F(StreamTest, OneAtATime) {
  Start();
  const auto stream = Open();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(stream->Write(ForUser("u5", 3)));
    v1::BatchResult result;
    ASSERT_TRUE(stream->Read(&result));
    EXPECT_EQ(result.reply().items_size(), 3);
    EXPECT_EQ(result.reply().model().version(), 1);
  }
  stream->WritesDone();
  v1::BatchResult result;
  EXPECT_FALSE(stream->Read(&result));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamTest, AClientThatDoesNotReadIsNotReadFrom) {
  options_.n_items = 300;
  Start(true, "127.0.0.1:0", 4);
  constexpr int kMost = 20'000;  // 400 MB of requests
  const v1::RecommendRequest request = ForUser(std::string(20'000, 'x'), 290);
  std::atomic<int> n_written = 0;
  std::atomic<bool> stop = false;
  const auto stream = Open();
  std::thread writer([&] {
    for (; !stop && n_written < kMost && stream->Write(request); ++n_written) continue;
  });
  for (int before = -1, same = 0; same < 50;) {  // until the count stands still
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    same = n_written == before ? same + 1 : 0;
    before = n_written;
  }
  const int held = n_written;
  EXPECT_LT(held, kMost);
  v1::RecommendReply reply;
  EXPECT_TRUE(Recommend(ForUser("u6"), &reply).ok()) << "the worker is free meanwhile";
  stop = true;
  v1::BatchResult result;
  for (int i = 0; i < held; ++i) {
    ASSERT_TRUE(stream->Read(&result));
    ASSERT_EQ(result.reply().items_size(), 290);
  }
  writer.join();
  stream->WritesDone();
  while (stream->Read(&result)) continue;
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamTest, AFullQueueIsTheErrorOfTheRequestThatMetIt) {
  Start(true, "127.0.0.1:0", 1);
  std::latch release(1);
  Occupy(release);
  std::promise<void> waited;
  Job waiting;
  waiting.run = [&](CallContext&) { waited.set_value(); };
  waiting.refuse = [&](Refusal) { waited.set_value(); };
  executor_->Submit(std::move(waiting));
  const auto stream = Open();
  v1::BatchResult result;
  ASSERT_TRUE(stream->Write(ForUser("u5")));
  ASSERT_TRUE(stream->Read(&result));
  EXPECT_EQ(result.error().code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  release.count_down();
  waited.get_future().wait();
  ASSERT_TRUE(stream->Write(ForUser("u5")));
  ASSERT_TRUE(stream->Read(&result));
  EXPECT_EQ(result.reply().items_size(), 10);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamTest, WithoutAModelEachRequestHearsOfIt) {
  Start(false);
  const auto stream = Open();
  v1::BatchResult result;
  ASSERT_TRUE(stream->Write(ForUser("u5")));
  ASSERT_TRUE(stream->Read(&result));
  EXPECT_EQ(result.error().code(), grpc::StatusCode::UNAVAILABLE);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamTest, AClientThatCancelsOrGoesAwayEndsIt) {
  Start();
  for (const bool busy : {false, true}) {
    grpc::ClientContext context;
    const auto stream = stub_->StreamRecommend(&context);
    std::latch release(1);
    v1::BatchResult result;
    ASSERT_TRUE(stream->Write(ForUser("u5")));
    ASSERT_TRUE(stream->Read(&result));
    if (busy) {
      Occupy(release);
      ASSERT_TRUE(stream->Write(ForUser("u5")));
      while (executor_->n_waiting() == 0) std::this_thread::yield();
    }
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
    release.count_down();
  }
  WaitUntilEnded();
}

TEST_F(StreamTest, ADeadlineEndsIt) {
  Start();
  const auto stream = Open(std::chrono::milliseconds(50));
  v1::BatchResult result;
  while (stream->Read(&result)) continue;
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  WaitUntilEnded();
}

TEST_F(StreamTest, ADrainAnswersWhatWasReadAndEndsStreams) {
  Start();
  const auto idle = Open();
  v1::BatchResult result;
  ASSERT_TRUE(idle->Write(ForUser("u5")));
  ASSERT_TRUE(idle->Read(&result));
  std::latch release(1);
  Occupy(release);
  grpc::ClientContext context;
  const auto busy = stub_->StreamRecommend(&context);
  ASSERT_TRUE(busy->Write(ForUser("u6", 4)));
  while (executor_->n_waiting() == 0) std::this_thread::yield();
  EXPECT_EQ(service_->Drain(std::chrono::milliseconds(200)), 1) << "the idle one has ended";
  EXPECT_FALSE(idle->Read(&result));
  EXPECT_EQ(idle->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  release.count_down();
  ASSERT_TRUE(busy->Read(&result));
  EXPECT_EQ(result.reply().items_size(), 4);
  EXPECT_FALSE(busy->Read(&result));
  const grpc::Status status = busy->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "the server is stopping");
  EXPECT_EQ(service_->Drain(std::chrono::minutes(1)), 0);

  grpc::ClientContext late_context;
  const auto late = stub_->StreamRecommend(&late_context);
  EXPECT_FALSE(late->Read(&result));
  EXPECT_EQ(late->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(StreamTest, UsersForAnItemOfAnyNumber) {
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

TEST_F(StreamTest, AListOfNoUsersIsOneReply) {
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

TEST_F(StreamTest, UsersForAnItemAreRefusedAndCancelled) {
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
    grpc::ClientContext context;
    const auto stream = stub_->StreamUsersForItem(&context, request);
    while (executor_->n_waiting() == 0) std::this_thread::yield();
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
    release.count_down();
  }
  EXPECT_EQ(service_->Drain(std::chrono::minutes(1)), 0);
  EXPECT_EQ(status_of().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(StreamTest, AShutdownEndsAnOpenStream) {
  Start();
  const auto stream = Open();
  v1::BatchResult result;
  ASSERT_TRUE(stream->Write(ForUser("u5")));
  ASSERT_TRUE(stream->Read(&result));
  std::thread shutdown([&] { server_->Shutdown(); });
  EXPECT_FALSE(stream->Read(&result));
  EXPECT_FALSE(stream->Finish().ok());
  shutdown.join();
}

}  // namespace
}  // namespace kindred
