// Users of a model, ranked: those for whom an item scores best, and those who are like a user.
//
// A score is symmetric: over the users' queries as the catalogue, with the item's factors as the query and its column
// of S as the history, Top-N adds up the same products in the same order as Ranker::ByModel does,
//
//   y_i . x_u  +  sum over the items j with an S_ji, in increasing j, that u's history has:  S_ji w_j
//
// so an item has the same score, bit for bit, in both directions, for every kind of model and of a blend.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "host/data/interactions.h"
#include "host/ranking/catalogue.h"
#include "host/ranking/folding.h"

namespace kindred {

class Ranker;

/// Thread-safe. Memory, from the first question of either kind on: for items the users' factors once more, of ratings
/// and blends twice, and with an item-item part the history once more; for similar users the factors twice, or the
/// history.
class UserRanking {
 public:
  /// Of the users of the ranker's model, which outlives it.
  explicit UserRanking(const Ranker& ranker);

  /// Whether items score differently with each user: not where lists, or popularity, rank them.
  bool ranks_by_items() const;
  /// Users are alike by the cosine of their factors, or, where the model has an item-item part, parts, or no factors
  /// that tell users apart, by the cosine of their histories.
  bool compares_histories() const { return compares_histories_; }
  /// Whether a user has what is compared.
  bool Compares(int64_t user) const;

  /// The n users for whom each of the items scores best, of those whom the model itself answers (ModelView::Knows); by
  /// default without those who have the item in their history. Needs ranks_by_items. Cost: one TopN over the users,
  /// and a search in each user's history an item.
  RankedLists ForItems(Context& context, std::span<const int32_t> items, int64_t n,
                       bool with_those_who_have_it = false) const;
  /// The n users most like each of the users, without these themselves. Where histories are compared, without those who
  /// have nothing in common with them. Users whom Compares leaves out are like nobody.
  RankedLists Similar(Context& context, std::span<const int32_t> users, int64_t n) const;

 private:
  struct ByScore {
    std::once_flag once;
    Queries queries;  // of all users, where these are not the model's factors and history
    Csr histories;    // rows of the item-item matrix x users
    Catalogue users;
    std::shared_ptr<const ItemBits> known;
  };
  struct ByCosine {
    std::once_flag once;
    std::vector<float> normalized;  // a user's row: factors, or what the history has
    std::vector<float> zeros;       // factors where histories are compared
    Csr histories;                  // items x users
    Catalogue users;
    std::shared_ptr<const ItemBits> compared;
  };

  void MakeByScore() const;
  void MakeByCosine() const;
  /// The users for whom it holds.
  template <class Holds>
  std::shared_ptr<const ItemBits> BitsOf(const Holds& holds) const;

  const Ranker& ranker_;
  const bool compares_histories_;
  const std::unique_ptr<ByScore> by_score_;
  const std::unique_ptr<ByCosine> by_cosine_;
};

}  // namespace kindred
