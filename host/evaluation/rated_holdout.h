// Held-out ratings: what the errors of a model of ratings are measured on, and which of them a list should have.
//
// All that a user rated in training is left out of a list, liked or not. Of the held-out ratings, those of at least a
// threshold are relevant, and a list's hits; the others are misses where they are shown.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/data/event_weighting.h"
#include "host/data/events.h"
#include "host/data/interactions.h"
#include "host/evaluation/metrics.h"
#include "host/intake/event_reader.h"
#include "host/models/model.h"
#include "kernels/cpu/parallel.h"

namespace kindred {

struct RatedHoldout {
  /// A rating with an id that the model lacks: user or item is -1 - k for the k-th such id, in the order of the ids.
  struct Missing {
    int32_t user = 0, item = 0;
    float rating = 0;
  };

  Csr ratings;                   // n_users x n_items of the model
  std::vector<Missing> missing;  // in the order of user and item

  /// The pairs whose rating is at least `threshold`.
  Holdout Relevant(float threshold) const;
};

/// The ratings of held-out pairs, a split's holdout, from the events that `keep` has not.
RatedHoldout RateHoldout(const Holdout& pairs, const EventsView& events, std::span<const uint8_t> keep,
                         const EventWeighting& weighting, ThreadPool* pool);

/// As ReadHoldout (host/evaluation/holdout_file.h), with ratings: of a pair that is there more than once the last in
/// time counts (PairValue::kRating). Types of weight 0 are left out. Also throws kInvalidArgument for files without
/// values.
RatedHoldout ReadRatedHoldout(std::span<const std::string> paths, const EventReaderOptions& options, const IdMap& users,
                              const IdMap& items, const EventWeighting& weighting = {});

/// Root of the mean square, and mean of the absolute value, of rating less prediction.
struct RatingError {
  double rmse = 0, mae = 0;
};

struct RatingErrors {
  int64_t n_ratings = 0;  // of all that was held out
  RatingError model;      // mean + b_u + b_i + x.y, the score that is served
  RatingError biases;     // mean + b_u + b_i, with biases fitted to the model's history alone
  RatingError mean;
};

/// Of a model of ratings. An id the model lacks has bias and factors 0. Deterministic. Cost: n_factors a rating, and a
/// fit of biases. Without ratings all is 0.
RatingErrors EvaluateRatings(const ModelView& model, const RatedHoldout& holdout, ThreadPool* pool = nullptr);

/// {"n_ratings", "rmse", "mae", "biases_rmse", "biases_mae", "mean_rmse", "mean_mae"}
nlohmann::json RatingErrorsJson(const RatingErrors& errors);

}  // namespace kindred
