#include "host/evaluation/rated_holdout.h"

#include <algorithm>
#include <cmath>

#include "host/models/dot.h"
#include "host/models/rating_biases.h"

namespace kindred {
namespace {

/// The sums of an error, in the order they come.
class Tally {
 public:
  void Add(double rating, double prediction) {
    const double error = rating - prediction;
    squares_ += error * error;
    absolutes_ += std::abs(error);
    ++n_;
  }
  int64_t n() const { return n_; }
  RatingError Mean() const {
    const auto n = static_cast<double>(std::max<int64_t>(n_, 1));
    return {std::sqrt(squares_ / n), absolutes_ / n};
  }

 private:
  double squares_ = 0, absolutes_ = 0;
  int64_t n_ = 0;
};

double At(std::span<const float> values, int32_t index) {
  return index < 0 ? 0 : values[static_cast<size_t>(index)];
}

double Predict(const ModelView& model, int32_t user, int32_t item) {
  const double rating = model.rating_mean + At(model.user_biases, user) + At(model.item_biases, item);
  if (user < 0 || item < 0) return rating;
  return rating + Dot(model.user_factors.row(user), model.item_factors.row(item));
}

}  // namespace

Holdout RatedHoldout::Relevant(float threshold) const {
  Holdout holdout = BeginHoldout(ratings.n_rows, ratings.n_cols);
  Csr& relevant = holdout.relevant;
  for (int64_t user = 0; user < ratings.n_rows; ++user) {
    for (int64_t e = ratings.indptr[user]; e < ratings.indptr[user + 1]; ++e)
      if (ratings.values[e] >= threshold) relevant.indices.push_back(ratings.indices[e]);
    relevant.indptr.push_back(static_cast<int64_t>(relevant.indices.size()));
  }
  relevant.values.assign(relevant.indices.size(), 1.0f);
  int32_t last_missing_user = 0;
  for (const Missing& pair : missing) {
    if (pair.rating < threshold) continue;
    if (pair.user >= 0) {
      ++holdout.n_missing_items[pair.user];
      continue;
    }
    ++holdout.n_missing_user_items;
    holdout.n_missing_users += pair.user != last_missing_user;
    last_missing_user = pair.user;
  }
  return holdout;
}

RatedHoldout RateHoldout(const Holdout& pairs, const EventsView& events, std::span<const uint8_t> keep,
                         const EventWeighting& weighting, ThreadPool* pool) {
  std::vector<uint8_t> held(keep.size());
  std::transform(keep.begin(), keep.end(), held.begin(), [](uint8_t kept) { return kept == 0; });
  const Csr all = SumEvents(events, pairs.relevant.n_cols,
                            {.weighting = weighting, .keep = held, .pool = pool, .pair_value = PairValue::kRating});
  RatedHoldout rated;
  rated.ratings = pairs.relevant;
  for (int64_t user = 0; user < all.n_rows; ++user) {
    const auto items = all.view().row(user);
    for (int64_t e = pairs.relevant.indptr[user]; e < pairs.relevant.indptr[user + 1]; ++e) {
      const auto place = std::lower_bound(items.begin(), items.end(), pairs.relevant.indices[e]) - items.begin();
      rated.ratings.values[e] = all.view().row_values(user)[place];
    }
  }
  return rated;
}

RatingErrors EvaluateRatings(const ModelView& model, const RatedHoldout& holdout, ThreadPool* pool) {
  const RatingBiases biases = FitRatingBiases(model.history, model.objective.bias_regularization, pool);
  Tally by_model, by_biases, by_mean;
  const auto add = [&](int32_t user, int32_t item, double rating) {
    by_model.Add(rating, Predict(model, user, item));
    by_biases.Add(rating, biases.mean + At(biases.users, user) + At(biases.items, item));
    by_mean.Add(rating, biases.mean);
  };
  const CsrView ratings = holdout.ratings.view();
  for (int64_t user = 0; user < ratings.n_rows; ++user)
    for (int64_t e = ratings.indptr[user]; e < ratings.indptr[user + 1]; ++e)
      add(static_cast<int32_t>(user), ratings.indices[e], ratings.values[e]);
  for (const RatedHoldout::Missing& pair : holdout.missing) add(pair.user, pair.item, pair.rating);
  return {by_model.n(), by_model.Mean(), by_biases.Mean(), by_mean.Mean()};
}

nlohmann::json RatingErrorsJson(const RatingErrors& errors) {
  return {{"n_ratings", errors.n_ratings},     {"rmse", errors.model.rmse},       {"mae", errors.model.mae},
          {"biases_rmse", errors.biases.rmse}, {"biases_mae", errors.biases.mae}, {"mean_rmse", errors.mean.rmse},
          {"mean_mae", errors.mean.mae}};
}

}  // namespace kindred
