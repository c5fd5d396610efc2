// Answers to calls from one model version: who is asked for decides how the answer is made. No gRPC types.
//
//   user in the model                     personal   from the stored factors; of a user without a history these come
//                                                    from attributes, where the model knows any
//   the same, with a history              folded in  from the stored history and the given one together
//   user not in the model, with a history folded in  from the given history
//   neither, or nothing of it is known    popular
//
// Items of the stored and of the given history are left out, or what conditions say in their place
// (serving/eligibility.h). A model without factors answers popular to all, and so
// does one of lists (host/models/popular_lists.h): users of a group that has a list get that, all others the list of
// all users.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "host/ranking/ranker.h"
#include "kernels/backend.h"
#include "kernels/error.h"
#include "serving/eligibility.h"

namespace kindred {

inline constexpr int32_t kDefaultN = 10;
inline constexpr int32_t kMaxN = 1000;
inline constexpr int32_t kMaxBatch = 1024;
inline constexpr int32_t kMaxHistory = 10000;
inline constexpr float kMaxHistoryValue = 1e9f;

struct HistoryEntry {
  std::string_view item_id;
  /// A confidence, in (0, kMaxHistoryValue], unset 1; values of one item add up. For a model of ratings it is the
  /// user's rating, from -kMaxHistoryValue to kMaxHistoryValue and never unset; the last of an item counts, in place of
  /// the stored one.
  std::optional<float> value;
};

/// Views into a request, which must live as long as what is made from it.
struct RecommendQuery {
  std::string_view user_id;  // empty: no user
  std::vector<HistoryEntry> history;
  std::optional<int32_t> n;  // 1 .. kMaxN; unset: kDefaultN
  QueryConditions conditions = {};
  int32_t n_before = 0;             // items on earlier pages of the same list, 0 .. kMaxDepth - 1
  std::string items_checksum = {};  // of these pages' answers; for who compares it
  bool with_cost = false;
};

/// What an answer took (kernels/backend.h).
struct AnswerCost {
  int64_t items = 0;     // of the catalogue
  int64_t eligible = 0;  // of these, by the query's conditions
  int64_t scanned = 0;
  int64_t rescored = 0;
  double seconds = 0;  // in which all queries of a call were answered
};

enum class ServedBy { kPersonal, kFoldedIn, kPopular, kSimilar };

struct ScoredItem {
  std::string_view item_id;  // a view into the model
  float score = 0;
  std::optional<float> probability;  // personal and folded in, where the model has a calibration
};

struct Shortfall {
  int32_t requested = 0;
  int32_t returned = 0;
  std::string reason;
};

struct Recommendation {
  std::vector<ScoredItem> items;  // best first
  ServedBy served_by = ServedBy::kPersonal;
  std::string why;  // why not personal (or similar), or by attributes; empty where it is by a history
  std::optional<Shortfall> shortfall;
  std::vector<std::string_view> unknown_history_items;  // views into the query
  std::optional<AnswerCost> cost;                       // where it was asked for
  std::string items_checksum;                           // of the items that conditions leave (serving/cursor.h)
};

using RecommendOutcome = std::variant<Recommendation, Error>;

/// One outcome a query, the same as if each were asked alone: a bad query (kInvalidArgument, naming the field)
/// does not touch the others. Cost: one TopN over all queries of a kind for which the same items are eligible, and one
/// for each that continues a list, as deep as its page ends. Throws what concerns all of them.
std::vector<RecommendOutcome> RecommendAll(Context& context, const Ranker& ranker,
                                           std::span<const RecommendQuery> queries, const ItemsNow& now = {});

/// One query. Throws kInvalidArgument naming the field, what was found and what was expected.
Recommendation Recommend(Context& context, const Ranker& ranker, const RecommendQuery& query, const ItemsNow& now = {});

/// Items like an item, of those that the filter lets through; empty: all. Throws kInvalidArgument as above, and
/// kNotFound for an item that is not in the model.
Recommendation SimilarItems(Context& context, const Ranker& ranker, std::string_view item_id, std::optional<int32_t> n,
                            std::string_view filter = {}, const ItemsNow& now = {});

/// A list of a model of lists, of all users (no group) or of one group; of other models what most users have in their
/// history; of items that the filter lets through. Throws kInvalidArgument as above, and kNotFound for a group without
/// a list.
Recommendation Popular(Context& context, const Ranker& ranker, std::string_view group, std::optional<int32_t> n,
                       std::string_view filter = {}, const ItemsNow& now = {});

/// Throws kUnsupported naming the first item id that is not UTF-8: the API could not return it.
void CheckServable(const ModelView& model);

}  // namespace kindred
