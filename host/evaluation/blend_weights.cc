#include "host/evaluation/blend_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "host/data/random.h"
#include "host/models/dot.h"
#include "host/ranking/ranker.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr size_t kUsersPerBlock = 1024;
constexpr int64_t kLeastBandUsers = 200;  // for half of them to tell weights apart
constexpr int kHalves = 8;                // whose weights are averaged

/// What a user is to be shown the best of.
struct Pool {
  std::vector<int32_t> items;
  std::vector<uint8_t> is_relevant;
  std::vector<float> scores;  // [items x parts]
  int64_t n_relevant = 0;
  int64_t length = 0;  // of the history
  uint64_t bits = 0;   // by chance: bit b says whether it is in half b
};

void CheckOptions(std::span<const ModelView> parts, const BlendOptions& options) {
  CheckListLength(options.k);
  if (parts.empty()) throw Error(ErrorCode::kInvalidArgument, "blend: there are no parts; expected one or more");
  const auto check = [](const char* name, int64_t value) {
    if (value < 1)
      throw Error(ErrorCode::kInvalidArgument, fmt::format("blend: {} is {}; expected 1 or more", name, value));
  };
  check("n_bands", options.n_bands);
  check("n_candidates", options.n_candidates);
  check("max_users", options.max_users);
}

/// About max_users of those that there is something to learn from, by chance.
std::vector<int32_t> ChooseUsers(const CsrView& history, const Holdout& held_out, const BlendOptions& options) {
  std::vector<int32_t> users;
  const CsrView relevant = held_out.relevant.view();
  for (int64_t user = 0; user < history.n_rows; ++user)
    if (!relevant.row(user).empty() && !history.row(user).empty()) users.push_back(static_cast<int32_t>(user));
  if (users.empty())
    throw Error(ErrorCode::kInvalidArgument,
                "blend: no user has both a history and items to hold out; expected users with 3 items or more");
  const double share = static_cast<double>(options.max_users) / static_cast<double>(users.size());
  std::vector<int32_t> drawn;
  for (const int32_t user : users)
    if (RandomUniform(options.seed, static_cast<uint64_t>(user)) < share) drawn.push_back(user);
  return drawn.empty() ? users : drawn;
}

/// Pools of users, and each part's scores of what is in them.
class PoolMaker {
 public:
  PoolMaker(Backend& backend, std::span<const ModelView> parts, const Holdout& held_out, const BlendOptions& options,
            ThreadPool& pool)
      : backend_(backend), parts_(parts), relevant_(held_out.relevant.view()), options_(options), pool_(pool) {}

  std::vector<Pool> Make(std::span<const int32_t> users) {
    std::vector<Pool> pools(users.size());
    for (size_t u = 0; u < users.size(); ++u) {
      pools[u].n_relevant = std::ssize(relevant_.row(users[u]));
      pools[u].length = std::ssize(parts_[0].history.row(users[u]));
      pools[u].bits = RandomBits(options_.seed + 1, static_cast<uint64_t>(users[u]));
    }
    for (const ModelView& part : parts_) AddCandidates(part, users, pools);
    for (size_t u = 0; u < users.size(); ++u) {
      Pool& pool = pools[u];
      std::sort(pool.items.begin(), pool.items.end());
      pool.items.erase(std::unique(pool.items.begin(), pool.items.end()), pool.items.end());
      const auto relevant = relevant_.row(users[u]);
      for (const int32_t item : pool.items)
        pool.is_relevant.push_back(std::binary_search(relevant.begin(), relevant.end(), item) ? 1 : 0);
      pool.scores.resize(pool.items.size() * parts_.size());
    }
    for (size_t p = 0; p < parts_.size(); ++p) Score(p, users, pools);
    return pools;
  }

 private:
  void AddCandidates(const ModelView& part, std::span<const int32_t> users, std::vector<Pool>& pools) {
    const Ranker ranker(backend_, part, nullptr);
    const auto context = backend_.NewContext();
    for (size_t at = 0; at < users.size(); at += kUsersPerBlock) {
      const auto block = users.subspan(at, std::min(kUsersPerBlock, users.size() - at));
      Exclusions seen;
      Queries queries;
      for (const int32_t user : block) {
        seen.Add(part.history.row(user));
        ranker.AddUser(user, &queries);
      }
      const RankedLists lists = ranker.ByModel(*context, queries, seen, std::max(options_.n_candidates, options_.k));
      for (size_t u = 0; u < block.size(); ++u) {
        const auto items = lists.Items(static_cast<int64_t>(u));
        pools[at + u].items.insert(pools[at + u].items.end(), items.begin(), items.end());
      }
    }
  }

  void Score(size_t p, std::span<const int32_t> users, std::vector<Pool>& pools) {
    const ModelView& part = parts_[p];
    std::vector<std::vector<double>> sums(static_cast<size_t>(pool_.n_threads()));  // zeros between users
    pool_.Run(std::ssize(users), pool_.n_threads(), [&](int64_t u, int worker) {
      Pool& pool = pools[static_cast<size_t>(u)];
      const int32_t user = users[static_cast<size_t>(u)];
      std::vector<double>& sum = sums[static_cast<size_t>(worker)];
      sum.resize(static_cast<size_t>(part.n_items()), 0);
      const auto history = part.has_item_item() ? part.history.row(user) : std::span<const int32_t>();
      for (size_t e = 0; e < history.size(); ++e) {
        const auto others = part.item_item.row(history[e]);
        const auto values = part.item_item.row_values(history[e]);
        const double weight = part.history.row_values(user)[e];
        for (size_t o = 0; o < others.size(); ++o) sum[static_cast<size_t>(others[o])] += weight * values[o];
      }
      const std::span<const float> x = part.user_factors.row(user);
      for (size_t i = 0; i < pool.items.size(); ++i) {
        const int32_t item = pool.items[i];
        const double score = Dot(x, part.item_factors.row(item)) + sum[static_cast<size_t>(item)];
        pool.scores[i * parts_.size() + p] = static_cast<float>(score);
      }
      for (const int32_t item : history)
        for (const int32_t other : part.item_item.row(item)) sum[static_cast<size_t>(other)] = 0;
    });
  }

  Backend& backend_;
  std::span<const ModelView> parts_;
  CsrView relevant_;
  const BlendOptions& options_;
  ThreadPool& pool_;
};

/// Divides the scores of each part by their mean standard deviation within a pool, and returns those.
std::vector<double> Normalize(std::vector<Pool>& pools, size_t n_parts) {
  std::vector<double> scales(n_parts, 0);
  for (size_t p = 0; p < n_parts; ++p) {
    for (const Pool& pool : pools) {
      const auto n = static_cast<double>(pool.items.size());
      double sum = 0, squares = 0;
      for (size_t i = 0; i < pool.items.size(); ++i) sum += pool.scores[i * n_parts + p];
      for (size_t i = 0; i < pool.items.size(); ++i) squares += std::pow(pool.scores[i * n_parts + p] - sum / n, 2);
      scales[p] += n > 0 ? std::sqrt(squares / n) / static_cast<double>(pools.size()) : 0;
    }
    if (!(scales[p] > 0)) scales[p] = 1;
    for (Pool& pool : pools)
      for (size_t i = 0; i < pool.items.size(); ++i)
        pool.scores[i * n_parts + p] = static_cast<float>(pool.scores[i * n_parts + p] / scales[p]);
  }
  return scales;
}

using Weights = std::vector<double>;
using Users = std::vector<const Pool*>;

class Ascent {
 public:
  Ascent(size_t n_parts, int64_t k, ThreadPool& pool) : n_parts_(n_parts), k_(static_cast<size_t>(k)), pool_(pool) {
    for (size_t place = 0; place < k_; ++place) {
      gains_.push_back(1 / std::log2(static_cast<double>(place) + 2));
      ideal_.push_back(gains_.back() + (place > 0 ? ideal_.back() : 0));
    }
  }

  std::vector<double> OfEach(const Users& users, const Weights& weights) const {
    std::vector<double> each(users.size());
    pool_.Run(std::ssize(users), pool_.n_threads(),
              [&](int64_t u, int) { each[static_cast<size_t>(u)] = OfUser(*users[static_cast<size_t>(u)], weights); });
    return each;
  }

  double Ndcg(const Users& users, const Weights& weights) const {
    const std::vector<double> each = OfEach(users, weights);
    return std::accumulate(each.begin(), each.end(), 0.0) / static_cast<double>(std::max<size_t>(users.size(), 1));
  }

  Weights Best(const Users& users, Weights weights) const {
    double best = Ndcg(users, weights);
    for (const double step : {2.0, 1.0, 0.5, 0.25})
      for (size_t p = 0; p < n_parts_; ++p) {
        const double from = weights[p] > 0 ? weights[p] : 1;
        for (const int power : {-3, -2, -1, 1, 2, 3, 99}) {
          Weights tried = weights;
          tried[p] = power == 99 ? 0 : from * std::exp2(step * power);
          if (std::ranges::all_of(tried, [](double w) { return w == 0; })) continue;
          if (const double ndcg = Ndcg(users, tried); ndcg > best) {
            best = ndcg;
            weights = std::move(tried);
          }
        }
      }
    return weights;
  }

  /// The mean of the best weights, of mean 1 each, of some halves of the users: one sample's best is partly its own.
  Weights BestOfHalves(const Users& users, const Weights& start) const {
    Weights mean(n_parts_, 0);
    for (int half = 1; half <= kHalves; ++half) {
      Users chosen;
      for (const Pool* pool : users)
        if ((pool->bits >> half) % 2 == 0) chosen.push_back(pool);
      const Weights best = Best(chosen, start);
      const double sum = std::accumulate(best.begin(), best.end(), 0.0);
      for (size_t p = 0; p < n_parts_; ++p) mean[p] += best[p] / sum * static_cast<double>(n_parts_) / kHalves;
    }
    return mean;
  }

  /// On the line from these weights, of mean 1, to equal ones the last that is no more than a standard error worse.
  Weights TowardsEqual(const Users& users, const Weights& weights) const {
    const std::vector<double> best = OfEach(users, weights);
    const auto n = static_cast<double>(users.size());
    for (int tenths = 10; tenths > 0; --tenths) {
      Weights tried;
      for (const double weight : weights) tried.push_back(weight + (1 - weight) * tenths / 10);
      const std::vector<double> each = OfEach(users, tried);
      double sum = 0, squares = 0;
      for (size_t u = 0; u < each.size(); ++u) {
        sum += best[u] - each[u];
        squares += (best[u] - each[u]) * (best[u] - each[u]);
      }
      const double loss = sum / n, variance = std::max(squares / n - loss * loss, 0.0);
      if (loss <= std::sqrt(variance / n)) return tried;
    }
    return weights;
  }

 private:
  double OfUser(const Pool& pool, const Weights& weights) const {
    std::vector<std::pair<double, size_t>> order;
    order.reserve(pool.items.size());
    for (size_t i = 0; i < pool.items.size(); ++i) {
      double score = 0;
      for (size_t p = 0; p < n_parts_; ++p) score += weights[p] * pool.scores[i * n_parts_ + p];
      order.emplace_back(-score, i);
    }
    const size_t n = std::min(k_, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n), order.end());
    double gained = 0;
    for (size_t place = 0; place < n; ++place) gained += pool.is_relevant[order[place].second] != 0 ? gains_[place] : 0;
    return gained / ideal_[std::min(k_, static_cast<size_t>(pool.n_relevant)) - 1];
  }

  size_t n_parts_, k_;
  ThreadPool& pool_;
  std::vector<double> gains_, ideal_;
};

/// Where bands begin: at quantiles of the lengths, the first at 0.
std::vector<int32_t> BandLengths(const std::vector<Pool>& pools, int64_t n_bands) {
  std::vector<int64_t> lengths;
  for (const Pool& pool : pools) lengths.push_back(pool.length);
  std::sort(lengths.begin(), lengths.end());
  n_bands = std::clamp<int64_t>(std::ssize(lengths) / kLeastBandUsers, 1, n_bands);
  std::vector<int32_t> starts = {0};
  for (int64_t b = 1; b < n_bands; ++b) {
    const auto start =
        static_cast<int32_t>(lengths[lengths.size() * static_cast<size_t>(b) / static_cast<size_t>(n_bands)]);
    if (start > std::max(starts.back(), static_cast<int32_t>(lengths[0]))) starts.push_back(start);
  }
  return starts;
}

/// The band's own weights where they hold beyond the users they were learned on, else `common`.
Weights OfBand(const Ascent& ascent, const Users& users, const Weights& common) {
  Users first, second;
  for (const Pool* pool : users) (pool->bits % 2 == 0 ? first : second).push_back(pool);
  if (std::min(std::ssize(first), std::ssize(second)) < kLeastBandUsers / 4) return common;
  double gain = 0;
  gain += ascent.Ndcg(second, ascent.Best(first, common)) - ascent.Ndcg(second, common);
  gain += ascent.Ndcg(first, ascent.Best(second, common)) - ascent.Ndcg(first, common);
  return gain > 0 ? ascent.BestOfHalves(users, common) : common;
}

}  // namespace

BlendWeights LearnBlendWeights(Backend& backend, std::span<const ModelView> parts, const Holdout& held_out,
                               const BlendOptions& options, ThreadPool& pool) {
  CheckOptions(parts, options);
  const std::vector<int32_t> users = ChooseUsers(parts[0].history, held_out, options);
  std::vector<Pool> pools = PoolMaker(backend, parts, held_out, options, pool).Make(users);
  const std::vector<double> scales = Normalize(pools, parts.size());

  const Ascent ascent(parts.size(), options.k, pool);
  Users all;
  for (const Pool& one : pools) all.push_back(&one);
  BlendWeights found;
  found.report["part_ndcg"] = json::array();
  for (size_t p = 0; p < parts.size(); ++p) {
    Weights alone(parts.size(), 0);
    alone[p] = 1;
    found.report["part_ndcg"].push_back(ascent.Ndcg(all, alone));
  }
  const Weights common = ascent.TowardsEqual(all, ascent.BestOfHalves(all, Weights(parts.size(), 1)));
  found.lengths = BandLengths(pools, options.n_bands);
  found.report["ndcg"] = 0.0;
  for (size_t b = 0; b < found.lengths.size(); ++b) {
    const int64_t end = b + 1 < found.lengths.size() ? found.lengths[b + 1] : INT64_MAX;
    Users of_band;
    for (const Pool& one : pools)
      if (one.length >= found.lengths[b] && one.length < end) of_band.push_back(&one);
    const Weights weights = OfBand(ascent, of_band, common);
    const double ndcg = ascent.Ndcg(of_band, weights);
    found.report["ndcg"] = found.report["ndcg"].get<double>() +
                           ndcg * static_cast<double>(of_band.size()) / static_cast<double>(all.size());
    found.report["bands"].push_back({{"from_length", found.lengths[b]},
                                     {"n_users", of_band.size()},
                                     {"weights", weights},
                                     {"is_own", weights != common},
                                     {"ndcg", ndcg}});
    for (size_t p = 0; p < parts.size(); ++p) found.weights.push_back(static_cast<float>(weights[p] / scales[p]));
  }
  return found;
}

}  // namespace kindred
