#include "host/evaluation/calibration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace kindred {
namespace {

/// Pairs whose hits have the given probability.
template <class Score, class Probability>
ScoredPairs Draw(int64_t n, uint32_t seed, const Score& score, const Probability& probability) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  ScoredPairs pairs;
  for (int64_t i = 0; i < n; ++i) {
    pairs.scores.push_back(static_cast<float>(score(uniform(random))));
    pairs.hits.push_back(uniform(random) < probability(double{pairs.scores.back()}) ? 1 : 0);
  }
  return pairs;
}

void ExpectSound(const Calibration& calibration) {
  ASSERT_EQ(calibration.scores.size(), calibration.probabilities.size());
  for (size_t i = 0; i < calibration.scores.size(); ++i) {
    EXPECT_TRUE(std::isfinite(calibration.scores[i]));
    EXPECT_GE(calibration.probabilities[i], 0);
    EXPECT_LE(calibration.probabilities[i], 1);
    if (i == 0) continue;
    EXPECT_GT(calibration.scores[i], calibration.scores[i - 1]);
    EXPECT_GE(calibration.probabilities[i], calibration.probabilities[i - 1]);
  }
}

TEST(Calibration, NeverFallsAndStaysAProbabilityWhateverThePairs) {
  for (const int64_t n : {1, 2, 49, 50, 51, 99, 100, 101, 1000, 20'000})
    for (uint32_t seed = 1; seed <= 5; ++seed) {
      SCOPED_TRACE(testing::Message() << n << " pairs, seed " << seed);
      const auto score = [&](double u) { return seed % 2 == 0 ? std::floor(8 * u) : 3 * u - 1; };
      const auto falling = [&](double s) { return seed == 1 ? 0.5 - s / 10 : 0.1 + std::fabs(std::sin(s)) / 2; };
      const Calibration calibration = LearnCalibration(Draw(n, seed, score, falling));
      ExpectSound(calibration);
      ASSERT_FALSE(calibration.scores.empty());
      float last = 0;
      for (double s = -2; s < 10; s += 0.01) {
        const float p = calibration.view().Probability(static_cast<float>(s));
        EXPECT_GE(p, last) << s;
        EXPECT_LE(p, 1) << s;
        last = p;
      }
    }
}

TEST(Calibration, FindsTheProbabilitiesThatThePairsWereDrawnWith) {
  const auto truth = [](double s) { return 0.02 + 0.3 * s * s; };
  const auto score = [](double u) { return u; };
  const Calibration calibration = LearnCalibration(Draw(400'000, 1, score, truth));
  for (double s = 0.05; s < 0.96; s += 0.05)
    EXPECT_NEAR(calibration.view().Probability(static_cast<float>(s)), truth(s), 0.015) << s;
  const Reliability reliability = MeasureReliability(calibration.view(), Draw(100'000, 2, score, truth));
  EXPECT_EQ(reliability.n, 100'000);
  EXPECT_GE(reliability.bins.size(), 13u);  // equal probabilities at the ends are not parted
  EXPECT_LE(reliability.bins.size(), 15u);
  EXPECT_LT(reliability.expected_error, 0.006);
  EXPECT_LT(reliability.brier, reliability.brier_of_base);
  for (const ReliabilityBin& bin : reliability.bins) {
    EXPECT_NEAR(bin.predicted, bin.observed, 0.03);
    EXPECT_LT(bin.low, bin.observed);
    EXPECT_GT(bin.high, bin.observed);
  }
}

TEST(Calibration, IsTheLeastSquaresFitOfItsBins) {
  // Three bins of 50 equal scores with 10, 30 and 20 hits: the last two are pooled.
  ScoredPairs pairs;
  const int hits[] = {10, 30, 20};
  for (int bin = 0; bin < 3; ++bin)
    for (int i = 0; i < 50; ++i) {
      pairs.scores.push_back(static_cast<float>(bin));
      pairs.hits.push_back(i < hits[bin] ? 1 : 0);
    }
  const Calibration calibration = LearnCalibration(pairs);
  EXPECT_EQ(calibration.scores, (std::vector<float>{0, 1.5f}));
  EXPECT_EQ(calibration.probabilities, (std::vector<float>{0.2f, 0.5f}));
  EXPECT_FLOAT_EQ(calibration.view().Probability(0.75f), 0.35f);
  EXPECT_EQ(calibration.view().Probability(-7), 0.2f);
  EXPECT_EQ(calibration.view().Probability(7), 0.5f);
}

TEST(Calibration, EqualScoresAreOneKnot) {
  ScoredPairs pairs;
  for (int i = 0; i < 1000; ++i) {
    pairs.scores.push_back(0.5f);
    pairs.hits.push_back(i % 4 == 0 ? 1 : 0);
  }
  const Calibration calibration = LearnCalibration(pairs);
  EXPECT_EQ(calibration.scores, (std::vector<float>{0.5f}));
  EXPECT_EQ(calibration.probabilities, (std::vector<float>{0.25f}));
  const Reliability reliability = MeasureReliability(calibration.view(), pairs);
  ASSERT_EQ(reliability.bins.size(), 1u);
  EXPECT_EQ(reliability.bins[0].n, 1000);
  EXPECT_EQ(reliability.bins[0].n_hits, 250);
  EXPECT_NEAR(reliability.brier, 0.25 * 0.75, 1e-12);
  EXPECT_NEAR(reliability.expected_error, 0, 1e-12);
}

TEST(Calibration, ScoresThatRoundToTheSameFloatAreNoTwoKnots) {
  ScoredPairs pairs;  // means of bins between two neighbouring floats
  const float low = 1, high = std::nextafter(low, 2.0f);
  for (int i = 0; i < 400; ++i) {
    pairs.scores.push_back(i < 200 ? low : high);
    pairs.hits.push_back(i >= 200 && i % 2 == 0 ? 1 : 0);
  }
  ExpectSound(LearnCalibration(pairs));
}

TEST(Calibration, OneClassOnlyAndNothingAtAll) {
  for (const uint8_t hit : {0, 1}) {
    ScoredPairs pairs;
    for (int i = 0; i < 300; ++i) {
      pairs.scores.push_back(static_cast<float>(i));
      pairs.hits.push_back(hit);
    }
    const Calibration calibration = LearnCalibration(pairs);
    ExpectSound(calibration);
    EXPECT_EQ(calibration.probabilities, (std::vector<float>{static_cast<float>(hit)}));
    EXPECT_EQ(MeasureReliability(calibration.view(), pairs).brier, 0);
  }
  EXPECT_TRUE(LearnCalibration({}).view().empty());
  EXPECT_TRUE(MeasureReliability(CalibrationView(), {}).bins.empty());
}

TEST(Calibration, ScoresThatAreNoNumbersAreLeftOut) {
  ScoredPairs pairs;
  for (const float score : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1.0f}) {
    pairs.scores.push_back(score);
    pairs.hits.push_back(1);
  }
  EXPECT_EQ(LearnCalibration(pairs).scores, (std::vector<float>{1}));
}

TEST(Calibration, TheErrorIsThatOfThePlainSums) {
  const auto score = [](double u) { return std::floor(u * 40) / 40; };
  const auto truth = [](double s) { return s * 0.6; };
  const Calibration calibration = LearnCalibration(Draw(3000, 3, score, truth));
  const ScoredPairs pairs = Draw(2000, 4, score, truth);
  const Reliability found = MeasureReliability(calibration.view(), pairs);
  double brier = 0, hits = 0;
  for (size_t i = 0; i < pairs.scores.size(); ++i) {
    const double off = double{calibration.view().Probability(pairs.scores[i])} - pairs.hits[i];
    brier += off * off / 2000;
    hits += pairs.hits[i];
  }
  EXPECT_NEAR(found.brier, brier, 1e-12);
  EXPECT_NEAR(found.brier_of_base, hits / 2000 * (1 - hits / 2000), 1e-12);
  double error = 0;
  int64_t n = 0;
  for (const ReliabilityBin& bin : found.bins) {
    error += static_cast<double>(bin.n) * std::fabs(bin.observed - bin.predicted) / 2000;
    n += bin.n;
  }
  EXPECT_EQ(n, 2000);
  EXPECT_NEAR(found.expected_error, error, 1e-12);
}

}  // namespace
}  // namespace kindred
