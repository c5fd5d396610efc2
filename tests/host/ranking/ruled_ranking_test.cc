#include "host/ranking/ruled_ranking.h"

#include <cmath>
#include <list>
#include <random>

#include "tests/host/ranking/ruled_reference.h"
#include "tests/support/backends.h"
#include "tests/support/small_model.h"

namespace kindred {
namespace {

using Values = std::vector<int32_t>;

/// Rules over random sets and values, with their memory.
class RandomRules {
 public:
  RandomRules(std::mt19937& random, int64_t n_items, int64_t n) : random_(random), n_items_(n_items) {
    if (Chance(2)) rules.eligible = NewSet(1 + random_() % 4);
    for (uint32_t b = Chance(2) ? random_() % 4 : 0; b > 0; --b)
      rules.boosts.push_back({NewSet(1 + random_() % 3), kFactors[random_() % std::size(kFactors)]});
    if (Chance(4)) rules.min_score = 0.25f * static_cast<float>(static_cast<int>(random_() % 9) - 4);
    if (Chance(2)) AddPromotions(n);
    for (uint32_t c = Chance(2) ? 1 + random_() % 2 : 0; c > 0; --c)
      rules.caps.push_back(
          {"cap" + std::to_string(c), NewValues(1 + random_() % 20), static_cast<int32_t>(1 + random_() % 3)});
    if (Chance(3)) rules.diversity = kStrengths[random_() % std::size(kStrengths)];
    rules.attributes = {NewValues(3), NewValues(5)};
  }

  /// One in `in` items.
  ItemSet NewSet(uint32_t in) {
    std::vector<int32_t> items;
    for (int32_t i = 0; i < n_items_; ++i)
      if (Chance(in)) items.push_back(i);
    return std::make_shared<const ItemBits>(n_items_, items);
  }

  RankingRules rules;

 private:
  static constexpr float kFactors[] = {0.5f, 1, 1.25f, 2, 30}, kStrengths[] = {0, 0.25f, 0.5f, 0.75f, 1};

  bool Chance(uint32_t in) { return random_() % in == 0; }

  std::span<const int32_t> NewValues(uint32_t n_values) {
    Values& values = values_.emplace_back();
    for (int64_t i = 0; i < n_items_; ++i) values.push_back(static_cast<int32_t>(random_() % (n_values + 1)) - 1);
    return values;
  }

  void AddPromotions(int64_t n) {
    int64_t left = n;
    double percent = 0;
    for (int p = 0; p < 3; ++p) {
      Promotion promotion = {"promotion" + std::to_string(p), NewSet(2 + random_() % 8), {}, {}};
      const bool fits = percent + 30 <= 100 && percent / 100 * static_cast<double>(n) + 0.3 * static_cast<double>(n) <
                                                   static_cast<double>(left);
      if (Chance(2) && fits) {
        promotion.percent = 30;
        percent += 30;
      } else if (static_cast<double>(left) - percent / 100 * static_cast<double>(n) >= 1) {
        promotion.slots = 1;
        --left;
      } else {
        return;
      }
      rules.promotions.push_back(promotion);
    }
  }

  std::mt19937& random_;
  int64_t n_items_;
  std::list<Values> values_;
};

Queries AllUsers(const Ranker& ranker) {
  Queries queries;
  for (int64_t u = 0; u < ranker.model().n_users(); ++u) ranker.AddUser(u, &queries);
  return queries;
}

Exclusions Histories(const ModelView& model) {
  Exclusions excluded;
  for (int64_t u = 0; u < model.n_users(); ++u) excluded.Add(model.history.row(u));
  return excluded;
}

class RuledRanking : public BackendTest {
 protected:
  void ExpectDefined(const RuledList& list, const std::vector<reference::Ranked>& sorted,
                     const CalibrationView& calibration, HostMatrix<const float> vectors, int64_t n,
                     const RankingRules& rules) {
    const reference::RuledAnswer expected(sorted, calibration, vectors, n, rules);
    ASSERT_EQ(list.items.size(), expected.answer().size());
    for (size_t place = 0; place < list.items.size(); ++place) {
      ASSERT_EQ(list.items[place].item, expected.answer()[place].item) << "place " << place;
      EXPECT_EQ(list.items[place].score, expected.answer()[place].score) << "place " << place;
      EXPECT_EQ(list.items[place].promotion, expected.answer()[place].promotion) << "place " << place;
    }
    EXPECT_EQ(list.n_eligible, expected.n_eligible());
    EXPECT_EQ(list.n_excluded, expected.n_excluded());
    EXPECT_EQ(list.n_passed_over, expected.n_passed_over());
    EXPECT_EQ(list.diversified, rules.diversity > 0);
    const bool is_short = std::ssize(list.items) < n;
    EXPECT_LE(list.cut_by_minimum, expected.has_below() && is_short);
    EXPECT_GE(list.cut_by_minimum, expected.has_open_below() && is_short);
  }

  /// Every user of the model, by the model and by popularity.
  void ExpectDefined(const SmallModel& model, int64_t n, const RankingRules& rules) {
    const ModelView view = model.view();
    const Ranker ranker(backend(), view, nullptr);
    const Exclusions excluded = Histories(view);
    const std::vector<RuledList> lists =
        RankByModel(context(), ranker, AllUsers(ranker), excluded, n, rules, {.parts = &parts_});
    ASSERT_EQ(std::ssize(lists), view.n_users());
    for (int64_t u = 0; u < view.n_users(); ++u) {
      SCOPED_TRACE("user " + std::to_string(u));
      ExpectDefined(lists[static_cast<size_t>(u)],
                    reference::TopN(view.user_factors.row(u), view.item_factors, view.history.row(u), view.n_items()),
                    view.calibration, view.item_vectors(), n, rules);
    }
    const float one = 1, users = static_cast<float>(view.n_users());
    const float scores[] = {0, users}, shares[] = {0, 1};
    const std::vector<RuledList> popular = RankByPopularity(context(), ranker, 1, {}, n, rules);
    SCOPED_TRACE("by popularity");
    ExpectDefined(popular[0],
                  reference::TopN({&one, 1}, {view.popularity.data(), view.n_items(), 1}, {}, view.n_items()),
                  {scores, shares}, view.item_vectors(), n, rules);
  }

 private:
  BoostClassCache parts_{5000};  // of which each entry has some 700
};

// Factors in halves, so that many scores are alike.
void Coarsen(SmallModel& model) {
  for (auto* factors : {&model.user_factors, &model.item_factors})
    for (float& x : *factors) x = std::round(2 * x) / 2;
}

TEST_P(RuledRanking, AnswersAreThoseOfTheDefinition) {
  for (uint32_t trial = 0; trial < Allowance(400, 12); ++trial) {
    SCOPED_TRACE("trial " + std::to_string(trial));
    std::mt19937 random(trial);
    const int64_t sizes[] = {1, 31, 33, 64, 70, 129, 200};
    const int64_t n_items = sizes[random() % Allowance(std::ssize(sizes), 5)];
    const int64_t numbers[] = {1, 2, 5, 10, 30};
    const int64_t n = numbers[random() % std::size(numbers)];
    SmallModel model(4, n_items, 3, trial);
    if (random() % 2 == 0) Coarsen(model);
    const RandomRules rules(random, n_items, n);
    ExpectDefined(model, n, rules.rules);
    if (HasFailure()) return;
  }
}

// Caps that a handful of asks cannot meet: a value has most of the best items.
TEST_P(RuledRanking, CapsAskUntilTheAnswerIsWhole) {
  const int64_t n_items = Allowance(700, 130);
  SmallModel model(3, n_items, 2, 5);
  Values values(static_cast<size_t>(n_items));
  for (int64_t i = 0; i < n_items; ++i) values[static_cast<size_t>(i)] = i % 50 == 7 ? static_cast<int32_t>(i) : 1;
  RankingRules rules;
  rules.caps = {{"brand", values, 1}};
  for (const int64_t n : {1, 2, 3, 40}) ExpectDefined(model, n, rules);
  for (int64_t i = 0; i < n_items; ++i) values[static_cast<size_t>(i)] = static_cast<int32_t>(i / 10);
  for (const int64_t n : {2, 5, 30}) ExpectDefined(model, n, rules);
}

// The answer to a query does not depend on others that are asked with it.
TEST_P(RuledRanking, InAnyCompanyTheSame) {
  SmallModel model(6, 100, 3, 8);
  const ModelView view = model.view();
  const Ranker ranker(backend(), view, nullptr);
  const Exclusions excluded = Histories(view);
  for (uint32_t seed = 0; seed < Allowance(20, 3); ++seed) {
    std::mt19937 random(seed + 77);
    const RandomRules rules(random, 100, 5);
    const std::vector<RuledList> lists = RankByModel(context(), ranker, AllUsers(ranker), excluded, 5, rules.rules);
    for (int64_t u = 0; u < view.n_users(); ++u) {
      Queries alone;
      ranker.AddUser(u, &alone);
      Exclusions own;
      own.Add(view.history.row(u));
      const RuledList list = RankByModel(context(), ranker, alone, own, 5, rules.rules)[0];
      const RuledList& other = lists[static_cast<size_t>(u)];
      ASSERT_EQ(list.items.size(), other.items.size());
      for (size_t i = 0; i < list.items.size(); ++i) EXPECT_EQ(list.items[i].item, other.items[i].item);
      EXPECT_EQ(list.n_excluded, other.n_excluded);
      EXPECT_EQ(list.n_passed_over, other.n_passed_over) << seed;
      EXPECT_EQ(list.cut_by_minimum, other.cut_by_minimum);
    }
  }
}

// Of a catalogue this small every backend counts the same each time.
TEST_P(RuledRanking, CostsAreThoseOfAllThatIsAsked) {
  SmallModel model(3, 60, 3, 4);
  const ModelView view = model.view();
  const Ranker ranker(backend(), view, nullptr);
  const Queries queries = AllUsers(ranker);
  std::mt19937 random(4);
  RandomRules some(random, 60, 5);
  RankingRules rules;
  rules.eligible = some.NewSet(2);
  rules.promotions = {{"ours", some.NewSet(3), 2, {}}};
  for (const RuledList& list : RankByModel(context(), ranker, queries, {}, 5, rules)) {
    EXPECT_EQ(list.cost.scanned, 0);
    EXPECT_EQ(list.cost.rescored, 0);
  }
  const std::vector<RuledList> lists =
      RankByModel(context(), ranker, queries, {}, 5, rules, {.with_costs = true, .parts = nullptr});
  auto promoted = std::make_shared<ItemBits>(*rules.promotions[0].items);
  promoted->Intersect(*rules.eligible);
  const RankedLists first = ranker.ByModel(context(), queries, {}, 2, {.eligible = promoted, .with_costs = true});
  Exclusions taken;
  for (int64_t u = 0; u < view.n_users(); ++u) taken.Add(first.Items(u));
  const RankedLists rest =  // of which not all have a place
      ranker.ByModel(context(), queries, taken, 5, {.eligible = rules.eligible, .with_costs = true});
  for (size_t u = 0; u < lists.size(); ++u) {
    EXPECT_EQ(lists[u].items.size(), 5u);
    EXPECT_EQ(lists[u].cost.scanned, first.costs[u].scanned + rest.costs[u].scanned);
    EXPECT_EQ(lists[u].cost.rescored, first.costs[u].rescored + rest.costs[u].rescored);
    EXPECT_GE(lists[u].cost.scanned + lists[u].cost.rescored, 5);
  }
}

// A model without vectors compares by attributes, and popularity is its own calibration.
TEST_P(RuledRanking, OfAModelWithoutFactors) {
  for (uint32_t trial = 0; trial < Allowance(100, 4); ++trial) {
    SCOPED_TRACE("trial " + std::to_string(trial));
    std::mt19937 random(trial);
    SmallModel model(9, 90, 0, trial);
    const ModelView view = model.view();
    const Ranker ranker(backend(), view, nullptr);
    RandomRules rules(random, 90, 8);
    const float one = 1, scores[] = {0, 9}, shares[] = {0, 1};
    const std::vector<RuledList> lists = RankByPopularity(context(), ranker, 1, {}, 8, rules.rules);
    ExpectDefined(lists[0], reference::TopN({&one, 1}, {view.popularity.data(), 90, 1}, {}, 90), {scores, shares},
                  {nullptr, 90, 0}, 8, rules.rules);
    if (HasFailure()) return;
  }
}

KINDRED_ON_ALL_BACKENDS(RuledRanking);

}  // namespace
}  // namespace kindred
