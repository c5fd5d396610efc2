#include "host/evaluation/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "host/data/random.h"
#include "host/data_report/distribution.h"
#include "host/ranking/user_lists.h"

namespace kindred {
namespace {

constexpr int64_t kUsersPerBlock = 4096;
constexpr int64_t kUsersPerTask = 64;
constexpr uint64_t kSampleSeed = 0x5c0e, kPartSeed = 0xca1b;  // who is among the scored pairs, and in which part

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double Ratio(double of, double by) {
  return by > 0 ? of / by : kNone;
}

// Sums of one recommender's metrics over users, and the items it has shown, in the order of the users.
class Tally {
 public:
  Tally(int64_t n_items, UserTable& table) : table_(table) {
    table_.n_shown.assign(static_cast<size_t>(n_items), 0);
    table_.n_hits.assign(static_cast<size_t>(n_items), 0);
  }

  void Add(std::span<const int32_t> list, std::span<const int32_t> relevant, const UserMetrics& metrics,
           double history_popularity) {
    for (size_t m = 0; m < kNumberOfUserMetrics; ++m) {
      table_.metrics.push_back(static_cast<float>(metrics[m]));
      if (std::isnan(metrics[m])) continue;
      sums_[m] += metrics[m];
      ++n_[m];
    }
    if (!std::isnan(history_popularity) && !std::isnan(metrics[kListPopularity])) {
      list_popularity_ += metrics[kListPopularity];
      history_popularity_ += history_popularity;
    }
    for (const int32_t item : list) {
      ++table_.n_shown[static_cast<size_t>(item)];
      table_.n_hits[static_cast<size_t>(item)] += std::binary_search(relevant.begin(), relevant.end(), item) ? 1 : 0;
    }
  }

  /// Of `n_users`: hits are means over all of them, those the model lacks among them.
  Metrics Result(int64_t n_users) const {
    const auto n = static_cast<double>(std::max<int64_t>(n_users, 1));
    Metrics result;
    double* const of_hits[] = {&result.recall, &result.capped_recall, &result.precision, &result.ndcg,
                               &result.map,    &result.mrr,           &result.hit_rate};
    for (size_t m = 0; m < kNumberOfHitMetrics; ++m) *of_hits[m] = sums_[m] / n;
    result.novelty = Ratio(sums_[kNovelty], n_[kNovelty]);
    result.diversity = Ratio(sums_[kDiversity], n_[kDiversity]);
    result.popularity_lift = Ratio(list_popularity_, history_popularity_);
    const std::vector<int64_t>& shown = table_.n_shown;
    if (shown.empty()) return result;
    const auto n_never = std::count(shown.begin(), shown.end(), 0);
    result.coverage = 1 - static_cast<double>(n_never) / static_cast<double>(shown.size());
    result.exposure_gini = Distribution(shown).Gini();
    return result;
  }

 private:
  UserTable& table_;
  UserMetrics sums_ = {};
  std::array<double, kNumberOfUserMetrics> n_ = {};
  double list_popularity_ = 0, history_popularity_ = 0;
};

int64_t CountCommon(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::count_if(a.begin(), a.end(), [&](int32_t item) { return std::binary_search(b.begin(), b.end(), item); });
}

class Evaluating {
 public:
  Evaluating(const Ranker& ranker, const Holdout& holdout, int64_t k, const EvaluationOptions& options)
      : ranker_(ranker),
        model_(ranker.model()),
        holdout_(holdout),
        relevant_(holdout.relevant.view()),
        pool_(options.pool),
        before_block_(options.before_block),
        n_(std::min(k, model_.n_items())),
        context_(ranker.backend().NewContext()),
        meter_(model_, options.item_features, k),
        of_model_(model_.n_items(), result_.of_model),
        of_popularity_(model_.n_items(), result_.of_popularity) {
    result_.k = k;
  }

  Evaluation Run() {
    CountUsers();
    const std::span<const int32_t> users = result_.users;
    for (size_t at = 0; at < users.size(); at += kUsersPerBlock)
      Block(users.subspan(at, std::min<size_t>(kUsersPerBlock, users.size() - at)));
    result_.model = of_model_.Result(result_.n_users);
    result_.popularity = of_popularity_.Result(result_.n_users);
    return std::move(result_);
  }

 private:
  void CountUsers() {
    result_.n_missing_users = holdout_.n_missing_users;
    result_.n_pairs = result_.n_missing_pairs = holdout_.n_missing_user_items;
    for (int64_t user = 0; user < model_.n_users(); ++user) {
      const auto items = relevant_.row(user);
      const int64_t n_missing = holdout_.n_missing_items[static_cast<size_t>(user)];
      if (items.empty() && n_missing == 0) continue;
      result_.users.push_back(static_cast<int32_t>(user));
      result_.n_relevant.push_back(static_cast<int64_t>(items.size()) + n_missing);
      result_.n_pairs += result_.n_relevant.back();
      result_.n_missing_pairs += n_missing;
      result_.n_cold_users += model_.history.row(user).empty() ? 1 : 0;
      result_.n_seen_pairs += CountCommon(items, model_.history.row(user));
    }
    const auto n_known = static_cast<int64_t>(result_.users.size());
    result_.n_users = holdout_.n_missing_users + n_known;
    const double n_scored = static_cast<double>(n_known) * static_cast<double>(n_);
    part_scored_ = model_.has_factors() ? kMostScoredPairs / std::max<double>(n_scored, 1) : 0;
  }

  /// Ranks for these users, measures their lists on all threads, and sums up in order.
  void Block(std::span<const int32_t> users) {
    if (before_block_) before_block_();
    Exclusions excluded;
    for (const int32_t user : users) excluded.Add(model_.history.row(user));
    const auto n_queries = static_cast<int64_t>(users.size());
    const RankedLists popular = ranker_.ByPopularity(*context_, n_queries, excluded, n_);
    std::vector<int32_t> by_factors;  // of these users the model's list is another one
    std::vector<int64_t> places(users.size(), -1);
    for (size_t at = 0; at < users.size(); ++at) {
      if (!IsRankedByFactors(model_, users[at])) continue;
      places[at] = std::ssize(by_factors);
      by_factors.push_back(users[at]);
    }
    const RankedLists ranked = RankUsers(*context_, ranker_, by_factors, {.n = n_});
    const auto list_of = [&](int64_t q) {
      const int64_t place = places[static_cast<size_t>(q)];
      return place < 0 ? std::pair(popular.Items(q), popular.Scores(q))
                       : std::pair(ranked.Items(place), ranked.Scores(place));
    };

    const size_t first = result_.history_popularity.size();
    std::vector<UserMetrics> by_model(users.size()), by_popularity(users.size());
    result_.history_popularity.resize(first + users.size());
    Share(n_queries, [&](int64_t q) {
      const auto at = static_cast<size_t>(q);
      const auto items = relevant_.row(users[at]);
      by_model[at] = meter_.Measure(list_of(q).first, items, result_.n_relevant[first + at]);
      by_popularity[at] = meter_.Measure(popular.Items(q), items, result_.n_relevant[first + at]);
      result_.history_popularity[first + at] = static_cast<float>(meter_.MeanPopularity(model_.history.row(users[at])));
    });
    for (int64_t q = 0; q < n_queries; ++q) {
      const auto at = static_cast<size_t>(q);
      const auto items = relevant_.row(users[at]);
      const auto& [list, scores] = list_of(q);
      of_model_.Add(list, items, by_model[at], result_.history_popularity[first + at]);
      of_popularity_.Add(popular.Items(q), items, by_popularity[at], result_.history_popularity[first + at]);
      Keep(users[at], list, scores);
    }
  }

  void Keep(int32_t user, std::span<const int32_t> list, std::span<const float> scores) {
    const auto counter = static_cast<uint64_t>(user);
    if (RandomUniform(kSampleSeed, counter) >= part_scored_ || !model_.Knows(user)) return;
    ScoredPairs& pairs = RandomUniform(kPartSeed, counter) < 0.5 ? result_.learning : result_.measuring;
    const auto items = relevant_.row(user);
    for (size_t j = 0; j < list.size(); ++j) {
      pairs.scores.push_back(scores[j]);
      pairs.hits.push_back(std::binary_search(items.begin(), items.end(), list[j]) ? 1 : 0);
    }
  }

  template <class Body>
  void Share(int64_t n, const Body& body) const {
    const auto task = [&](int64_t t, int) {
      for (int64_t q = t * kUsersPerTask; q < std::min(n, (t + 1) * kUsersPerTask); ++q) body(q);
    };
    const int64_t n_tasks = (n + kUsersPerTask - 1) / kUsersPerTask;
    if (pool_ != nullptr) return pool_->Run(n_tasks, pool_->n_threads(), task);
    for (int64_t t = 0; t < n_tasks; ++t) task(t, 0);
  }

  const Ranker& ranker_;
  const ModelView& model_;
  const Holdout& holdout_;
  const CsrView relevant_;
  ThreadPool* const pool_;
  const std::function<void()> before_block_;
  const int64_t n_;
  double part_scored_ = 0;
  std::unique_ptr<Context> context_;
  ListMeter meter_;
  Evaluation result_;
  Tally of_model_, of_popularity_;
};

}  // namespace

Holdout BeginHoldout(int64_t n_users, int64_t n_items) {
  Holdout holdout;
  holdout.relevant.n_rows = n_users;
  holdout.relevant.n_cols = n_items;
  holdout.n_missing_items.assign(static_cast<size_t>(n_users), 0);
  return holdout;
}

void CheckListLength(int64_t k) {
  if (k < 1 || k > kMaxListLength)
    throw Error(ErrorCode::kInvalidArgument,
                "evaluation: k is " + std::to_string(k) + "; expected 1 to " + std::to_string(kMaxListLength));
}

Evaluation Evaluate(const Ranker& ranker, const Holdout& holdout, int64_t k, const EvaluationOptions& options) {
  const ModelView& model = ranker.model();
  CheckListLength(k);
  if (holdout.relevant.n_rows != model.n_users() || holdout.relevant.n_cols != model.n_items() ||
      static_cast<int64_t>(holdout.n_missing_items.size()) != model.n_users())
    throw Error(ErrorCode::kInvalidArgument, "evaluation: the holdout does not have the model's users and items");
  if (options.item_features.n_cols > 0 && options.item_features.n_rows != model.n_items())
    throw Error(ErrorCode::kInvalidArgument, "evaluation: the items' features are not of the model's items");
  return Evaluating(ranker, holdout, k, options).Run();
}

nlohmann::json MetricsJson(const Evaluation& evaluation) {
  const std::string at_k = "_at_" + std::to_string(evaluation.k);
  const std::pair<std::string, double Metrics::*> columns[] = {
      {"recall" + at_k, &Metrics::recall},
      {"capped_recall" + at_k, &Metrics::capped_recall},
      {"ndcg" + at_k, &Metrics::ndcg},
      {"precision" + at_k, &Metrics::precision},
      {"map" + at_k, &Metrics::map},
      {"mrr", &Metrics::mrr},
      {"hit_rate" + at_k, &Metrics::hit_rate},
      {"coverage" + at_k, &Metrics::coverage},
      {"novelty" + at_k, &Metrics::novelty},
      {"diversity" + at_k, &Metrics::diversity},
      {"popularity_lift" + at_k, &Metrics::popularity_lift},
      {"exposure_gini" + at_k, &Metrics::exposure_gini},
  };
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, member] : columns) {
    if (std::isnan(evaluation.model.*member) || std::isnan(evaluation.popularity.*member)) continue;
    json[name] = evaluation.model.*member;
    json["popularity_" + name] = evaluation.popularity.*member;
  }
  return json;
}

nlohmann::json HoldoutJson(const Evaluation& evaluation) {
  return {{"n_users", evaluation.n_users},
          {"n_pairs", evaluation.n_pairs},
          {"n_cold_users", evaluation.n_cold_users},
          {"n_missing_users", evaluation.n_missing_users},
          {"n_missing_pairs", evaluation.n_missing_pairs},
          {"n_seen_pairs", evaluation.n_seen_pairs}};
}

}  // namespace kindred
