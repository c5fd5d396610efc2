#include "serving/service.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <limits>
#include <thread>

#include "serving/recommender.h"
#include "tests/serving/failing_device.h"
#include "tests/serving/grpc_server.h"

namespace kindred {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;
using testing::StartsWith;

class ServiceTest : public GrpcServerTest {};

TEST_F(ServiceTest, ProbabilitiesComeWithWhatHasThem) {
  options_.calibrated = true;
  Start();
  v1::RecommendReply reply;
  ASSERT_TRUE(Recommend(ForUser("u5"), &reply).ok());
  for (const v1::ScoredItem& item : reply.items()) {
    ASSERT_TRUE(item.has_probability());
    EXPECT_EQ(item.probability(), std::clamp(item.score(), 0.0f, 1.0f));
  }
  ASSERT_TRUE(Recommend(v1::RecommendRequest(), &reply).ok());
  EXPECT_FALSE(reply.items(0).has_probability());
}

TEST_F(ServiceTest, EveryWayOfAnswering) {
  Start();
  v1::RecommendReply reply;
  ASSERT_TRUE(Recommend(ForUser("u5"), &reply).ok());
  EXPECT_EQ(reply.served_by(), v1::PERSONAL);
  EXPECT_EQ(reply.items_size(), 10);
  EXPECT_EQ(reply.model().name(), "tiny");
  EXPECT_EQ(reply.model().version(), 1);
  EXPECT_FALSE(reply.has_shortfall());
  EXPECT_EQ(reply.why(), "");

  v1::RecommendRequest request = ForUser("stranger", 3);
  request.add_history()->set_item_id("i2");
  request.add_history()->set_item_id("lost");
  request.mutable_history(0)->set_value(2.5f);
  ASSERT_TRUE(Recommend(request, &reply).ok());
  EXPECT_EQ(reply.served_by(), v1::FOLDED_IN);
  EXPECT_THAT(reply.unknown_history_items(), testing::ElementsAre("lost"));
  EXPECT_EQ(reply.items_size(), 3);

  ASSERT_TRUE(Recommend(v1::RecommendRequest(), &reply).ok());
  EXPECT_EQ(reply.served_by(), v1::POPULAR);
  EXPECT_NE(reply.why(), "");

  ASSERT_TRUE(Recommend(ForUser("u1"), &reply).ok());  // has every item
  EXPECT_EQ(reply.items_size(), 0);
  EXPECT_EQ(reply.shortfall().requested(), 10);
  EXPECT_EQ(reply.shortfall().returned(), 0);
  EXPECT_NE(reply.shortfall().reason(), "");

  v1::SimilarItemsRequest about;
  v1::SimilarItemsReply similar;
  about.set_item_id("i3");
  ASSERT_TRUE(Call(&v1::Recommender::Stub::SimilarItems, about, &similar).ok());
  EXPECT_EQ(similar.served_by(), v1::SIMILAR);
  EXPECT_EQ(similar.items_size(), 10);
  about.set_item_id("lost");
  EXPECT_EQ(Call(&v1::Recommender::Stub::SimilarItems, about, &similar).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServiceTest, NOutOfRange) {
  Start();
  for (int32_t n : {0, -1, 1001, 1'000'000'000, std::numeric_limits<int32_t>::min()}) {
    v1::RecommendReply reply;
    const grpc::Status status = Recommend(ForUser("u5", n), &reply);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(status.error_message(), "n: is " + std::to_string(n) + ", expected 1 to 1000");
  }
}

TEST_F(ServiceTest, ABatchAnswersEachRequestAsAlone) {
  Start();
  v1::BatchRecommendRequest batch;
  *batch.add_requests() = ForUser("u5", 4);
  *batch.add_requests() = ForUser("u6", 0);
  *batch.add_requests() = ForUser("stranger");
  *batch.add_requests() = ForUser("u7");
  batch.mutable_requests(3)->set_explain(true);
  *batch.add_requests() = ForUser("u5", 4);
  batch.mutable_requests(4)->add_history()->set_item_id("i9");
  v1::BatchRecommendReply replies;
  ASSERT_TRUE(Call(&v1::Recommender::Stub::BatchRecommend, batch, &replies).ok());
  ASSERT_EQ(replies.results_size(), batch.requests_size());
  for (int i = 0; i < batch.requests_size(); ++i) {
    SCOPED_TRACE(i);
    v1::RecommendReply alone;
    const grpc::Status status = Recommend(batch.requests(i), &alone);
    EXPECT_EQ(replies.results(i).has_reply(), status.ok());
    EXPECT_TRUE(MessageDifferencer::Equals(replies.results(i).reply(), alone));
    EXPECT_EQ(replies.results(i).error().code(), status.error_code());
    EXPECT_EQ(replies.results(i).error().message(), status.error_message());
  }
}

TEST_F(ServiceTest, SizesOfBatches) {
  Start();
  v1::BatchRecommendRequest batch;
  v1::BatchRecommendReply replies;
  EXPECT_TRUE(Call(&v1::Recommender::Stub::BatchRecommend, batch, &replies).ok());
  EXPECT_EQ(replies.results_size(), 0);
  for (int i = 0; i < 1024; ++i) *batch.add_requests() = ForUser("u" + std::to_string(i % 50), 2);
  ASSERT_TRUE(Call(&v1::Recommender::Stub::BatchRecommend, batch, &replies).ok());
  EXPECT_EQ(replies.results_size(), 1024);
  batch.add_requests();
  const grpc::Status status = Call(&v1::Recommender::Stub::BatchRecommend, batch, &replies);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "requests: has 1025 entries, expected at most 1024");
}

TEST_F(ServiceTest, AMessageOverTheLimitIsRefused) {
  Start();
  v1::RecommendReply reply;
  EXPECT_TRUE(Recommend(ForUser(std::string(kMaxRequestBytes - 100, 'x')), &reply).ok());
  EXPECT_EQ(Recommend(ForUser(std::string(kMaxRequestBytes + 1, 'x')), &reply).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ServiceTest, ACallWhoseDeadlinePassesInTheQueueIsNotStarted) {
  Start(true, "127.0.0.1:0", 2);
  std::latch release(1);
  Occupy(release);
  v1::RecommendReply reply;
  EXPECT_EQ(Recommend(ForUser("u5"), &reply, std::chrono::milliseconds(50)).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  release.count_down();
  EXPECT_TRUE(Recommend(ForUser("u5"), &reply).ok());
}

TEST_F(ServiceTest, AFullQueueRefusesAndServerInfoStillAnswers) {
  Start(true, "127.0.0.1:0", 1);
  std::latch release(1);
  Occupy(release);
  const std::future<void> queued = Queue();
  v1::RecommendReply reply;
  EXPECT_EQ(Recommend(ForUser("u5"), &reply).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  v1::ServerInfo info;
  EXPECT_TRUE(Call(&v1::Recommender::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info).ok());
  release.count_down();
  queued.wait();
  EXPECT_TRUE(Recommend(ForUser("u5"), &reply).ok());
}

TEST_F(ServiceTest, ServerInfo) {
  Start();
  v1::ServerInfo info;
  ASSERT_TRUE(Call(&v1::Recommender::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info).ok());
  EXPECT_EQ(info.server_version(), "1.2.3");
  EXPECT_EQ(info.model().name(), "tiny");
  EXPECT_EQ(info.model().version(), 1);
  EXPECT_EQ(info.model().algorithm(), "als");
  EXPECT_EQ(info.model().n_users(), 40);
  EXPECT_EQ(info.model().n_items(), 30);
  EXPECT_EQ(info.model().n_factors(), 6);
  EXPECT_EQ(info.model().created_at(), "2026-01-02T03:04:05Z");
  EXPECT_EQ(info.model().digest().size(), 64u);
  EXPECT_EQ(info.backend().name(), "cpu");
  EXPECT_EQ(info.backend().reason(), "the test wants it");
  EXPECT_FALSE(info.backend().degraded());
  EXPECT_EQ(info.limits().max_n(), 1000);
  EXPECT_EQ(info.limits().max_batch(), 1024);
  EXPECT_EQ(info.limits().max_request_bytes(), 4 << 20);
  EXPECT_EQ(info.limits().max_streams(), 256);
  EXPECT_EQ(info.limits().max_unread_seconds(), 60);
  EXPECT_EQ(info.load_failures().count(), 0);
  EXPECT_GE(info.uptime_seconds(), 0);
  EXPECT_EQ(info.calls_in_flight(), 1);
}

class ServiceOnADeviceTest : public GrpcServerTest {
 protected:
  std::unique_ptr<Backend> NewServingBackend() override { return std::make_unique<FailingDevice>(state_); }

  v1::BackendInfo Info() {
    v1::ServerInfo info;
    EXPECT_TRUE(Call(&v1::Recommender::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info).ok());
    return info.backend();
  }

  const std::shared_ptr<DeviceState> state_ = std::make_shared<DeviceState>();
};

TEST_F(ServiceOnADeviceTest, ItsFailureIsReportedAndNoReplyShowsIt) {
  Start();
  v1::BatchRecommendRequest batch;
  for (const char* user : {"u5", "u6", "nobody"}) *batch.add_requests() = ForUser(user, 4);
  *batch.add_requests() = ForUser("u7");
  batch.mutable_requests(3)->add_history()->set_item_id("i9");
  v1::SimilarItemsRequest about;
  about.set_item_id("i3");
  const auto ask = [&](v1::RecommendReply* single, v1::BatchRecommendReply* replies, v1::SimilarItemsReply* similar) {
    EXPECT_TRUE(Recommend(batch.requests(3), single).ok());
    EXPECT_TRUE(Call(&v1::Recommender::Stub::BatchRecommend, batch, replies).ok());
    EXPECT_TRUE(Call(&v1::Recommender::Stub::SimilarItems, about, similar).ok());
  };
  v1::RecommendReply single[2];
  v1::BatchRecommendReply replies[2];
  v1::SimilarItemsReply similar[2];
  ask(&single[0], &replies[0], &similar[0]);
  EXPECT_EQ(Info().name(), "cuda");
  EXPECT_EQ(Info().device(), "Failing Card");
  EXPECT_FALSE(Info().degraded());
  EXPECT_EQ(Info().degraded_reason(), "");

  state_->FailAt("top_n", 2);
  ask(&single[1], &replies[1], &similar[1]);
  EXPECT_TRUE(MessageDifferencer::Equals(single[0], single[1]));
  EXPECT_TRUE(MessageDifferencer::Equals(replies[0], replies[1]));
  EXPECT_TRUE(MessageDifferencer::Equals(similar[0], similar[1]));
  const v1::BackendInfo info = Info();
  EXPECT_EQ(info.name(), "cpu");
  EXPECT_NE(info.device(), "Failing Card");
  EXPECT_EQ(info.n_threads(), 1);
  EXPECT_EQ(info.reason(), std::string("fell back from cuda (Failing Card): ") + DeviceState::kLost);
  EXPECT_TRUE(info.degraded());
  EXPECT_EQ(info.degraded_reason(), std::string("while answering calls: ") + DeviceState::kLost);
}

TEST_F(ServiceTest, WithoutAModelCallsAreUnavailable) {
  Start(false);
  v1::RecommendReply reply;
  EXPECT_EQ(Recommend(ForUser("u5"), &reply).error_code(), grpc::StatusCode::UNAVAILABLE);
  v1::ServerInfo info;
  ASSERT_TRUE(Call(&v1::Recommender::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info).ok());
  EXPECT_FALSE(info.has_model());
  EXPECT_EQ(info.load_failures().count(), 1);
  EXPECT_NE(info.load_failures().last_reason(), "");
}

TEST_F(ServiceTest, ADrainFinishesWhatWasAcceptedAndRefusesTheRest) {
  Start();
  std::latch release(1);
  Occupy(release);
  grpc::ClientContext context;
  v1::RecommendReply reply;
  const v1::RecommendRequest request = ForUser("u5");
  std::promise<grpc::Status> answered;
  stub_->async()->Recommend(&context, &request, &reply, [&](grpc::Status status) { answered.set_value(status); });
  WaitUntilQueued();
  EXPECT_EQ(gate_->Drain(std::chrono::milliseconds(1)), 1);
  v1::RecommendReply refused;
  EXPECT_EQ(Recommend(request, &refused).error_code(), grpc::StatusCode::UNAVAILABLE);
  release.count_down();
  EXPECT_EQ(gate_->Drain(std::chrono::minutes(1)), 0);
  server_->Shutdown();
  EXPECT_TRUE(answered.get_future().get().ok());
  EXPECT_EQ(reply.items_size(), 10);
  EXPECT_EQ(Recommend(request, &refused).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServiceTest, AShutdownWithoutADrainCancels) {
  Start();
  std::latch release(1);
  Occupy(release);
  grpc::ClientContext context;
  v1::RecommendReply reply;
  const v1::RecommendRequest request = ForUser("u5");
  std::promise<grpc::Status> answered;
  stub_->async()->Recommend(&context, &request, &reply, [&](grpc::Status status) { answered.set_value(status); });
  WaitUntilQueued();
  std::thread shutdown([&] { server_->Shutdown(); });
  EXPECT_FALSE(answered.get_future().get().ok());
  release.count_down();
  shutdown.join();
}

}  // namespace
}  // namespace kindred
