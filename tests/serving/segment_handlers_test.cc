// What each method of Segments does with a message, without a network.
#include "serving/segment_handlers.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <limits>
#include <set>

#include "serving/guarded.h"
#include "serving/segment_assignment.h"
#include "tests/serving/tiny_segments.h"

namespace kindred {
namespace {

using google::protobuf::util::MessageDifferencer;
using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kReference = TinySegments::kReference, kDay = TinySegments::kDay;

class SegmentHandlersTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    TinySegments().Publish(ModelStore(folder_->path()), "segments");
    served_ = LoadServedSegments(ModelStore(folder_->path()), "segments", 0);
  }
  static void TearDownTestSuite() {
    served_.reset();
    delete folder_;
  }

  static void Expect(const grpc::Status& status, StatusCode code, const std::string& message) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(message));
  }

  static v1::SegmentId Id(v1::SegmentKind kind, const std::string& id) {
    v1::SegmentId made;
    made.set_kind(kind);
    made.set_id(id);
    return made;
  }

  static std::vector<std::string> Members(const v1::ListMembersRequest& request, int n_pages = 1) {
    ListedMembers list;
    EXPECT_TRUE(HandleListMembers(served_, request, &list).ok());
    std::vector<std::string> members;
    v1::MembersPage page;
    for (; FillMembers(&list, &page); --n_pages) {
      EXPECT_EQ(page.segments().version(), 1);
      EXPECT_LE(page.user_ids_size(), 1000);
      members.insert(members.end(), page.user_ids().begin(), page.user_ids().end());
    }
    EXPECT_EQ(n_pages, 0);
    EXPECT_FALSE(FillMembers(&list, &page));
    return members;
  }

  static v1::ExportPage Export(const v1::ExportSegmentRequest& request) {
    std::unique_ptr<SegmentExport> exported;
    const grpc::Status status = HandleExportSegment(served_, request, &exported);
    EXPECT_TRUE(status.ok()) << status.error_message();
    v1::ExportPage all, page;
    while (exported->Fill(&page)) all.MergeFrom(page);
    return all;
  }

  static inline TemporaryFolder* folder_ = nullptr;
  static inline std::shared_ptr<const ServedSegments> served_;
};

TEST_F(SegmentHandlersTest, AUserAsTheModelHasIt) {
  for (int64_t u = 0; u < served_->model->users().size(); ++u) {
    SCOPED_TRACE(u);
    v1::GetUserSegmentsRequest request;
    request.set_user_id(std::string(served_->model->users().Id(u)));
    v1::UserSegments reply;
    ASSERT_TRUE(HandleGetUserSegments(served_.get(), request, &reply).ok());
    const UserSegments of = served_->model->Of(u);
    EXPECT_EQ(reply.user_id(), request.user_id());
    EXPECT_EQ(reply.segments().name(), "segments");
    EXPECT_EQ(reply.segments().version(), 1);
    EXPECT_EQ(reply.reference().seconds(), kReference);
    ASSERT_EQ(reply.has_cluster(), of.segment >= 0);
    EXPECT_EQ(reply.has_cluster(), u != 59) << "who has no event until the reference";
    if (reply.has_cluster()) {
      EXPECT_EQ(reply.cluster().id(), u % 3 == 1 ? "2" : "1");
      EXPECT_EQ(reply.cluster().name() == "Regulars", u % 3 == 1);
      EXPECT_EQ(reply.cluster().distance(), of.distance);
      EXPECT_EQ(reply.cluster().next().id(), u % 3 == 1 ? "1" : "2");
      EXPECT_EQ(reply.cluster().next().distance(), of.next_distance);
    }
    ASSERT_EQ(reply.rules_size(), std::ssize(of.rules));
    for (int r = 0; r < reply.rules_size(); ++r) EXPECT_GT(reply.rules(r).reasons_size(), 0);
    EXPECT_EQ(reply.stage().name(), of.stage < 0 ? "" : of.stage == 0 ? "aware" : "buyer");
    ASSERT_EQ(reply.has_likelihood(), of.likelihood.has_value());
    if (reply.has_likelihood()) {
      EXPECT_EQ(reply.likelihood().probability(), *of.likelihood);
      EXPECT_EQ(reply.likelihood().likely(), served_->model->IsLikely(u));
      EXPECT_GT(reply.likelihood().parts_size(), 0);
    }
    ASSERT_EQ(reply.features_size(), 3);
    EXPECT_EQ(reply.features(0).feature(), "recency");
    EXPECT_EQ(reply.features(0).has_value(), u != 59);
    EXPECT_EQ(reply.traits_size(), u == 59 ? 0 : 3);
  }
}

TEST_F(SegmentHandlersTest, ABatchAnswersEachAsAlone) {
  v1::BatchGetUserSegmentsRequest batch;
  for (const char* id : {"u3", "stranger", "", "u3", "u1"}) batch.add_user_ids(id);
  v1::BatchGetUserSegmentsReply reply;
  ASSERT_TRUE(HandleBatchGetUserSegments(served_.get(), batch, &reply).ok());
  ASSERT_EQ(reply.results_size(), 5);
  EXPECT_EQ(reply.results(1).error().code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(reply.results(1).error().message(), "user_ids[1]: the version has no user 'stranger'");
  EXPECT_EQ(reply.results(2).error().code(), StatusCode::INVALID_ARGUMENT);
  for (const int i : {0, 3, 4}) {
    v1::GetUserSegmentsRequest request;
    request.set_user_id(batch.user_ids(i));
    v1::UserSegments alone;
    ASSERT_TRUE(HandleGetUserSegments(served_.get(), request, &alone).ok());
    alone.clear_features();
    EXPECT_TRUE(MessageDifferencer::Equals(reply.results(i).reply(), alone));
  }
  batch.mutable_user_ids()->Clear();
  for (int i = 0; i < kMaxBatch; ++i) batch.add_user_ids("x");
  EXPECT_TRUE(HandleBatchGetUserSegments(served_.get(), batch, &reply).ok());
  batch.add_user_ids("x");
  Expect(HandleBatchGetUserSegments(served_.get(), batch, &reply), StatusCode::INVALID_ARGUMENT,
         "user_ids: has 1025 entries, expected at most 1024");
}

TEST_F(SegmentHandlersTest, AllSegmentsAndTheirMembers) {
  v1::ListSegmentsReply reply;
  ASSERT_TRUE(HandleListSegments(served_.get(), {}, &reply).ok());
  EXPECT_EQ(reply.n_users(), 60);
  EXPECT_EQ(reply.n_in_no_cluster(), 1);
  EXPECT_EQ(reply.reference().seconds(), kReference);
  ASSERT_EQ(reply.list_size(), 7);
  const v1::SegmentKind kKinds[] = {v1::CLUSTER, v1::CLUSTER, v1::RULE, v1::RULE, v1::STAGE, v1::STAGE, v1::LIKELY};
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(reply.list(i).id().kind(), kKinds[i]);
    v1::ListMembersRequest request;
    *request.mutable_segment() = reply.list(i).id();
    const std::vector<std::string> members = Members(request);
    EXPECT_EQ(std::ssize(members), reply.list(i).size());
    EXPECT_EQ(std::set(members.begin(), members.end()).size(), members.size());
    request.set_n(2);
    const std::vector<std::string> two = Members(request);
    EXPECT_THAT(two, testing::ElementsAreArray(members.begin(), members.begin() + std::min(2L, std::ssize(members))));
    request.set_n(std::numeric_limits<int64_t>::max());
    EXPECT_EQ(Members(request), members);
    v1::ExportSegmentRequest rows;
    *rows.mutable_segment() = reply.list(i).id();
    const v1::ExportPage page = Export(rows);
    ASSERT_EQ(page.rows_size(), std::ssize(members));
    for (int r = 0; r < page.rows_size(); ++r) EXPECT_EQ(page.rows(r).user_id(), members[static_cast<size_t>(r)]);
  }
  v1::ListMembersRequest request;
  ListedMembers list;
  Expect(HandleListMembers(served_, request, &list), StatusCode::INVALID_ARGUMENT,
         "segment.kind: is 0, expected CLUSTER, RULE, STAGE or LIKELY");
  *request.mutable_segment() = Id(static_cast<v1::SegmentKind>(17), "x");
  Expect(HandleListMembers(served_, request, &list), StatusCode::INVALID_ARGUMENT, "segment.kind: is 17");
  *request.mutable_segment() = Id(v1::RULE, "Looks buys not");
  Expect(HandleListMembers(served_, request, &list), StatusCode::NOT_FOUND, "the nearest is 'Looks, buys not'");
  for (const int64_t n : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
    request.set_n(n);
    Expect(HandleListMembers(served_, request, &list), StatusCode::INVALID_ARGUMENT,
           "n: is " + std::to_string(n) + ", expected 1 or more");
  }
}

TEST_F(SegmentHandlersTest, WhatIsKnownOfASegment) {
  const auto describe = [&](v1::SegmentKind kind, const std::string& id) {
    v1::DescribeSegmentRequest request;
    *request.mutable_segment() = Id(kind, id);
    v1::SegmentDescription reply;
    const grpc::Status status = HandleDescribeSegment(served_.get(), request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply;
  };
  const v1::SegmentDescription cluster = describe(v1::CLUSTER, "Regulars");
  EXPECT_EQ(cluster.segment().id().id(), "2");
  EXPECT_TRUE(cluster.named_by_person());
  EXPECT_FALSE(cluster.has_mean_silhouette()) << "it was not measured";
  ASSERT_EQ(cluster.profile_size(), 3);
  EXPECT_EQ(cluster.profile(1).feature(), "frequency");
  EXPECT_GT(cluster.profile(1).deviations(), 0.5);
  EXPECT_GT(cluster.examples_size(), 0);
  EXPECT_EQ(cluster.examples(0).features_size(), 3);
  EXPECT_EQ(cluster.condition(), "");

  const v1::SegmentDescription rule = describe(v1::RULE, "Big, \"spenders\"");
  EXPECT_EQ(rule.condition(), "monetary >= threshold.big");
  ASSERT_EQ(rule.thresholds_size(), 1);
  EXPECT_EQ(rule.thresholds(0).name(), "big");
  EXPECT_EQ(rule.thresholds(0).feature(), "monetary");
  EXPECT_EQ(rule.thresholds(0).quantile(), 0.8);
  EXPECT_EQ(rule.thresholds(0).wanted(), rule.thresholds(0).value());
  EXPECT_FALSE(rule.thresholds(0).has_last());
  EXPECT_EQ(describe(v1::STAGE, "buyer").condition(), "purchases >= 1");

  const v1::SegmentDescription likely = describe(v1::LIKELY, "");
  EXPECT_EQ(likely.likelihood().event(), "purchases");
  EXPECT_EQ(likely.likelihood().horizon_seconds(), 20 * kDay);
  EXPECT_EQ(likely.likelihood().coefficients_size(), 3);
  EXPECT_FALSE(rule.has_likelihood());
}

TEST_F(SegmentHandlersTest, RowsForMails) {
  v1::ExportSegmentRequest request;
  const v1::ExportPage plain = Export(request);
  EXPECT_EQ(plain.size(), 60);
  EXPECT_EQ(plain.columns_size(), 0);
  request.add_features("monetary");
  for (const char* name : {"joined", "email", "country"}) request.add_attributes(name);
  const v1::ExportPage page = Export(request);
  ASSERT_EQ(page.rows_size(), 60);
  ASSERT_EQ(page.columns_size(), 4);
  EXPECT_EQ(page.columns(0).feature(), "monetary");
  EXPECT_EQ(page.columns(2).attribute(), "email");
  EXPECT_EQ(page.columns(2).name(), "email");
  const v1::ExportRow& first = page.rows(0);
  EXPECT_EQ(first.user_id(), "u0");
  ASSERT_EQ(first.values_size(), 4);
  EXPECT_EQ(first.values(0).number_value(), served_->model->Of(0).values[2]);
  EXPECT_EQ(first.values(1).string_value(), "2023-08-06T22:13:20Z");
  EXPECT_TRUE(first.values(2).has_null_value()) << "there is none";
  EXPECT_EQ(first.values(3).string_value(), "de");
  EXPECT_EQ(page.rows(1).values(2).string_value(), "\"U, 1\" <u1@example.com>");
  EXPECT_TRUE(page.rows(2).values(3).has_null_value());
  const v1::ExportRow& late = page.rows(59);
  EXPECT_EQ(late.cluster_id() + late.cluster_name() + late.stage(), "");
  EXPECT_FALSE(late.has_likelihood());
  for (int u = 0; u < 60; ++u) {
    const UserSegments of = served_->model->Of(u);
    EXPECT_EQ(page.rows(u).rules_size(), std::ssize(of.rules));
    EXPECT_EQ(page.rows(u).likely(), of.is_likely);
    if (of.likelihood) {
      EXPECT_EQ(page.rows(u).likelihood(), *of.likelihood);
    }
  }

  request.Clear();
  request.add_features("*");
  request.add_attributes("*");
  const v1::ExportPage all = Export(request);
  ASSERT_EQ(all.columns_size(), 7);
  EXPECT_EQ(all.columns(6).attribute(), "stage");
  EXPECT_EQ(all.columns(6).name(), "user.stage") << "that of the row is another";
  const auto refused = [&](const std::string& message) {
    std::unique_ptr<SegmentExport> exported;
    Expect(HandleExportSegment(served_, request, &exported), StatusCode::INVALID_ARGUMENT, message);
  };
  request.add_features("recency");
  refused("features: there is no feature '*'");
  request.mutable_features()->DeleteSubrange(0, 1);
  request.add_features("recency");
  refused("features: 'recency' is there twice");
  request.clear_features();
  request.set_attributes(0, "e-mail");
  refused("attributes: users have no attribute 'e-mail'; the nearest is 'email'");
}

TEST(SegmentExportTest, LargeRowsArePagesOfTheirOwn) {
  const TemporaryFolder folder;
  const ModelStore store(folder.path());
  for (const size_t bytes : {kMaxPageBytes / 4, kMaxPageBytes * 2 / 3, 2 * kMaxPageBytes}) {
    SCOPED_TRACE(bytes);
    TinySegments({.n_users = 9, .has_behaviour = false, .user_prefix = std::string(bytes, 'u')})
        .Publish(store, "large");
    SegmentExport exported(LoadServedSegments(store, "large", 0), {});
    std::vector<int> rows;
    for (v1::ExportPage page; exported.Fill(&page);) rows.push_back(page.rows_size());
    if (bytes < kMaxPageBytes / 2)
      EXPECT_THAT(rows, ElementsAre(3, 3, 3));
    else
      EXPECT_EQ(rows, std::vector<int>(9, 1));
  }
}

TEST_F(SegmentHandlersTest, AssignedByEventsAndByFeatures) {
  v1::AssignEventsRequest request;
  request.set_user_id("u5");
  v1::UserEvent* event = request.add_events();
  event->set_item_id("i1");
  event->set_type("buy");
  event->set_value(900);
  event->mutable_time()->set_seconds(kReference + kDay);
  v1::AssignEventsReply reply;
  ASSERT_TRUE(HandleAssignEvents(served_.get(), request, kReference + 2 * kDay, &reply).ok());
  EXPECT_TRUE(reply.known_user());
  EXPECT_EQ(reply.n_given_events(), 1);
  EXPECT_GT(reply.n_stored_events(), 0);
  EXPECT_EQ(reply.user().user_id(), "u5");
  EXPECT_EQ(reply.user().reference().seconds(), kReference + kDay);
  EXPECT_EQ(reply.user().stage().name(), "buyer");
  ASSERT_GE(reply.user().rules_size(), 1);
  EXPECT_EQ(reply.user().rules(0).name(), "Big, \"spenders\"");
  EXPECT_THAT(reply.unknown_item_ids(), IsEmpty());

  const auto refused = [&](const std::string& message) {
    Expect(HandleAssignEvents(served_.get(), request, kReference + 2 * kDay, &reply), StatusCode::INVALID_ARGUMENT,
           message);
  };
  for (const auto& [seconds, nanos] : {std::pair{kLastTime + 1, 0},
                                       {kFirstTime - 1, 0},
                                       {int64_t{0}, -1},
                                       {int64_t{0}, 1'000'000'000},
                                       {std::numeric_limits<int64_t>::max(), 5},
                                       {std::numeric_limits<int64_t>::min(), 5}}) {
    event->mutable_time()->set_seconds(seconds);
    event->mutable_time()->set_nanos(nanos);
    refused("events[0].time: is " + std::to_string(seconds) + " s and");
    request.mutable_reference()->set_seconds(seconds);
    request.mutable_reference()->set_nanos(nanos);
    refused("reference: is " + std::to_string(seconds) + " s and");
    request.clear_reference();
  }
  request.clear_events();
  request.set_user_id("stranger");
  refused("events: is empty");

  v1::AssignFeaturesRequest features;
  (*features.mutable_features())["frequency"] = 60;
  (*features.mutable_features())["monetary"] = 500;
  v1::UserSegments placed;
  ASSERT_TRUE(HandleAssignFeatures(served_.get(), features, &placed).ok());
  EXPECT_EQ(placed.cluster().name(), "Regulars");
  EXPECT_FALSE(placed.has_reference());
  EXPECT_FALSE(placed.features(0).has_value());
  (*features.mutable_features())["frequncy"] = 60;
  Expect(HandleAssignFeatures(served_.get(), features, &placed), StatusCode::INVALID_ARGUMENT,
         "features: there is no feature 'frequncy'; the nearest is 'frequency'");
  features.clear_features();
  for (int f = 0; f <= kMaxFeatureValues; ++f) (*features.mutable_features())[std::to_string(f)] = 1;
  Expect(HandleAssignFeatures(served_.get(), features, &placed), StatusCode::INVALID_ARGUMENT,
         "features: has 4097 entries, expected at most 4096");
}

TEST_F(SegmentHandlersTest, WithoutAVersion) {
  v1::ListSegmentsReply reply;
  Expect(HandleListSegments(nullptr, {}, &reply), StatusCode::UNAVAILABLE, "no segments are loaded yet");
  ListedMembers list;
  Expect(HandleListMembers(nullptr, {}, &list), StatusCode::UNAVAILABLE, "no segments are loaded yet");
  std::unique_ptr<SegmentExport> exported;
  Expect(HandleExportSegment(nullptr, {}, &exported), StatusCode::UNAVAILABLE, "no segments are loaded yet");
}

TEST_F(SegmentHandlersTest, TheVersionInGetServerInfo) {
  v1::SegmentsInfo info;
  FillSegmentsInfo(*served_, &info);
  EXPECT_THAT(info.features(), ElementsAre("recency", "frequency", "monetary"));
  EXPECT_THAT(info.event_types(), testing::UnorderedElementsAre("view", "buy"));
  EXPECT_EQ(info.user_attributes_size(), 4);
  EXPECT_EQ(info.n_clusters(), 2);
  EXPECT_TRUE(info.has_likelihood());
}

}  // namespace
}  // namespace kindred
