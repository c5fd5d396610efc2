#include "training/trial_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "host/data/random.h"

namespace kindred {
namespace {

/// The more, the nearer to n-factors 96, regularization 0.02, exponent 0.8, unobserved-weight 0.1.
double Quality(const SearchSpace& space, const SearchPoint& point) {
  const std::vector<double> units = space.Units(point), best = space.Units({96, 0.02, 0.8, 0.1});
  double squared = 0;
  for (size_t p = 0; p < units.size(); ++p) squared += std::pow(units[p] - best[p], 2);
  return std::exp(-4 * squared);
}

Trial Done(int64_t number, const SearchPoint& point, double value) {
  Trial trial;
  trial.number = number;
  trial.point = point;
  trial.value = trial.sample_value = value;
  return trial;
}

std::vector<Trial> Search(const SearchSpace& space, int64_t n_trials, int64_t n_spread, uint64_t seed) {
  std::vector<Trial> trials;
  while (std::ssize(trials) < n_trials) {
    const auto point = NextPoint(space, trials, n_spread, seed);
    if (!point) break;
    trials.push_back(Done(std::ssize(trials) + 1, *point, Quality(space, *point)));
  }
  return trials;
}

double Best(const std::vector<Trial>& trials) {
  double best = 0;
  for (const Trial& trial : trials) best = std::max(best, trial.value);
  return best;
}

TEST(TrialSearch, FindsMoreThanASpreadDoes) {
  const SearchSpace space = SpaceOf("als");
  double searched = 0, spread = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    searched += Best(Search(space, 24, 8, seed)) / 8;
    spread += Best(Search(space, 24, 24, seed)) / 8;
  }
  EXPECT_GT(searched, 0.97);
  EXPECT_GT(1 - spread, 3 * (1 - searched)) << searched << " and " << spread;
}

TEST(TrialSearch, BeginsWithTrainsDefaultsAndASpread) {
  const SearchSpace space = SpaceOf("als");
  const std::vector<Trial> trials = Search(space, 33, 33, 5);
  EXPECT_EQ(trials[0].point, space.Defaults());
  for (size_t p = 0; p < space.parameters.size(); ++p) {
    if (space.parameters[p].is_fixed()) continue;
    std::array<int, 4> quarters = {};
    for (size_t t = 1; t < trials.size(); ++t)
      ++quarters[static_cast<size_t>(std::min(3.0, 4 * space.Units(trials[t].point)[p]))];
    for (const int n : quarters) EXPECT_NEAR(n, 8, 6) << space.parameters[p].name;
  }
}

TEST(TrialSearch, FollowsTheSeedAndTheTrialsOnly) {
  const SearchSpace space = SpaceOf("svd");
  const std::vector<Trial> trials = Search(SpaceOf("als"), 12, 4, 3), again = Search(SpaceOf("als"), 12, 4, 3);
  std::set<SearchPoint> points;
  for (size_t t = 0; t < trials.size(); ++t) {
    EXPECT_EQ(trials[t].point, again[t].point) << t;
    points.insert(trials[t].point);
  }
  EXPECT_EQ(points.size(), trials.size()) << "none comes twice";
  EXPECT_NE(Search(SpaceOf("als"), 2, 4, 4)[1].point, trials[1].point);
  EXPECT_EQ(Search(SpaceOf("als"), 12, 4, 3).back().point, Search(SpaceOf("als"), 20, 4, 3)[11].point);
}

TEST(TrialSearch, TriesAllOfASmallSpaceAndEnds) {
  const SearchSpace space = SpaceOf("svd", std::vector<std::string>{"n-factors=8,16,32", "svd-shrinkage=1,4"});
  std::vector<Trial> trials;
  std::set<SearchPoint> points;
  while (const auto point = NextPoint(space, trials, 2, 1)) {
    points.insert(*point);
    trials.push_back(Done(std::ssize(trials) + 1, *point, (*point)[0]));
    ASSERT_LE(trials.size(), 6u);
  }
  EXPECT_EQ(points.size(), 6u);
}

TEST(TrialSearch, StaysAwayFromWhatFails) {
  const SearchSpace space = SpaceOf("als");
  std::vector<Trial> trials;
  int n_late = 0;
  for (int64_t t = 0; t < 30; ++t) {
    const SearchPoint point = *NextPoint(space, trials, 10, 7);
    Trial trial = Done(t + 1, point, Quality(space, point));
    if (point[1] < 0.01) {
      trial.state = TrialState::kFailed;
      trial.value = trial.sample_value = NAN;
      n_late += t >= 15 ? 1 : 0;
    }
    trials.push_back(std::move(trial));
  }
  EXPECT_LE(n_late, 4);
}

TEST(TrialSearch, GoesOnWhereNothingIsComplete) {
  const SearchSpace space = SpaceOf("als");
  std::vector<Trial> trials;
  for (int64_t t = 0; t < 8; ++t) {
    Trial trial = Done(t + 1, *NextPoint(space, trials, 2, 7), NAN);
    trial.state = TrialState::kFailed;
    trials.push_back(std::move(trial));
  }
  EXPECT_EQ(trials.size(), 8u);
}

}  // namespace
}  // namespace kindred
