// Probabilities for the scores of recommended items, learned from held-out data.
//
// What is calibrated: of an item that is among the k recommended to a user, the probability that the user has it held
// out, given its score alone, for users with a history and with something held out. So it goes with the amount that
// was held out: where that is a tenth of what users do, or their next week, it is the probability that the item is in
// that tenth, or in that week if the user comes back in it.
//
// Scores of ALS are comparable across users only roughly: all of them regress on the same target, but regularization
// draws those of a user with a short history more towards 0. The calibration takes scores as they are, so it is right
// on average over users, not for each of them. It does not change the order of any list.
#pragma once

#include <cstdint>
#include <vector>

#include "host/evaluation/metrics.h"
#include "host/models/calibration.h"

namespace kindred {

/// A calibration that owns its arrays.
struct Calibration {
  std::vector<float> scores;
  std::vector<float> probabilities;

  CalibrationView view() const { return {scores, probabilities}; }
};

/// The isotonic least-squares fit of hits on scores (pool adjacent violators: Ayer et al. 1955) over bins of
/// neighbouring scores, at most 200 and of 50 pairs at least; each level piece is put at its mean score, with straight
/// lines between (centered isotonic regression: Oron and Flournoy 2017). Equal scores are never parted. Without pairs
/// it is empty; where all or none are hits it is 1 or 0. Pairs whose score is not finite are left out. Cost: a sort.
Calibration LearnCalibration(const ScoredPairs& pairs);

/// Pairs whose probabilities are next to each other.
struct ReliabilityBin {
  int64_t n = 0;
  int64_t n_hits = 0;
  double predicted = 0;      // mean probability
  double observed = 0;       // n_hits / n
  double low = 0, high = 0;  // of observed, 95 % (Wilson 1927), as if pairs were independent
};

struct Reliability {
  std::vector<ReliabilityBin> bins;  // by probability; at most 15, of about as many pairs each
  int64_t n = 0;
  int64_t n_hits = 0;
  double brier = 0;           // mean of (probability - hit)^2 (Brier 1950)
  double brier_of_base = 0;   // of n_hits / n for all
  double expected_error = 0;  // sum over bins of n |predicted - observed| / n (Naeini et al. 2015)
};

/// On pairs that the calibration was not learned from. It must not be empty.
Reliability MeasureReliability(const CalibrationView& calibration, const ScoredPairs& pairs);

}  // namespace kindred
