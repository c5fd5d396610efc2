#include "host/evaluation/metrics.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace kindred {
namespace {

constexpr int64_t kUsersPerBlock = 4096;

// Sums of one model's metrics over users, and the items it has shown.
class Tally {
 public:
  Tally(int64_t n_items, int64_t k) : k_(k), shown_(static_cast<size_t>(n_items), false) {
    ideal_.push_back(0);
    for (int64_t place = 1; place <= k; ++place) ideal_.push_back(ideal_.back() + Discount(place));
  }

  void Add(std::span<const int32_t> list, std::span<const int32_t> relevant, int64_t n_relevant) {
    int64_t hits = 0;
    double gain = 0, precision_at_hits = 0, reciprocal = 0;
    for (size_t j = 0; j < list.size(); ++j) {
      shown_[static_cast<size_t>(list[j])] = true;
      if (!std::binary_search(relevant.begin(), relevant.end(), list[j])) continue;
      const auto place = static_cast<int64_t>(j) + 1;
      ++hits;
      gain += Discount(place);
      precision_at_hits += static_cast<double>(hits) / static_cast<double>(place);
      if (hits == 1) reciprocal = 1 / static_cast<double>(place);
    }
    const auto capped = static_cast<double>(std::min(k_, n_relevant));
    sums_.recall += static_cast<double>(hits) / static_cast<double>(n_relevant);
    sums_.capped_recall += static_cast<double>(hits) / capped;
    sums_.precision += static_cast<double>(hits) / static_cast<double>(k_);
    sums_.ndcg += gain / ideal_[static_cast<size_t>(std::min(k_, n_relevant))];
    sums_.map += precision_at_hits / capped;
    sums_.mrr += reciprocal;
    sums_.hit_rate += hits > 0 ? 1 : 0;
  }

  Metrics Mean(int64_t n_users) const {
    Metrics mean = sums_;
    const double n = static_cast<double>(std::max<int64_t>(n_users, 1));
    for (double* value :
         {&mean.recall, &mean.capped_recall, &mean.precision, &mean.ndcg, &mean.map, &mean.mrr, &mean.hit_rate})
      *value /= n;
    if (!shown_.empty())
      mean.coverage =
          static_cast<double>(std::count(shown_.begin(), shown_.end(), true)) / static_cast<double>(shown_.size());
    return mean;
  }

 private:
  static double Discount(int64_t place) { return 1 / std::log2(static_cast<double>(place) + 1); }

  int64_t k_;
  std::vector<bool> shown_;
  std::vector<double> ideal_;
  Metrics sums_;
};

int64_t CountCommon(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::count_if(a.begin(), a.end(), [&](int32_t item) { return std::binary_search(b.begin(), b.end(), item); });
}

}  // namespace

void CheckListLength(int64_t k) {
  if (k < 1 || k > kMaxListLength)
    throw Error(ErrorCode::kInvalidArgument,
                "evaluation: k is " + std::to_string(k) + "; expected 1 to " + std::to_string(kMaxListLength));
}

Evaluation Evaluate(const Ranker& ranker, const Holdout& holdout, int64_t k) {
  const ModelView& model = ranker.model();
  CheckListLength(k);
  const int64_t n = std::min(k, model.n_items());
  if (holdout.relevant.n_rows != model.n_users() || holdout.relevant.n_cols != model.n_items() ||
      static_cast<int64_t>(holdout.n_missing_items.size()) != model.n_users())
    throw Error(ErrorCode::kInvalidArgument, "evaluation: the holdout does not have the model's users and items");

  Evaluation result;
  result.k = k;
  result.n_users = result.n_missing_users = holdout.n_missing_users;
  result.n_pairs = result.n_missing_pairs = holdout.n_missing_user_items;
  const CsrView relevant = holdout.relevant.view();
  const auto context = ranker.backend().NewContext();
  Tally model_tally(model.n_items(), k), popularity_tally(model.n_items(), k);
  std::vector<int64_t> users;
  const auto flush = [&] {
    Exclusions excluded;
    std::vector<float> queries;
    for (int64_t user : users) {
      excluded.Add(model.history.row(user));
      if (model.has_factors())
        queries.insert(queries.end(), model.user_factors.row(user).begin(), model.user_factors.row(user).end());
    }
    const auto n_queries = static_cast<int64_t>(users.size());
    const RankedLists popular = ranker.ByPopularity(*context, n_queries, excluded, n);
    const RankedLists lists =
        model.has_factors() ? ranker.ByFactors(*context, {queries.data(), n_queries, model.n_factors()}, excluded, n)
                            : popular;
    for (int64_t q = 0; q < n_queries; ++q) {
      const auto items = relevant.row(users[static_cast<size_t>(q)]);
      const int64_t n_relevant = static_cast<int64_t>(items.size()) +
                                 holdout.n_missing_items[static_cast<size_t>(users[static_cast<size_t>(q)])];
      const bool cold = model.history.row(users[static_cast<size_t>(q)]).empty();
      model_tally.Add(cold ? popular.Items(q) : lists.Items(q), items, n_relevant);
      popularity_tally.Add(popular.Items(q), items, n_relevant);
    }
    users.clear();
  };
  for (int64_t user = 0; user < model.n_users(); ++user) {
    const auto items = relevant.row(user);
    const int64_t n_missing = holdout.n_missing_items[static_cast<size_t>(user)];
    if (items.empty() && n_missing == 0) continue;
    ++result.n_users;
    result.n_pairs += static_cast<int64_t>(items.size()) + n_missing;
    result.n_missing_pairs += n_missing;
    result.n_cold_users += model.history.row(user).empty() ? 1 : 0;
    result.n_seen_pairs += CountCommon(items, model.history.row(user));
    users.push_back(user);
    if (static_cast<int64_t>(users.size()) == kUsersPerBlock) flush();
  }
  if (!users.empty()) flush();
  result.model = model_tally.Mean(result.n_users);
  result.popularity = popularity_tally.Mean(result.n_users);
  return result;
}

nlohmann::json MetricsJson(const Evaluation& evaluation) {
  const std::string at_k = "_at_" + std::to_string(evaluation.k);
  const std::pair<std::string, double Metrics::*> columns[] = {
      {"recall" + at_k, &Metrics::recall},     {"capped_recall" + at_k, &Metrics::capped_recall},
      {"ndcg" + at_k, &Metrics::ndcg},         {"precision" + at_k, &Metrics::precision},
      {"map" + at_k, &Metrics::map},           {"mrr", &Metrics::mrr},
      {"hit_rate" + at_k, &Metrics::hit_rate}, {"coverage" + at_k, &Metrics::coverage},
  };
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, member] : columns) {
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
