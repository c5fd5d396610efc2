// Why an item has its score for a user: what each item of the history adds to it, and where it would be without.
//
// als     x = A^-1 sum_j w_j y_j, A as in host/ranking/row_system.h, so  score_i = sum_j w_j (y_j . A^-1 y_i)
// ratings with targets t_j = r_j - mean - b_j, q = A^-1 sum_j y_j and s = bias_regularization + sum_j (1 - y_j . q),
//         factors and bias (host/models/explicit_als.h) are linear in t:
//         score_i = mean + b_i + sum_j t_j (y_j . A^-1 y_i + (1 - y_i . q) (1 - y_j . q) / s)
// linear  score_i = base_query . y_i + sum_j w_j (history_factors_j . y_i + S_ji)  (host/models/model.h)
// blend   the weighted sum of its parts'
// popularity, and users without a history: the number of users with the item
//
// Contributions are exact: in exact arithmetic they and the base are the score. They hold for the item factors as they
// are: that the history had its part in these too is not taken off.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "host/ranking/attribute_contributions.h"
#include "host/ranking/ranker.h"

namespace kindred {

/// What a user did: increasing items, and a confidence or rating each.
struct HistoryView {
  std::span<const int32_t> items;
  std::span<const float> values;
};

/// What a score by the expected rating has besides.
struct RatingParts {
  double mean = 0;
  double item_bias = 0;
  double user_bias = 0;  // is in the contributions already
};

/// A score taken apart.
struct ScoreParts {
  double base = 0;                     // what no item of the history adds: of ratings mean + b_i, or the popularity
  std::vector<double> contributions;   // one for each item of the history; none where the score is the popularity
  std::optional<RatingParts> ratings;  // of a model of ratings
  std::optional<double> variance;      // host/ranking/uncertainty.h, where the model has it
};

/// Of each of `items`. Throws kNumeric as RowSystem does. Cost: one RowSystem, and its Parts for each item (twice for
/// variances).
std::vector<ScoreParts> TakeApart(const ModelView& model, const HistoryView& history, std::span<const int32_t> items);

/// One item of the history, in a score.
struct Contribution {
  int32_t item = -1;
  double amount = 0;             // of the score
  double share = 0;              // of the sum of |amount| over the history
  int64_t position_without = 0;  // where the explained item would be
};

struct ItemExplanation {
  int32_t item = -1;
  float score = 0;                          // as lists have it
  int64_t position = 0;                     // 1 is the best of all items that are not in the history
  double base = 0;                          // as ScoreParts has it
  std::vector<Contribution> contributions;  // the largest by |amount|, from there down; then by item
  int64_t n_others = 0;                     // items of the history that are not listed,
  double others = 0;                        // and what they add together
  std::optional<RatingParts> ratings;
  std::optional<double> variance;
  /// Of a model of attributes: the same score from another side, the largest parts of what attributes have in it.
  std::vector<AttributeContribution> attributes;
};

struct ExplainOptions {
  int64_t n_contributions = 5;  // listed for each item, each with its position without; as many attributes
};

/// Explains items that are not in the history. `user` is the one whose stored history it is, whose stored factors are
/// ranked with; -1: it is folded in.
///
/// The position without j is that for the same history but for j, folded in, with j left out of the list all the same.
/// A user whose only item is j would be shown what is popular, so that is where the position is from.
///
/// Throws as Ranker does, kNumeric, and for a model of lists, which go by no history, kUnsupported. Cost: TakeApart,
/// one FoldIn of all histories without an item, and lists of the 1024 best for each of these; longer ones, up to whole,
/// while an item is not among them.
std::vector<ItemExplanation> Explain(Context& context, const Ranker& ranker, const HistoryView& history, int64_t user,
                                     std::span<const int32_t> items, const ExplainOptions& options = {});

/// Something a user did.
struct PastEvent {
  std::string_view type;        // empty where the events have none; a view into the model
  std::optional<int64_t> time;  // unix seconds
};

/// The events of a user with an item, last first. Empty for versions that keep no events. Cost: the user's events.
std::vector<PastEvent> EventsWith(const ModelView& model, int64_t user, int32_t item);

}  // namespace kindred
