// What the variances of scores (host/ranking/uncertainty.h) are worth, shown on held-out data.
//
// A score is no measurement, so nothing that is held out can be compared with it. But the model says how far a score
// should still move: once a user's held-out events are known too, by news of mean 0 and of the variance
//
//   s2 (y_i . A^-1 y_i  -  y_i . B^-1 y_i)
//
// where A is the system of the history and B that of both together: what was not known before, less what is not known
// after. So each user is folded in again with the held-out items, each with the mean confidence of the user's history,
// as holdouts have none. From half of the users, drawn by chance, s2 is learned, as the mean of squared moves over
// their variances; on the other half it is counted how many moves lie within the intervals of a normal distribution.
//
// Moves are taken of three kinds of items:
//   recommended  the 20 best of the list: they are what is shown, and s2 is learned from them
//   random       20 of the catalogue, without those of the history: chosen without regard to what is held out
//   held_out     the held-out items themselves, which is as unlike the model as can be: that they were done is why they
//                are looked at
//
// What is to be expected: moves of recommended and of held-out items are upwards in the mean, which a model of news
// with mean 0 does not know. s2 takes that in as more noise, so that intervals are wide enough for what is shown, and
// too wide for random items.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/ranking/ranker.h"
#include "kernels/cpu/parallel.h"

namespace kindred {

inline constexpr std::array<double, 3> kIntervals = {0.5, 0.8, 0.95};

/// Moves over their standard deviations: 0 in the mean and a root mean square of 1, if the model is right.
struct StandardizedMoves {
  std::string items;  // "recommended", "random" or "held_out"
  int64_t n = 0;
  double mean = 0;
  double rms = 0;
  std::array<double, 3> within = {};  // the share in each of kIntervals
};

struct UncertaintyCheck {
  std::string absent;  // why there is none; else empty
  double noise_variance = 0;
  int64_t n_learning = 0, n_measuring = 0;  // users
  std::vector<StandardizedMoves> moves;     // of each kind that has any
};

/// At most about so many users are looked at, drawn by chance; with fewer than kLeastCheckedUsers in either half there
/// is no check.
inline constexpr int64_t kMostCheckedUsers = 2048, kLeastCheckedUsers = 20;

/// `held_out` is n_users x n_items of the model. Deterministic, whatever the threads of `pool`, which may be null;
/// `before_block` is called now and then, and what it throws ends the check. Throws as Ranker and ScoreVariances do.
/// Cost: for each of the users a list, a solve and ScoreVariances of some 60 items twice.
UncertaintyCheck CheckUncertainty(const Ranker& ranker, const CsrView& held_out, ThreadPool* pool = nullptr,
                                  const std::function<void()>& before_block = {});

/// The member "uncertainty" of an evaluation (docs/formats.md).
nlohmann::json UncertaintyJson(const UncertaintyCheck& check);

}  // namespace kindred
