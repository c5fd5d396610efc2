#include "host/evaluation/uncertainty_check.h"

#include <cmath>
#include <set>

#include "host/models/als.h"
#include "tests/host/ranking/dense.h"
#include "tests/support/backends.h"
#include "tests/support/interactions.h"

namespace kindred {
namespace {

constexpr int64_t kUsers = 120, kItems = 70, kFactors = 6;

class UncertaintyCheckTest : public BackendTest {
 protected:
  UncertaintyCheckTest() {
    Csr all = RandomInteractions(kUsers, kItems, 5, 4);
    history_ = {kUsers, kItems, {0}, {}, {}};
    held_out_ = history_;
    for (int64_t user = 0; user < kUsers; ++user) {
      for (int64_t e = all.indptr[user]; e < all.indptr[user + 1]; ++e) {
        Csr& to = e % 4 == 0 ? held_out_ : history_;
        to.indices.push_back(all.indices[e]);
        to.values.push_back(e % 4 == 0 ? 1 : all.values[e]);
      }
      history_.indptr.push_back(std::ssize(history_.indices));
      held_out_.indptr.push_back(std::ssize(held_out_.indices));
    }
    view_.algorithm = "als";
    view_.history = history_.view();
    view_.objective = {0.1f, 0.02f, 1.0f};
    factors_ = FitAls(backend(), view_.history, {kFactors, view_.objective, 4, 1});
    popularity_ = ItemPopularity(view_.history);
    view_.popularity = popularity_;
    view_.user_factors = {factors_.user_factors.data(), kUsers, kFactors};
    view_.item_factors = {factors_.item_factors.data(), kItems, kFactors};
    view_.eigenvalues = factors_.eigenvalues;
  }

  std::vector<double> Factors(const std::vector<int32_t>& items, const std::vector<float>& values) const {
    std::vector<double> right(kFactors, 0);
    for (size_t j = 0; j < items.size(); ++j)
      for (size_t k = 0; k < kFactors; ++k) right[k] += double{values[j]} * view_.item_factors.row(items[j])[k];
    return SolveDense(RowMatrix(view_, items, values), right);
  }

  /// The sum over all users and their 20 best items of (move^2 / its variance at unit noise), term by term.
  double SumOfSquares() const {
    double sum = 0;
    for (int64_t user = 0; user < kUsers; ++user) {
      const auto row = view_.history.row(user), news = held_out_.view().row(user);
      if (row.empty() || news.empty()) continue;
      std::vector<int32_t> items(row.begin(), row.end());
      std::vector<float> values(view_.history.row_values(user).begin(), view_.history.row_values(user).end());
      const Dense before = RowMatrix(view_, items, values);
      const std::vector<double> x = Factors(items, values);
      double mean = 0;
      for (const float value : values) mean += value / static_cast<double>(values.size());
      items.insert(items.end(), news.begin(), news.end());
      values.resize(items.size(), static_cast<float>(mean));
      const Dense after = RowMatrix(view_, items, values);
      const std::vector<double> moved = Factors(items, values);
      std::vector<std::pair<double, std::vector<double>>> list;
      for (int32_t i = 0; i < kItems; ++i) {
        const std::vector<double> y = ToDouble(view_.item_factors.row(i));
        if (!std::binary_search(row.begin(), row.end(), i)) list.push_back({-DotDense(x, y), y});
      }
      std::sort(list.begin(), list.end());
      for (size_t place = 0; place < std::min<size_t>(20, list.size()); ++place) {
        const std::vector<double>& y = list[place].second;
        const double variance = DotDense(y, SolveDense(before, y)) - DotDense(y, SolveDense(after, y));
        if (DotDense(y, y) > 0) sum += std::pow(DotDense(moved, y) + list[place].first, 2) / variance;
      }
    }
    return sum;
  }

  Csr history_, held_out_;
  AlsFactors factors_;
  std::vector<float> popularity_;
  ModelView view_;
};

TEST_P(UncertaintyCheckTest, MovesAreThoseOfAFoldInWithWhatWasHeldOut) {
  const Ranker ranker(backend(), view_, nullptr);
  const UncertaintyCheck found = CheckUncertainty(ranker, held_out_.view());
  EXPECT_EQ(found.absent, "");
  ASSERT_EQ(found.moves.size(), 3u);
  std::vector<std::string> kinds;
  for (const StandardizedMoves& of : found.moves) {
    SCOPED_TRACE(of.items);
    kinds.push_back(of.items);
    EXPECT_GT(of.n, 0);
    EXPECT_GT(of.rms, std::abs(of.mean));
    EXPECT_LE(of.within[0], of.within[1]);
    EXPECT_LE(of.within[1], of.within[2]);
    EXPECT_GT(of.within[2], 0.5);
  }
  EXPECT_EQ(kinds, (std::vector<std::string>{"recommended", "random", "held_out"}));
  EXPECT_GT(found.moves[2].mean, 0) << "what was done is liked better once that is known";

  int64_t n_users = 0;
  for (int64_t user = 0; user < kUsers; ++user)
    n_users += !history_.view().row(user).empty() && !held_out_.view().row(user).empty();
  EXPECT_EQ(found.n_learning + found.n_measuring, n_users);
  // Learning pairs have a mean square of the noise; user 0 has fewer than 20 items left.
  const StandardizedMoves& recommended = found.moves[0];
  const double per_pair =
      found.noise_variance * (recommended.rms * recommended.rms * static_cast<double>(recommended.n));
  const double of_learning = (SumOfSquares() - per_pair) / found.noise_variance;
  EXPECT_NEAR(of_learning, std::round(of_learning), 0.02) << "a number of pairs";
  EXPECT_NEAR(of_learning, 20.0 * static_cast<double>(found.n_learning), 20);
}

TEST_P(UncertaintyCheckTest, ThreadsDoNotMatterAndItCanBeStopped) {
  const Ranker ranker(backend(), view_, nullptr);
  ThreadPool pool(3);
  EXPECT_EQ(UncertaintyJson(CheckUncertainty(ranker, held_out_.view())),
            UncertaintyJson(CheckUncertainty(ranker, held_out_.view(), &pool)));
  EXPECT_THROW(CheckUncertainty(ranker, held_out_.view(), nullptr, [] { throw std::runtime_error("stop"); }),
               std::runtime_error);
}

TEST_P(UncertaintyCheckTest, WhereThereIsNone) {
  const Ranker ranker(backend(), view_, nullptr);
  const Csr nothing = {kUsers, kItems, std::vector<int64_t>(kUsers + 1, 0), {}, {}};
  EXPECT_EQ(UncertaintyJson(CheckUncertainty(ranker, nothing.view()))["absent"],
            "0 and 0 users have a history and something held out: at least 20 in either half are needed");
  // Held out, but in the history already: no news.
  EXPECT_NE(CheckUncertainty(ranker, history_.view()).absent, "");
  ModelView popularity = view_;
  popularity.algorithm = "popularity";
  popularity.user_factors = popularity.item_factors = {};
  popularity.eigenvalues = {};
  const Ranker popular(backend(), popularity, nullptr);
  EXPECT_EQ(CheckUncertainty(popular, held_out_.view()).absent, "only scores of implicit ALS have variances");
}

TEST_P(UncertaintyCheckTest, Json) {
  const UncertaintyCheck check = {"", 0.5, 30, 31, {{"random", 7, 0.25, 1.5, {0.5, 0.75, 1}}}};
  EXPECT_EQ(UncertaintyJson(check),
            nlohmann::json::parse(R"({"noise_variance": 0.5, "n_learning_users": 30, "n_measuring_users": 31, "moves": [
              {"items": "random", "n": 7, "mean": 0.25, "rms": 1.5, "within_50": 0.5, "within_80": 0.75,
               "within_95": 1.0}]})"));
}

KINDRED_ON_ALL_BACKENDS(UncertaintyCheckTest);

}  // namespace
}  // namespace kindred
