#include "host/ranking/explanation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "host/models/dot.h"
#include "host/ranking/row_system.h"
#include "host/ranking/uncertainty.h"

namespace kindred {
namespace {

constexpr int64_t kFirstPlaces = 1024, kMorePlaces = 32;  // lists are that much longer each time
constexpr int64_t kPlacesAtOnce = int64_t{1} << 22;       // of all lists together

bool IsByPopularity(const ModelView& model, const HistoryView& history) {
  return !model.has_factors() || history.items.empty();
}

ScoreParts OfPopularity(const ModelView& model, int32_t item) {
  ScoreParts parts;
  parts.base = model.popularity[static_cast<size_t>(item)];
  return parts;
}

/// S_ji
double Entry(const CsrView& item_item, int32_t j, int32_t i) {
  const std::span<const int32_t> others = item_item.row(j);
  const auto found = std::ranges::lower_bound(others, i);
  return found != others.end() && *found == i ? item_item.row_values(j)[static_cast<size_t>(found - others.begin())]
                                              : 0;
}

ScoreParts OfLinear(const ModelView& model, const HistoryView& history, int32_t item) {
  ScoreParts parts;
  const std::span<const float> y = model.item_factors.row(item);
  if (!model.base_query.empty()) parts.base = Dot(model.base_query, y);
  for (size_t j = 0; j < history.items.size(); ++j) {
    double amount = model.has_item_item() ? Entry(model.item_item, history.items[j], item) : 0;
    if (model.history_factors.n_rows > 0) amount += Dot(model.history_factors.row(history.items[j]), y);
    parts.contributions.push_back(history.values[j] * amount);
  }
  return parts;
}

std::vector<ScoreParts> OfBlend(const ModelView& model, const HistoryView& history, std::span<const int32_t> items) {
  std::vector<ScoreParts> all(items.size());
  for (ScoreParts& one : all) one.contributions.resize(history.items.size());
  const std::span<const float> weights = model.WeightsFor(std::ssize(history.items));
  for (size_t p = 0; p < model.parts.size(); ++p) {
    if (weights[p] == 0) continue;
    const std::vector<ScoreParts> of_part = TakeApart(model.parts[p], history, items);
    for (size_t i = 0; i < items.size(); ++i) {
      all[i].base += weights[p] * of_part[i].base;
      for (size_t j = 0; j < history.items.size(); ++j)
        all[i].contributions[j] += weights[p] * of_part[i].contributions[j];
    }
  }
  return all;
}

/// What is left of each rating, and how it reaches the user's bias.
class RatedHistory {
 public:
  RatedHistory(const ModelView& model, const HistoryView& history, const RowSystem& system)
      : model_(model), constant_(system.Solve(std::vector<double>(history.items.size(), 1.0))) {
    double below = model.objective.bias_regularization;
    for (size_t j = 0; j < history.items.size(); ++j) {
      const int32_t item = history.items[j];
      targets_.push_back(double{history.values[j]} - model.rating_mean - model.item_biases[item]);
      unexplained_.push_back(Unexplained(item));
      below += unexplained_.back();
    }
    if (below > 1e-6 * static_cast<double>(history.items.size())) to_bias_ = 1 / below;  // as SolveRatingUsers
  }

  /// `parts` are those of the system, for y_i.
  ScoreParts Score(int32_t item, std::vector<double> parts) const {
    ScoreParts result;
    result.ratings = {model_.rating_mean, model_.item_biases[item], 0};
    result.base = result.ratings->mean + result.ratings->item_bias;
    const double unexplained = Unexplained(item);
    for (size_t j = 0; j < parts.size(); ++j) {
      const double to_bias = targets_[j] * unexplained_[j] * to_bias_;
      result.ratings->user_bias += to_bias;
      parts[j] = targets_[j] * parts[j] + unexplained * to_bias;
    }
    result.contributions = std::move(parts);
    return result;
  }

 private:
  /// 1 - y . q
  double Unexplained(int32_t item) const { return 1 - Dot(model_.item_factors.row(item), constant_); }

  const ModelView& model_;
  std::vector<double> constant_;  // q
  std::vector<double> targets_, unexplained_;
  double to_bias_ = 0;
};

std::vector<ScoreParts> OfAls(const ModelView& model, const HistoryView& history, std::span<const int32_t> items) {
  const RowSystem system(model, history.items, history.values);
  std::optional<RatedHistory> rated;
  if (model.has_ratings()) rated.emplace(model, history, system);
  std::vector<ScoreParts> all;
  for (const int32_t item : items) {
    std::vector<double> parts = system.Parts(model.item_factors.row(item));
    if (rated) {
      all.push_back(rated->Score(item, std::move(parts)));
      continue;
    }
    all.emplace_back().contributions = std::move(parts);
    if (model.noise_variance) all.back().variance = *model.noise_variance * system.Square(model.item_factors.row(item));
  }
  return all;
}

/// The place of an item in the list of a query.
struct Place {
  int64_t query = 0;
  int32_t item = -1;
  int64_t position = 0;  // not found yet
  float score = 0;
};

/// Fills places from lists of queries: rank(queries, n) makes them.
template <class Rank>
void FindPlaces(int64_t n_items, const Rank& rank, std::vector<Place>& places) {
  for (int64_t n = std::min(kFirstPlaces, n_items);; n = std::min(n * kMorePlaces, n_items)) {
    std::vector<int64_t> queries;
    for (const Place& place : places)
      if (place.position == 0) queries.push_back(place.query);
    std::sort(queries.begin(), queries.end());
    queries.erase(std::unique(queries.begin(), queries.end()), queries.end());
    const auto at_once = static_cast<size_t>(std::max<int64_t>(1, kPlacesAtOnce / std::max<int64_t>(n, 1)));
    for (size_t first = 0; first < queries.size(); first += at_once) {
      const auto block = std::span(queries).subspan(first, std::min(at_once, queries.size() - first));
      const RankedLists lists = rank(block, n);
      for (Place& place : places) {
        const auto row = std::lower_bound(block.begin(), block.end(), place.query) - block.begin();
        if (place.position != 0 || row == std::ssize(block) || block[static_cast<size_t>(row)] != place.query) continue;
        const auto list = lists.Items(row);
        const auto found = std::find(list.begin(), list.end(), place.item) - list.begin();
        if (found == std::ssize(list)) continue;
        place.position = found + 1;
        place.score = lists.Scores(row)[static_cast<size_t>(found)];
      }
    }
    if (n == n_items || queries.empty()) return;
  }
}

/// The history, without each of `left_out` (places in it) in turn, and before these whole if `whole`.
struct Histories {
  Histories(const HistoryView& history, bool whole, std::span<const size_t> left_out) {
    if (whole) Add(history, history.items.size());
    for (const size_t j : left_out) Add(history, j);
  }

  void Add(const HistoryView& history, size_t without) {
    for (size_t j = 0; j < history.items.size(); ++j) {
      if (j == without) continue;
      items.push_back(history.items[j]);
      values.push_back(history.values[j]);
    }
    indptr.push_back(std::ssize(items));
  }

  std::vector<int64_t> indptr = {0};
  std::vector<int32_t> items;
  std::vector<float> values;
};

class Explaining {
 public:
  Explaining(Context& context, const Ranker& ranker, const HistoryView& history, int64_t user)
      : context_(context),
        ranker_(ranker),
        model_(ranker.model()),
        history_(history),
        user_(user),
        is_known_by_attributes_(history.items.empty() && user >= 0 && model_.Knows(user)),
        is_by_popularity_(IsByPopularity(model_, history) && !is_known_by_attributes_) {}

  std::vector<ItemExplanation> Run(std::span<const int32_t> items, int64_t n_contributions) {
    std::vector<ItemExplanation> explained;
    for (const ScoreParts& parts : AllParts(items)) {
      explained.push_back(Summarize(parts, n_contributions));
      explained.back().item = items[explained.size() - 1];
    }
    CollectLeftOut(explained);
    if (!is_by_popularity_) queries_ = AllQueries();
    if (!model_.item_attributes.empty() || !model_.user_attributes.empty()) AddAttributes(explained, n_contributions);
    std::vector<Place> places;
    for (const ItemExplanation& one : explained) places.push_back({.query = 0, .item = one.item});
    for (const ItemExplanation& one : explained)
      for (const Contribution& by : one.contributions)
        places.push_back({.query = QueryWithout(by.item), .item = one.item});
    Locate(places, explained.size());
    for (size_t i = 0; i < explained.size(); ++i) {
      explained[i].position = places[i].position;
      explained[i].score = places[i].score;
    }
    auto place = places.begin() + std::ssize(explained);
    for (ItemExplanation& one : explained)
      for (Contribution& by : one.contributions) by.position_without = place++->position;
    return explained;
  }

 private:
  std::vector<ScoreParts> AllParts(std::span<const int32_t> items) const {
    if (!is_known_by_attributes_) return TakeApart(model_, history_, items);
    std::vector<ScoreParts> all;
    for (const int32_t item : items)
      all.emplace_back().base = Dot(model_.user_factors.row(user_), model_.item_factors.row(item));
    return all;
  }

  void AddAttributes(std::vector<ItemExplanation>& explained, int64_t n) const {
    if (user_ < 0 && history_.items.empty()) return;
    for (ItemExplanation& one : explained)
      one.attributes = user_ < 0 ? ExplainByAttributes(model_, queries_.Factors(0), one.item, n)
                                 : ExplainByAttributes(model_, user_, one.item, n);
  }

  ItemExplanation Summarize(const ScoreParts& parts, int64_t n_contributions) const {
    ItemExplanation result;
    result.base = parts.base;
    result.ratings = parts.ratings;
    result.variance = parts.variance;
    const std::vector<double>& amounts = parts.contributions;
    std::vector<size_t> order(amounts.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const auto n = static_cast<size_t>(std::clamp<int64_t>(n_contributions, 0, std::ssize(order)));
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n), order.end(),
                      [&](size_t a, size_t b) {
                        const double x = std::abs(amounts[a]), y = std::abs(amounts[b]);
                        return x != y ? x > y : a < b;
                      });
    double all = 0;
    for (const double amount : amounts) all += std::abs(amount);
    for (size_t at = 0; at < order.size(); ++at) {
      const size_t j = order[at];
      if (at < n)
        result.contributions.push_back({history_.items[j], amounts[j], all > 0 ? amounts[j] / all : 0});
      else
        result.others += amounts[j];
    }
    result.n_others = std::ssize(order) - static_cast<int64_t>(n);
    return result;
  }

  void CollectLeftOut(const std::vector<ItemExplanation>& explained) {
    std::vector<int32_t> items;
    for (const ItemExplanation& one : explained)
      for (const Contribution& by : one.contributions) items.push_back(by.item);
    std::sort(items.begin(), items.end());
    items.erase(std::unique(items.begin(), items.end()), items.end());
    for (const int32_t item : items)
      left_out_.push_back(static_cast<size_t>(std::lower_bound(history_.items.begin(), history_.items.end(), item) -
                                              history_.items.begin()));
  }

  /// Query 0 is that of the whole history; then those without an item.
  int64_t QueryWithout(int32_t item) const {
    const auto found =
        std::find_if(left_out_.begin(), left_out_.end(), [&](size_t j) { return history_.items[j] == item; });
    return 1 + (found - left_out_.begin());
  }

  Exclusions Excluded(size_t n_queries) const {
    Exclusions excluded;
    for (size_t q = 0; q < n_queries; ++q) excluded.Add(history_.items);
    return excluded;
  }

  auto Popular() const {
    return [this](std::span<const int64_t> queries, int64_t n) {
      return ranker_.ByPopularity(context_, std::ssize(queries), Excluded(queries.size()), n);
    };
  }

  auto ByModel() const {
    return [this](std::span<const int64_t> queries, int64_t n) {
      Queries asked;
      for (const int64_t query : queries) asked.Add(queries_, query);
      return ranker_.ByModel(context_, asked, Excluded(queries.size()), n);
    };
  }

  /// Without its only item a history has no query.
  Queries AllQueries() const {
    Queries queries;
    if (user_ >= 0) ranker_.AddUser(user_, &queries);
    const Histories histories(history_, user_ < 0,
                              history_.items.size() == 1 ? std::span<const size_t>() : std::span(left_out_));
    const int64_t n_rows = std::ssize(histories.indptr) - 1;
    if (n_rows == 0) return queries;
    const Queries folded =
        ranker_.FoldIn(context_, {n_rows, model_.n_items(), histories.indptr, histories.items, histories.values});
    for (int64_t row = 0; row < n_rows; ++row) queries.Add(folded, row);
    return queries;
  }

  void Locate(std::vector<Place>& places, size_t n_explained) {
    if (is_by_popularity_) return FindPlaces(model_.n_items(), Popular(), places);
    if (history_.items.size() != 1) return FindPlaces(model_.n_items(), ByModel(), places);
    std::vector<Place> without(places.begin() + static_cast<std::ptrdiff_t>(n_explained), places.end());
    places.resize(n_explained);
    FindPlaces(model_.n_items(), ByModel(), places);
    FindPlaces(model_.n_items(), Popular(), without);
    places.insert(places.end(), without.begin(), without.end());
  }

  Context& context_;
  const Ranker& ranker_;
  const ModelView& model_;
  const HistoryView history_;
  const int64_t user_;
  const bool is_known_by_attributes_;  // a user without a history is answered all the same
  const bool is_by_popularity_;
  std::vector<size_t> left_out_;  // places in the history, increasing
  Queries queries_;               // places' queries, where lists are by the model
};

}  // namespace

std::vector<ScoreParts> TakeApart(const ModelView& model, const HistoryView& history, std::span<const int32_t> items) {
  std::vector<ScoreParts> all;
  if (items.empty()) return all;
  if (!IsByPopularity(model, history) && !model.parts.empty()) return OfBlend(model, history, items);
  if (!IsByPopularity(model, history) && !model.eigenvalues.empty()) return OfAls(model, history, items);
  for (const int32_t item : items)
    all.push_back(IsByPopularity(model, history) ? OfPopularity(model, item) : OfLinear(model, history, item));
  return all;
}

std::vector<ItemExplanation> Explain(Context& context, const Ranker& ranker, const HistoryView& history, int64_t user,
                                     std::span<const int32_t> items, const ExplainOptions& options) {
  if (ranker.model().has_lists())
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("explain: the model's lists ('{}') go by no history; a recommendation says which list it is",
                    ranker.model().algorithm));
  if (items.empty()) return {};
  return Explaining(context, ranker, history, user).Run(items, options.n_contributions);
}

std::vector<PastEvent> EventsWith(const ModelView& model, int64_t user, int32_t item) {
  const EventsView& events = model.events;
  std::vector<PastEvent> found;
  if (events.indptr.empty()) return found;
  for (int64_t e = events.indptr[user + 1]; e-- > events.indptr[user];) {
    if (events.items[e] != item) continue;
    PastEvent& event = found.emplace_back();
    if (!events.types.empty()) event.type = events.type_names[events.types[e]];
    if (!events.times.empty()) event.time = events.times[e];
  }
  return found;
}

}  // namespace kindred
