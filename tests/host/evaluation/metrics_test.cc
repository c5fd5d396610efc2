#include "host/evaluation/metrics.h"

#include <cmath>

#include "tests/support/backends.h"

namespace kindred {
namespace {

// Four users and six items whose scores are chosen: factors of one dimension an item.
class MetricsTest : public BackendTest {
 protected:
  MetricsTest() {
    view_.algorithm = "als";
    view_.history = {4, 6, history_indptr_, history_items_, history_values_};
    view_.popularity = popularity_;
    view_.user_factors = {user_factors_.data(), 4, 6};
    view_.item_factors = {item_factors_.data(), 6, 6};
    view_.eigenvalues = {eigenvalues_.data(), 6};
    holdout_.relevant = {4, 6, {0, 2, 3, 3, 4}, {1, 4, 5, 0}, {1, 1, 1, 1}};
    holdout_.n_missing_items = {1, 0, 2, 0};
    holdout_.n_missing_users = 2;
    holdout_.n_missing_user_items = 3;
  }

  std::vector<int64_t> history_indptr_ = {0, 1, 2, 3, 4};
  std::vector<int32_t> history_items_ = {0, 2, 3, 0};
  std::vector<float> history_values_ = {1, 1, 1, 1};
  std::vector<float> popularity_ = {2, 0, 0, 1, 0, 0};
  // User u ranks the items by these scores.
  std::vector<float> user_factors_ = {9,      5, 4, 3, 2, 1, /**/ 1, 2, 3, 4, 5, 6,
                                      /**/ 6, 5, 4, 3, 2, 1, /**/ 9, 1, 2, 3, 4, 5};
  std::vector<float> item_factors_ = [] {
    std::vector<float> identity(36, 0);
    for (size_t i = 0; i < 6; ++i) identity[i * 7] = 1;
    return identity;
  }();
  std::vector<float> eigenvalues_ = std::vector<float>(6, 1);
  ModelView view_;
  Holdout holdout_;
};

TEST_P(MetricsTest, EqualsTheDefinitionsByHand) {
  const Evaluation found = Evaluate(Ranker(backend(), view_, nullptr), holdout_, 3);
  // User 0 sees 1 2 3 of T = {1, 4, one missing}; user 1 sees 5 4 3 of {5}; user 2 has T = {two missing};
  // user 3 sees 5 4 3 of {0}, which is in the history; two more users are missing.
  const double n = 6, second = 1 / std::log2(3.0), third = 0.5;
  EXPECT_EQ(found.n_users, 6);
  EXPECT_EQ(found.n_pairs, 2 + 1 + 1 + 2 + 1 + 3);
  EXPECT_EQ(found.n_missing_pairs, 1 + 2 + 3);
  EXPECT_EQ(found.n_seen_pairs, 1);
  EXPECT_NEAR(found.model.recall, (1.0 / 3 + 1) / n, 1e-12);
  EXPECT_NEAR(found.model.capped_recall, (1.0 / 3 + 1) / n, 1e-12);
  EXPECT_NEAR(found.model.precision, (1.0 / 3 + 1.0 / 3) / n, 1e-12);
  EXPECT_NEAR(found.model.ndcg, (1 / (1 + second + third) + 1) / n, 1e-12);
  EXPECT_NEAR(found.model.map, (1.0 / 3 + 1) / n, 1e-12);
  EXPECT_NEAR(found.model.mrr, (1.0 + 1.0) / n, 1e-12);
  EXPECT_NEAR(found.model.hit_rate, 2 / n, 1e-12);
  EXPECT_NEAR(found.model.coverage, 1, 1e-12);  // item 0 by the list of user 2
}

TEST_P(MetricsTest, TheTwoRecallsPartWhereTheListIsShorter) {
  const Evaluation found = Evaluate(Ranker(backend(), view_, nullptr), holdout_, 1);
  EXPECT_NEAR(found.model.recall, (1.0 / 3 + 1) / 6, 1e-12);
  EXPECT_NEAR(found.model.capped_recall, (1.0 + 1) / 6, 1e-12);
}

TEST_P(MetricsTest, PopularityIsMeasuredOnTheSameUsers) {
  const Evaluation found = Evaluate(Ranker(backend(), view_, nullptr), holdout_, 6);
  // Popularity ranks 0 3 1 2 4 5. User 0 (without 0): 3 1 2 4 5, hits at 2 and 4; user 1: 0 3 1 4 5, hit at 5.
  EXPECT_NEAR(found.popularity.recall, (2.0 / 3 + 1) / 6, 1e-12);
  EXPECT_NEAR(found.popularity.mrr, (1.0 / 2 + 1.0 / 5) / 6, 1e-12);
  EXPECT_NEAR(found.popularity.map, ((1.0 / 2 + 2.0 / 4) / 3 + 1.0 / 5) / 6, 1e-12);
}

TEST_P(MetricsTest, UsersWithoutAHistoryAreShownWhatIsPopular) {
  history_indptr_ = {0, 1, 1, 2, 3};
  view_.history.indptr = history_indptr_;
  // Only user 1, now without a history, has held-out items: by its factors 5 would be first, by popularity 0 is.
  holdout_ = {};
  holdout_.relevant = {4, 6, {0, 0, 1, 1, 1}, {0}, {1}};
  holdout_.n_missing_items = {0, 0, 0, 0};
  const Evaluation found = Evaluate(Ranker(backend(), view_, nullptr), holdout_, 1);
  EXPECT_EQ(found.n_cold_users, 1);
  EXPECT_EQ(found.model.recall, 1);
}

TEST_P(MetricsTest, UsersWithoutAHistoryAreMeasuredAmongOthers) {
  history_indptr_ = {0, 1, 1, 2, 3};
  view_.history.indptr = history_indptr_;
  history_items_ = {0, 3, 0};
  view_.history.indices = history_items_;
  holdout_ = {};
  holdout_.relevant = {4, 6, {0, 1, 2, 3, 4}, {2, 3, 1, 4}, {1, 1, 1, 1}};
  holdout_.n_missing_items = {0, 0, 0, 0};
  const Evaluation found = Evaluate(Ranker(backend(), view_, nullptr), holdout_, 3);
  // User 0 sees 1 2 3; user 1, by popularity, 0 3 1; user 2 0 1 2; user 3 5 4 3: all are second.
  EXPECT_EQ(found.n_cold_users, 1);
  EXPECT_NEAR(found.model.recall, 1, 1e-12);
  EXPECT_NEAR(found.model.mrr, 1.0 / 2, 1e-12);
  // By popularity user 0 sees 3 1 2, user 1 0 3 1, user 2 0 1 2, user 3 3 1 2.
  EXPECT_NEAR(found.popularity.recall, 3.0 / 4, 1e-12);
  EXPECT_NEAR(found.popularity.mrr, (1.0 / 3 + 1.0 / 2 + 1.0 / 2) / 4, 1e-12);
}

TEST_P(MetricsTest, NamesCarryK) {
  const nlohmann::json json = MetricsJson(Evaluate(Ranker(backend(), view_, nullptr), holdout_, 20));
  for (const char* name : {"recall_at_20", "capped_recall_at_20", "ndcg_at_20", "precision_at_20", "map_at_20", "mrr",
                           "hit_rate_at_20", "coverage_at_20"}) {
    EXPECT_TRUE(json.contains(name)) << name;
    EXPECT_TRUE(json.contains(std::string("popularity_") + name)) << name;
  }
}

TEST_P(MetricsTest, ArgumentsThatDoNotFitAreRefused) {
  const Ranker ranker(backend(), view_, nullptr);
  EXPECT_THROW(Evaluate(ranker, holdout_, 0), Error);
  holdout_.n_missing_items.pop_back();
  EXPECT_THROW(Evaluate(ranker, holdout_, 3), Error);
}

KINDRED_ON_ALL_BACKENDS(MetricsTest);

}  // namespace
}  // namespace kindred
