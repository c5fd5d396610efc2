// How an explanation becomes a reply.
#include <gmock/gmock.h>

#include <cmath>

#include "kernels/cpu/backend.h"
#include "serving/explain.h"
#include "serving/handlers.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/small_model.h"

namespace kindred {
namespace {

class ExplainHandlerTest : public testing::Test {
 protected:
  ExplainHandlerTest() : failover_(Chosen(std::make_unique<CpuBackend>(1)), 1), context_(failover_.NewContext()) {}

  void Serve(const ModelView& model) {
    served_.name = "small";
    served_.version = 7;
    served_.ranker = std::make_unique<const ServedRanker>(failover_, model, nullptr);
  }

  v1::ExplainReply Ask(const v1::ExplainRequest& request) {
    v1::ExplainReply reply;
    const grpc::Status status = HandleExplain(*context_, &served_, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply;
  }

  Failover failover_;
  std::unique_ptr<CallContext> context_;
  ServedModel served_;
};

TEST_F(ExplainHandlerTest, EveryFigureIsInTheReply) {
  SmallModel small(5, 12);
  small.events.times.back() = int64_t{1} << 60;  // of user 4, and no time of a Timestamp
  ModelView model = small.view();
  model.noise_variance = 0.5;
  Serve(model);
  v1::ExplainRequest request;
  request.set_user_id("u4");
  request.set_n(2);
  request.set_max_contributions(20);
  const v1::ExplainReply reply = Ask(request);
  EXPECT_EQ(reply.served_by(), v1::PERSONAL);
  EXPECT_EQ(reply.model().name(), "small");
  EXPECT_EQ(reply.model().version(), 7);
  EXPECT_FALSE(reply.has_shortfall());

  CpuBackend backend(1);
  const auto context = backend.NewContext(1);
  const Ranker ranker(backend, model, nullptr);
  const Explanation expected = ExplainItems(*context, ranker, {.user_id = "u4", .n = 2, .max_contributions = 20});
  ASSERT_EQ(reply.items_size(), 2);
  int n_times = 0;
  for (int i = 0; i < 2; ++i) {
    const v1::ItemExplanation& item = reply.items(i);
    const ItemExplanation& from = expected.items[static_cast<size_t>(i)].explanation;
    EXPECT_EQ(item.item_id(), model.items.Id(from.item));
    EXPECT_EQ(item.score(), from.score);
    EXPECT_EQ(item.position(), i + 1);
    EXPECT_EQ(item.base(), 0);
    EXPECT_EQ(item.n_others(), 0);
    EXPECT_EQ(item.others(), 0);
    EXPECT_EQ(item.variance(), *from.variance);
    EXPECT_FALSE(item.has_rating_parts());
    ASSERT_EQ(item.contributions_size(), static_cast<int>(small.history.view().row(4).size()));
    for (int c = 0; c < item.contributions_size(); ++c) {
      const v1::Contribution& by = item.contributions(c);
      const Contribution& amount = from.contributions[static_cast<size_t>(c)];
      EXPECT_EQ(by.item_id(), model.items.Id(amount.item));
      EXPECT_EQ(by.amount(), amount.amount);
      EXPECT_EQ(by.share(), amount.share);
      EXPECT_EQ(by.position_without(), amount.position_without);
      const auto events = EventsWith(model, 4, amount.item);
      EXPECT_EQ(by.n_events(), std::ssize(events));
      ASSERT_EQ(by.events_size(), std::ssize(events));
      for (int e = 0; e < by.events_size(); ++e) {
        EXPECT_EQ(by.events(e).event(), events[static_cast<size_t>(e)].type);
        if (*events[static_cast<size_t>(e)].time > 4'000'000'000) {
          EXPECT_FALSE(by.events(e).has_time());
          continue;
        }
        ++n_times;
        EXPECT_EQ(by.events(e).time().seconds(), *events[static_cast<size_t>(e)].time);
      }
    }
  }
  EXPECT_GT(n_times, 0);
}

TEST_F(ExplainHandlerTest, OfRatingsAndOfFewerItemsThanAsked) {
  SmallModel small(5, 7);
  small.Rate();
  Serve(small.view());
  v1::ExplainRequest request;
  request.set_user_id("u2");
  request.set_n(10);
  const v1::ExplainReply reply = Ask(request);
  ASSERT_GT(reply.items_size(), 0);
  EXPECT_EQ(reply.shortfall().requested(), 10);
  EXPECT_EQ(reply.shortfall().returned(), reply.items_size());
  for (const v1::ItemExplanation& item : reply.items()) {
    EXPECT_FALSE(item.has_variance());
    EXPECT_EQ(item.rating_parts().mean(), 3.25);
    EXPECT_EQ(item.base(), item.rating_parts().mean() + item.rating_parts().item_bias());
    EXPECT_TRUE(std::isfinite(item.rating_parts().user_bias()));
  }
}

TEST_F(ExplainHandlerTest, Statuses) {
  SmallModel small;
  Serve(small.view());
  v1::ExplainReply reply;
  v1::ExplainRequest request;
  EXPECT_EQ(HandleExplain(*context_, nullptr, request, &reply).error_code(), grpc::StatusCode::UNAVAILABLE);
  request.add_item_ids("lost");
  EXPECT_EQ(HandleExplain(*context_, &served_, request, &reply).error_code(), grpc::StatusCode::NOT_FOUND);
  request.set_item_ids(0, "i1");
  request.add_history()->set_item_id("i1");
  EXPECT_EQ(HandleExplain(*context_, &served_, request, &reply).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  v1::ExplainRequest nobody;
  nobody.add_history()->set_item_id("lost");
  const v1::ExplainReply popular = Ask(nobody);
  EXPECT_EQ(popular.served_by(), v1::POPULAR);
  EXPECT_EQ(popular.unknown_history_items(0), "lost");
  EXPECT_EQ(popular.items(0).base(), popular.items(0).score());
  EXPECT_EQ(popular.items(0).contributions_size(), 0);
}

}  // namespace
}  // namespace kindred
