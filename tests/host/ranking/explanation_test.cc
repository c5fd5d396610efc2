#include "host/ranking/explanation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "host/data/interactions.h"
#include "host/data/random.h"
#include "host/models/als.h"
#include "host/models/explicit_als.h"
#include "host/models/pure_svd.h"
#include "tests/host/ranking/dense.h"
#include "tests/reference/reference.h"
#include "tests/support/backends.h"
#include "tests/support/interactions.h"
#include "tests/support/small_model.h"

namespace kindred {
namespace {

constexpr int64_t kUsers = 40, kItems = 90, kFactors = 10;

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

double Dot(std::span<const float> a, std::span<const float> b) {
  return DotDense(ToDouble(a), ToDouble(b));
}

HistoryView HistoryOf(const ModelView& model, int64_t user) {
  return {model.history.row(user), model.history.row_values(user)};
}

std::vector<int32_t> Unseen(const ModelView& model, int64_t user) {
  std::vector<int32_t> items;
  for (int32_t i = 0; i < model.n_items(); ++i) {
    const auto row = model.history.row(user);
    if (!std::binary_search(row.begin(), row.end(), i)) items.push_back(i);
  }
  return items;
}

// Models fitted on the backend under test, with their memory. User 1 has no history, user 0 nearly every item.
class ExplanationTest : public BackendTest {
 protected:
  ExplanationTest() : history_(RandomInteractions(kUsers, kItems, 9, 5)) {
    popularity_ = ItemPopularity(history_.view());
    als_ = Plain("als");
    als_.objective = {0.1f, 0.02f, 1.0f};
    factors_ = FitAls(backend(), als_.history, {kFactors, als_.objective, 4, 1});
    als_.user_factors = {factors_.user_factors.data(), kUsers, kFactors};
    als_.item_factors = {factors_.item_factors.data(), kItems, kFactors};
    als_.eigenvalues = factors_.eigenvalues;
  }

  ModelView Plain(const std::string& algorithm) const {
    ModelView view;
    view.algorithm = algorithm;
    view.history = history_.view();
    view.popularity = popularity_;
    return view;
  }

  ModelView Svd() {
    svd_ = MakePureSvd(backend(), history_.view(), FitSvd(backend(), history_.view(), {.n_factors = kFactors}), 0.5);
    ModelView view = Plain("svd");
    svd_.SetIn(&view);
    return view;
  }

  ModelView Rated() {
    for (size_t e = 0; e < history_.values.size(); ++e) history_.values[e] = static_cast<float>(1 + e * 7 % 9) / 2;
    ModelView view = Plain("als");
    view.objective = {0, 0.3f, 0.5f, Feedback::kExplicit, 4.0f};
    rated_ = FitExplicitAls(backend(), view.history, {kFactors, view.objective, 3, 1});
    view.user_factors = {rated_.factors.user_factors.data(), kUsers, kFactors};
    view.item_factors = {rated_.factors.item_factors.data(), kItems, kFactors};
    view.eigenvalues = rated_.factors.eigenvalues;
    view.user_biases = rated_.biases.users;
    view.item_biases = rated_.biases.items;
    view.rating_mean = rated_.biases.mean;
    return view;
  }

  /// The query of a history by a fold-in of it alone.
  std::vector<float> QueryOf(const Ranker& ranker, const std::vector<int32_t>& items,
                             const std::vector<float>& values) {
    const std::vector<int64_t> indptr = {0, std::ssize(items)};
    const Queries folded = ranker.FoldIn(context(), {1, ranker.model().n_items(), indptr, items, values});
    return {folded.Factors(0).begin(), folded.Factors(0).end()};
  }

  /// Where an item is in a whole list, by a sort of all defined scores.
  int64_t PositionIn(const Ranker& ranker, std::span<const float> query, std::span<const int32_t> excluded,
                     int32_t item) {
    const ModelView& model = ranker.model();
    std::vector<float> items;  // with the columns of biases, where the query has them
    for (int64_t i = 0; i < model.n_items(); ++i) {
      items.insert(items.end(), model.item_factors.row(i).begin(), model.item_factors.row(i).end());
      if (model.has_ratings()) items.insert(items.end(), {model.item_biases[i], 1.0f});
    }
    const auto all =
        reference::TopN(query, {items.data(), model.n_items(), std::ssize(query)}, excluded, model.n_items());
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.item == item; });
    return 1 + (found - all.begin());
  }

  /// Everything of an explanation of a user with a stored history of two items and more, by brute force.
  void ExpectExplained(const Ranker& ranker, int64_t user, int64_t n_contributions) {
    const ModelView& model = ranker.model();
    const HistoryView history = HistoryOf(model, user);
    const std::vector<int32_t> unseen = Unseen(model, user);
    const std::vector<int32_t> items = {unseen.back(), unseen[unseen.size() / 2], unseen[0]};
    const auto parts = TakeApart(model, history, items);
    const auto found = Explain(context(), ranker, history, user, items, {.n_contributions = n_contributions});
    Queries stored;
    ranker.AddUser(user, &stored);
    const std::span<const float> query = stored.Factors(0);
    ASSERT_EQ(found.size(), items.size());
    for (size_t at = 0; at < items.size(); ++at) {
      SCOPED_TRACE(testing::Message() << "user " << user << " item " << items[at]);
      const ItemExplanation& one = found[at];
      EXPECT_EQ(one.item, items[at]);
      EXPECT_EQ(one.position, PositionIn(ranker, query, history.items, items[at]));
      const size_t n = std::min(history.items.size(), static_cast<size_t>(n_contributions));
      ASSERT_EQ(one.contributions.size(), n);
      EXPECT_EQ(one.n_others, std::ssize(history.items) - std::ssize(one.contributions));
      double sum = one.base + one.others, absolute = 0;
      for (const double amount : parts[at].contributions) absolute += std::abs(amount);
      for (size_t c = 0; c < n; ++c) {
        const Contribution& by = one.contributions[c];
        const auto j = std::find(history.items.begin(), history.items.end(), by.item) - history.items.begin();
        EXPECT_EQ(by.amount, parts[at].contributions[j]);
        EXPECT_NEAR(by.share, by.amount / absolute, 1e-12);
        EXPECT_LE(std::abs(by.amount), std::abs(one.contributions[c > 0 ? c - 1 : 0].amount));
        sum += by.amount;
        std::vector<int32_t> rest(history.items.begin(), history.items.end());
        std::vector<float> values(history.values.begin(), history.values.end());
        rest.erase(rest.begin() + j);
        values.erase(values.begin() + j);
        EXPECT_EQ(by.position_without, PositionIn(ranker, QueryOf(ranker, rest, values), history.items, items[at]));
      }
      EXPECT_NEAR(sum, one.score, 2e-5 * (absolute + std::abs(one.base)));
    }
  }

  Csr history_;
  std::vector<float> popularity_;
  ModelView als_;
  AlsFactors factors_;
  PureSvdFactors svd_;
  ExplicitFactors rated_;
};

TEST_P(ExplanationTest, ContributionsOfAlsAreWhatEachTargetAloneSolvesTo) {
  for (const int64_t user : {0, 2, 17}) {
    SCOPED_TRACE(user);
    const HistoryView history = HistoryOf(als_, user);
    const std::vector<int32_t> items = {40, Unseen(als_, user).back()};
    const auto found = TakeApart(als_, history, items);
    for (size_t at = 0; at < items.size(); ++at) {
      const auto y = als_.item_factors.row(items[at]);
      double absolute = 0;
      for (const double amount : found[at].contributions) absolute += std::abs(amount);
      for (size_t j = 0; j < history.items.size(); ++j) {
        std::vector<float> alone(history.items.size(), 0);
        alone[j] = history.values[j];
        const double l = als_.objective.RowRegularization(std::ssize(history.items), kItems);
        const std::vector<double> x =
            reference::AlsRow(als_.item_factors, history.items, history.values, alone, 0.1f, l);
        EXPECT_NEAR(found[at].contributions[j], DotDense(x, ToDouble(y)), 1e-5 * absolute);
      }
      EXPECT_EQ(found[at].base, 0);
      EXPECT_FALSE(found[at].ratings);
      EXPECT_FALSE(found[at].variance) << "the model has no noise";
      EXPECT_NEAR(Sum(found[at].contributions), Dot(als_.user_factors.row(user), y), 1e-5 * absolute);
      const std::vector<double> x = SolveDense(RowMatrix(als_, history.items, history.values), [&] {
        std::vector<double> right(kFactors, 0);
        for (size_t j = 0; j < history.items.size(); ++j)
          for (size_t k = 0; k < kFactors; ++k)
            right[k] += double{history.values[j]} * als_.item_factors.row(history.items[j])[k];
        return right;
      }());
      EXPECT_NEAR(Sum(found[at].contributions), DotDense(x, ToDouble(y)), 1e-10 * absolute);
    }
  }
}

TEST_P(ExplanationTest, OfAls) {
  const Ranker ranker(backend(), als_, nullptr);
  for (const int64_t user : {2, 3, 17, 39}) ExpectExplained(ranker, user, 5);
  ExpectExplained(ranker, 17, 0);
  ExpectExplained(ranker, 17, 1000);
}

TEST_P(ExplanationTest, OfAnSvd) {
  const ModelView svd = Svd();
  const Ranker ranker(backend(), svd, nullptr);
  for (const int64_t user : {2, 17}) ExpectExplained(ranker, user, 3);
  const HistoryView history = HistoryOf(svd, 2);
  const std::vector<int32_t> items = {40};
  const ScoreParts parts = TakeApart(svd, history, items)[0];
  for (size_t j = 0; j < history.items.size(); ++j)
    EXPECT_NEAR(parts.contributions[j],
                history.values[j] * Dot(svd.item_factors.row(history.items[j]), svd.item_factors.row(40)), 1e-12);
}

// The joint solve of factors and bias, with the target of one rating alone: the system of f + 1 unknowns.
TEST_P(ExplanationTest, OfRatings) {
  const ModelView rated = Rated();
  const Ranker ranker(backend(), rated, nullptr);
  for (const int64_t user : {2, 17}) ExpectExplained(ranker, user, 4);
  for (const int64_t user : {0, 2, 17}) {
    SCOPED_TRACE(user);
    const HistoryView history = HistoryOf(rated, user);
    Dense joint = RowMatrix(rated, history.items, history.values);
    joint.emplace_back(kFactors + 1, 0);
    joint.back().back() = rated.objective.bias_regularization + static_cast<double>(history.items.size());
    for (size_t k = 0; k < kFactors; ++k) {
      double sum = 0;
      for (const int32_t item : history.items) sum += rated.item_factors.row(item)[k];
      joint[k].push_back(sum);
      joint.back()[k] = sum;
    }
    const std::vector<int32_t> items = {40};
    const ScoreParts parts = TakeApart(rated, history, items)[0];
    ASSERT_TRUE(parts.ratings);
    EXPECT_EQ(parts.ratings->mean, rated.rating_mean);
    EXPECT_EQ(parts.ratings->item_bias, rated.item_biases[40]);
    EXPECT_NEAR(parts.ratings->user_bias, rated.user_biases[user], 1e-5);
    EXPECT_EQ(parts.base, parts.ratings->mean + parts.ratings->item_bias);
    for (size_t j = 0; j < history.items.size(); ++j) {
      const int32_t item = history.items[j];
      const double target = double{history.values[j]} - rated.rating_mean - rated.item_biases[item];
      std::vector<double> right = ToDouble(rated.item_factors.row(item));
      right.push_back(1);
      for (double& v : right) v *= target;
      const std::vector<double> solved = SolveDense(joint, right);
      double expected = solved.back();
      for (size_t k = 0; k < kFactors; ++k) expected += solved[k] * rated.item_factors.row(40)[k];
      EXPECT_NEAR(parts.contributions[j], expected, 1e-9);
    }
  }
}

TEST_P(ExplanationTest, AHistoryThatIsFoldedInIsExplainedAsIfItWereStored) {
  const Ranker ranker(backend(), als_, nullptr);
  const HistoryView history = HistoryOf(als_, 17);
  const std::vector<int32_t> items = {Unseen(als_, 17)[20], Unseen(als_, 17).back()};
  const auto stored = Explain(context(), ranker, history, 17, items);
  const auto folded = Explain(context(), ranker, history, -1, items);
  for (size_t at = 0; at < items.size(); ++at) {
    EXPECT_EQ(stored[at].position, folded[at].position);
    EXPECT_NEAR(stored[at].score, folded[at].score, 1e-6);
    ASSERT_EQ(stored[at].contributions.size(), 5u);
    for (size_t c = 0; c < 5; ++c) {
      EXPECT_EQ(stored[at].contributions[c].item, folded[at].contributions[c].item);
      EXPECT_EQ(stored[at].contributions[c].amount, folded[at].contributions[c].amount);
      EXPECT_EQ(stored[at].contributions[c].position_without, folded[at].contributions[c].position_without);
    }
  }
}

// Without its only item a user would be shown what is popular.
TEST_P(ExplanationTest, AHistoryOfOneItem) {
  const Ranker ranker(backend(), als_, nullptr);
  const std::vector<int32_t> history = {4}, items = {40, 60};
  const std::vector<float> values = {2};
  const auto found = Explain(context(), ranker, {history, values}, -1, items);
  const std::vector<float> query = QueryOf(ranker, history, values);
  const float one = 1;
  const auto popular = reference::TopN({&one, 1}, {popularity_.data(), kItems, 1}, history, kItems);
  for (size_t at = 0; at < items.size(); ++at) {
    EXPECT_EQ(found[at].position, PositionIn(ranker, query, history, items[at]));
    ASSERT_EQ(found[at].contributions.size(), 1u);
    EXPECT_EQ(found[at].contributions[0].item, 4);
    EXPECT_NEAR(found[at].contributions[0].amount, found[at].score, 1e-6);
    EXPECT_EQ(std::abs(found[at].contributions[0].share), 1);
    EXPECT_EQ(popular[static_cast<size_t>(found[at].contributions[0].position_without - 1)].item, items[at]);
  }
}

TEST_P(ExplanationTest, ByPopularity) {
  const std::vector<int32_t> items = {1, 60};
  const auto expect = [&](const ModelView& model, const HistoryView& history) {
    const Ranker ranker(backend(), model, nullptr);
    const float one = 1;
    const auto popular = reference::TopN({&one, 1}, {popularity_.data(), kItems, 1}, history.items, kItems);
    const auto found = Explain(context(), ranker, history, -1, items);
    ASSERT_EQ(found.size(), 2u);
    for (size_t at = 0; at < items.size(); ++at) {
      EXPECT_EQ(found[at].score, popularity_[static_cast<size_t>(items[at])]);
      EXPECT_EQ(found[at].base, found[at].score);
      EXPECT_TRUE(found[at].contributions.empty());
      EXPECT_EQ(found[at].n_others, 0);
      EXPECT_EQ(popular[static_cast<size_t>(found[at].position - 1)].item, items[at]);
    }
  };
  expect(Plain("popularity"), HistoryOf(als_, 3));
  expect(Plain("popularity"), {});
  expect(als_, {});
}

TEST_P(ExplanationTest, NothingAskedIsNothingExplained) {
  const Ranker ranker(backend(), als_, nullptr);
  EXPECT_TRUE(Explain(context(), ranker, HistoryOf(als_, 3), 3, {}).empty());
  EXPECT_TRUE(TakeApart(als_, HistoryOf(als_, 3), {}).empty());
}

// A catalogue of more items than the first lists have places.
TEST_P(ExplanationTest, PositionsFarDown) {
  const int64_t n_items = Allowance(40'000, 1'100);
  SmallModel small(3, n_items, 2);
  const ModelView model = small.view();
  const Ranker ranker(backend(), model, nullptr);
  const HistoryView history = {model.history.row(1).first(40), model.history.row_values(1).first(40)};
  const std::vector<float> query =
      QueryOf(ranker, {history.items.begin(), history.items.end()}, {history.values.begin(), history.values.end()});
  const auto all = reference::TopN(query, model.item_factors, history.items, n_items);
  std::vector<int32_t> items;
  const std::vector<size_t> places = {
      0, 1023, 1024, std::min<size_t>(all.size(), 32768) - 1, std::min<size_t>(all.size() - 1, 32768), all.size() - 1};
  for (const size_t place : places) items.push_back(all[place].item);
  const auto found = Explain(context(), ranker, history, -1, items, {.n_contributions = 2});
  for (size_t at = 0; at < items.size(); ++at) {
    EXPECT_EQ(found[at].position, static_cast<int64_t>(places[at]) + 1);
    EXPECT_EQ(found[at].score, all[places[at]].score);
    for (const Contribution& by : found[at].contributions) EXPECT_GT(by.position_without, 0);
  }
}

KINDRED_ON_ALL_BACKENDS(ExplanationTest);

TEST(EventsWithTest, AreTheUsersLastFirst) {
  SmallModel small;
  const ModelView model = small.view();
  int n_found = 0;
  for (int64_t user = 0; user < model.n_users(); ++user)
    for (int32_t item = 0; item < model.n_items(); ++item) {
      const auto found = EventsWith(model, user, item);
      n_found += static_cast<int>(found.size());
      for (size_t e = 0; e < found.size(); ++e) {
        ASSERT_TRUE(found[e].time);
        if (e > 0) {
          EXPECT_LT(*found[e].time, *found[e - 1].time);
        }
      }
      const auto row = model.history.row(user);
      if (!std::binary_search(row.begin(), row.end(), item) || item % 2 != 0) continue;
      ASSERT_GE(found.size(), 2u);
      EXPECT_EQ(found[found.size() - 2].type, "buy");
      EXPECT_EQ(found.back().type, "cart");
    }
  EXPECT_EQ(n_found, model.events.size());
}

TEST(EventsWithTest, OfVersionsThatKeepLessOrNone) {
  SmallModel small;
  ModelView model = small.view();
  const int32_t item = model.history.row(2)[0];
  model.events.times = {};
  model.events.types = {};
  const auto found = EventsWith(model, 2, item);
  ASSERT_FALSE(found.empty());
  EXPECT_FALSE(found[0].time);
  EXPECT_EQ(found[0].type, "");
  model.events = {};
  EXPECT_TRUE(EventsWith(model, 2, item).empty());
}

}  // namespace
}  // namespace kindred
