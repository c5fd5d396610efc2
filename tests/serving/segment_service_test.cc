// Segments over a connection, beside a model and without one.
#include "serving/segment_service.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "serving/segment_handlers.h"
#include "tests/serving/grpc_server.h"
#include "tests/serving/load_events.h"
#include "tests/serving/tiny_segments.h"

namespace kindred {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

class SegmentServiceTest : public GrpcServerTest {
 protected:
  /// Serves segments of so many users; of 0, none. With `model`, the tiny model too.
  void StartSegments(int n_users, bool model = false) {
    Start(model);
    server_.reset();
    service_.reset();
    if (!model) watcher_.reset();
    if (n_users > 0) {
      TinySegments({.n_users = n_users, .has_behaviour = n_users == 60, .user_prefix = user_prefix_})
          .Publish(store_, "segments");
      segments_ = std::make_unique<SegmentWatcher>(
          store_, WatcherOptions{"segments", kCurrentVersion, std::chrono::milliseconds(2)}, loads_.listener());
      EXPECT_EQ(loads_.Next().reason, "");
    }
    service_ = std::make_unique<RecommenderService>(ServiceParts{.gate = *gate_,
                                                                 .executor = *executor_,
                                                                 .failover = *failover_,
                                                                 .models = watcher_.get(),
                                                                 .segments = segments_.get(),
                                                                 .version = "1.2.3"});
    segment_service_ = std::make_unique<SegmentService>(*gate_, *executor_, segments_.get());
    server_ = std::make_unique<Server>(
        std::vector<Server::Hosted>{{*service_, v1::Recommender::service_full_name(), watcher_ != nullptr},
                                    {*segment_service_, v1::Segments::service_full_name(), segments_ != nullptr}},
        "127.0.0.1:0");
    Connect(/*reads_ahead=*/false);
    segments_stub_ = v1::Segments::NewStub(channel_);
  }
  void TearDown() override { server_.reset(); }  // before what answers its calls

  template <class Request, class Reply>
  grpc::Status Ask(grpc::Status (v1::Segments::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                   const Request& request, Reply* reply) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    return (segments_stub_.get()->*method)(&context, request, reply);
  }

  static v1::ListMembersRequest OfCluster(const std::string& id) {
    v1::ListMembersRequest request;
    request.mutable_segment()->set_kind(v1::CLUSTER);
    request.mutable_segment()->set_id(id);
    return request;
  }

  std::string user_prefix_ = "u";
  LoadEvents loads_;  // of segments
  std::unique_ptr<SegmentWatcher> segments_;
  std::unique_ptr<SegmentService> segment_service_;
  std::unique_ptr<v1::Segments::Stub> segments_stub_;
};

TEST_F(SegmentServiceTest, EveryMethodBesideAModel) {
  StartSegments(60, true);
  v1::RecommendReply recommended;
  EXPECT_TRUE(Recommend(ForUser("u5"), &recommended).ok());

  v1::GetUserSegmentsRequest get;
  get.set_user_id("u5");
  v1::UserSegments user;
  ASSERT_TRUE(Ask(&v1::Segments::Stub::GetUserSegments, get, &user).ok());
  EXPECT_EQ(user.cluster().id(), "1");
  get.set_user_id("stranger");
  EXPECT_EQ(Ask(&v1::Segments::Stub::GetUserSegments, get, &user).error_code(), StatusCode::NOT_FOUND);

  v1::BatchGetUserSegmentsRequest batch;
  batch.add_user_ids("u5");
  v1::BatchGetUserSegmentsReply results;
  ASSERT_TRUE(Ask(&v1::Segments::Stub::BatchGetUserSegments, batch, &results).ok());
  EXPECT_TRUE(results.results(0).has_reply());

  v1::ListSegmentsReply list;
  ASSERT_TRUE(Ask(&v1::Segments::Stub::ListSegments, v1::ListSegmentsRequest(), &list).ok());
  EXPECT_EQ(list.list_size(), 7);

  v1::DescribeSegmentRequest describe;
  *describe.mutable_segment() = list.list(0).id();
  v1::SegmentDescription description;
  ASSERT_TRUE(Ask(&v1::Segments::Stub::DescribeSegment, describe, &description).ok());
  EXPECT_EQ(description.segment().size(), list.list(0).size());

  v1::AssignFeaturesRequest features;
  for (const auto& [name, value] : {std::pair("recency", 0.0), {"frequency", 60.0}, {"monetary", 500.0}})
    (*features.mutable_features())[name] = value;
  ASSERT_TRUE(Ask(&v1::Segments::Stub::AssignFeatures, features, &user).ok());
  EXPECT_EQ(user.cluster().id(), "2");

  v1::AssignEventsRequest events;
  events.set_user_id("u5");
  v1::AssignEventsReply assigned;
  ASSERT_TRUE(Ask(&v1::Segments::Stub::AssignEvents, events, &assigned).ok());
  EXPECT_TRUE(assigned.known_user());

  v1::ServerInfo info;
  ASSERT_TRUE(Call(&v1::Recommender::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info).ok());
  EXPECT_EQ(info.model().name(), "tiny");
  EXPECT_EQ(info.segments().name(), "segments");
  EXPECT_EQ(info.segments().n_users(), 60);
  EXPECT_EQ(info.segments().digest().size(), 64u);
  EXPECT_TRUE(info.has_segments_load_failures());
  EXPECT_EQ(info.limits().max_events(), 10000);
  EXPECT_EQ(info.limits().max_features(), 4096);
  EXPECT_EQ(info.limits().max_export_columns(), 256);
}

TEST_F(SegmentServiceTest, WithoutSegmentsItSaysHow) {
  StartSegments(0, true);
  v1::ListSegmentsReply list;
  const grpc::Status status = Ask(&v1::Segments::Stub::ListSegments, v1::ListSegmentsRequest(), &list);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("kindred serve --segments"));
  grpc::ClientContext members, rows;
  EXPECT_EQ(segments_stub_->ListMembers(&members, OfCluster("1"))->Finish().error_code(),
            StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(segments_stub_->ExportSegment(&rows, v1::ExportSegmentRequest())->Finish().error_code(),
            StatusCode::FAILED_PRECONDITION);
  v1::ServerInfo info;
  ASSERT_TRUE(Call(&v1::Recommender::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info).ok());
  EXPECT_FALSE(info.has_segments() || info.has_segments_load_failures());
}

TEST_F(SegmentServiceTest, SegmentsAloneSayThatThereIsNoModel) {
  StartSegments(12);
  v1::ListSegmentsReply list;
  EXPECT_TRUE(Ask(&v1::Segments::Stub::ListSegments, v1::ListSegmentsRequest(), &list).ok());
  v1::RecommendReply reply;
  const grpc::Status status = Recommend(ForUser("u5"), &reply);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("kindred serve --model"));
  grpc::ClientContext users;
  EXPECT_EQ(stub_->StreamUsersForItem(&users, v1::UsersForItemRequest())->Finish().error_code(),
            StatusCode::FAILED_PRECONDITION);
  grpc::ClientContext context;
  const auto stream = stub_->StreamRecommend(&context);
  stream->Write(ForUser("u5"));
  stream->WritesDone();
  v1::BatchResult result;
  ASSERT_TRUE(stream->Read(&result));
  EXPECT_EQ(result.error().code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(stream->Finish().ok());
  v1::ServerInfo info;
  ASSERT_TRUE(Call(&v1::Recommender::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info).ok());
  EXPECT_FALSE(info.has_model());
  EXPECT_TRUE(info.has_segments());
}

TEST_F(SegmentServiceTest, PagesAreOneListOfOneVersion) {
  user_prefix_ = std::string(100, 'u');  // so that the last page is not made before the first is read
  StartSegments(3500);
  grpc::ClientContext context;
  const auto stream = segments_stub_->ListMembers(&context, OfCluster("1"));
  std::vector<std::string> members;
  std::vector<int> sizes;
  for (v1::MembersPage page; stream->Read(&page);) {
    if (sizes.empty()) {  // the next version does not change what is under way
      TinySegments({.n_users = 12, .has_behaviour = false}).Publish(store_, "segments");
      EXPECT_EQ(loads_.Next().version, 2);
    }
    sizes.push_back(page.user_ids_size());
    EXPECT_EQ(page.segments().version(), 1);
    members.insert(members.end(), page.user_ids().begin(), page.user_ids().end());
    EXPECT_EQ(page.size(), 2333);
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_THAT(sizes, testing::ElementsAre(1000, 1000, 333));
  std::vector<std::string> expected;
  for (int u = 0; u + 1 < 3500; ++u)
    if (u % 3 != 1) expected.push_back(user_prefix_ + std::to_string(u));
  EXPECT_EQ(members, expected);
}

TEST_F(SegmentServiceTest, PagesOfRows) {
  StartSegments(3500);
  v1::ExportSegmentRequest request;
  request.add_attributes("*");
  request.add_features("*");
  grpc::ClientContext context;
  const auto rows = segments_stub_->ExportSegment(&context, request);
  int64_t n = 0;
  for (v1::ExportPage page; rows->Read(&page); n += page.rows_size()) {
    EXPECT_LE(page.rows_size(), 1000);
    EXPECT_LT(page.ByteSizeLong(), 2u << 20);
    EXPECT_EQ(page.columns_size(), 7);
    EXPECT_EQ(page.size(), 3500);
  }
  EXPECT_TRUE(rows->Finish().ok());
  EXPECT_EQ(n, 3500);
}

TEST_F(SegmentServiceTest, AClientThatDoesNotReadIsCutOff) {
  StartSegments(20'000);
  v1::ExportSegmentRequest request;
  request.add_attributes("*");
  grpc::ClientContext context;
  const auto stream = segments_stub_->ExportSegment(&context, request);
  v1::ExportPage page;
  ASSERT_TRUE(stream->Read(&page));
  EXPECT_EQ(gate_->CutOffStreams(std::chrono::minutes(10)), 0);
  while (gate_->CutOffStreams(std::chrono::milliseconds(100)) == 0) std::this_thread::yield();
  int64_t n = page.rows_size();
  for (; stream->Read(&page); n += page.rows_size()) continue;
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::CANCELLED);
  EXPECT_LT(n, 20'000);
  EXPECT_EQ(gate_->Drain(std::chrono::minutes(1)), 0) << "what it held is freed";
}

TEST_F(SegmentServiceTest, StreamsOfBothServicesAreLimitedTogether) {
  max_streams_ = 1;
  StartSegments(12, true);
  grpc::ClientContext context, more, again;
  const auto open = stub_->StreamRecommend(&context);
  open->Write(ForUser("u5"));
  v1::BatchResult result;
  ASSERT_TRUE(open->Read(&result));
  const grpc::Status status = segments_stub_->ListMembers(&more, OfCluster("1"))->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "1 streams are open, and no more may be; try again");
  open->WritesDone();
  EXPECT_TRUE(open->Finish().ok());
  while (gate_->n_calls() > 0) std::this_thread::yield();  // the server ends it a little later
  v1::MembersPage page;
  const auto stream = segments_stub_->ListMembers(&again, OfCluster("2"));
  EXPECT_TRUE(stream->Read(&page));
  EXPECT_FALSE(stream->Read(&page));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(SegmentServiceTest, ALaterFieldAndAFullQueue) {
  StartSegments(12);
  v1::GetUserSegmentsRequest get;
  get.set_user_id("u5");
  get.GetReflection()->MutableUnknownFields(&get)->AddVarint(999, 1);
  v1::UserSegments user;
  EXPECT_EQ(Ask(&v1::Segments::Stub::GetUserSegments, get, &user).error_message(),
            "field number 999, which this server does not know: is not served by this version");
  std::latch release(1);
  Occupy(release);
  const std::future<void> queued = Queue();
  v1::ListSegmentsReply list;
  EXPECT_EQ(Ask(&v1::Segments::Stub::ListSegments, v1::ListSegmentsRequest(), &list).error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
  release.count_down();
  queued.wait();
  EXPECT_EQ(gate_->Drain(std::chrono::minutes(1)), 0);
  EXPECT_EQ(Ask(&v1::Segments::Stub::GetUserSegments, get, &user).error_code(), StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace kindred
