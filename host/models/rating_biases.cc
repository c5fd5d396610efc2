#include "host/models/rating_biases.h"

#include <cmath>

#include "host/data/interactions.h"

namespace kindred {
namespace {

constexpr int kMostTurns = 100;
constexpr double kTolerance = 1e-6;

/// One turn of a side: `own` from `other`. Returns how far the bias went that went furthest.
double Turn(const CsrView& rows, double regularization, ThreadPool* pool, std::span<const double> other,
            std::span<double> own, std::span<double> moves) {
  ForEachRow(pool, rows.n_rows, [&](int64_t row) {
    const auto columns = rows.row(row);
    const auto values = rows.row_values(row);
    double sum = 0;
    for (size_t e = 0; e < columns.size(); ++e) sum += values[e] - other[columns[e]];
    const double bias = columns.empty() ? 0 : sum / (static_cast<double>(columns.size()) + regularization);
    moves[row] = std::abs(bias - own[row]);
    own[row] = bias;
  });
  return moves.empty() ? 0 : *std::max_element(moves.begin(), moves.end());
}

}  // namespace

void FitBiases(const CsrView& by_user, const CsrView& by_item, double regularization, ThreadPool* pool,
               RatingBiases* biases) {
  double largest = 0;
  for (const float value : by_user.values) largest = std::max(largest, std::abs(double{value}));
  std::vector<double> users(biases->users.begin(), biases->users.end());
  std::vector<double> items(biases->items.begin(), biases->items.end());
  std::vector<double> user_moves(users.size()), item_moves(items.size());
  for (int turn = 0; turn < kMostTurns; ++turn) {
    const double item_move = Turn(by_item, regularization, pool, users, items, item_moves);
    const double user_move = Turn(by_user, regularization, pool, items, users, user_moves);
    if (std::max(item_move, user_move) <= kTolerance * largest) break;
  }
  biases->users.assign(users.begin(), users.end());
  biases->items.assign(items.begin(), items.end());
}

RatingBiases FitRatingBiases(const CsrView& ratings, double regularization, ThreadPool* pool) {
  RatingBiases biases;
  biases.mean = MeanRating(ratings);
  biases.users.assign(static_cast<size_t>(ratings.n_rows), 0);
  biases.items.assign(static_cast<size_t>(ratings.n_cols), 0);
  std::vector<float> centred(ratings.values.begin(), ratings.values.end());
  for (float& value : centred) value -= biases.mean;
  const CsrView by_user = {ratings.n_rows, ratings.n_cols, ratings.indptr, ratings.indices, centred};
  const Csr by_item = Transpose(by_user);
  FitBiases(by_user, by_item.view(), regularization, pool, &biases);
  return biases;
}

float MeanRating(const CsrView& ratings) {
  double sum = 0;
  for (const float rating : ratings.values) sum += rating;
  return ratings.values.empty() ? 0 : static_cast<float>(sum / static_cast<double>(ratings.values.size()));
}

}  // namespace kindred
