#include "host/evaluation/uncertainty_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "host/data/interactions.h"
#include "host/data/random.h"
#include "host/ranking/uncertainty.h"

namespace kindred {
namespace {

constexpr int64_t kUsersPerBlock = 1024;
constexpr int64_t kItemsOfAKind = 20;
constexpr uint64_t kSampleSeed = 0x0c4e, kPartSeed = 0x5a1f, kItemSeed = 0x17e5;
constexpr std::array<double, 3> kHalfWidths = {0.674489750196082, 1.281551565544600, 1.959963984540054};
constexpr double kLeastNews = 1e-9;  // of the variance before: what is below is rounding

enum Kind { kRecommended, kRandom, kHeldOut, kKinds };
constexpr const char* kKindNames[kKinds] = {"recommended", "random", "held_out"};

struct Move {
  double by = 0;
  double variance = 0;  // of unit noise
};

bool Has(std::span<const int32_t> increasing, int32_t item) {
  return std::binary_search(increasing.begin(), increasing.end(), item);
}

class Checking {
 public:
  Checking(const Ranker& ranker, const CsrView& held_out, ThreadPool* pool)
      : ranker_(ranker),
        model_(ranker.model()),
        held_out_(held_out),
        pool_(pool),
        context_(ranker.backend().NewContext()) {}

  UncertaintyCheck Run(const std::function<void()>& before_block) {
    const std::vector<int32_t> users = Users();
    UncertaintyCheck check;
    for (const int32_t user : users) ++(IsLearning(user) ? check.n_learning : check.n_measuring);
    if (std::min(check.n_learning, check.n_measuring) < kLeastCheckedUsers) {
      check.absent = fmt::format(
          "{} and {} users have a history and something held out: at least {} in either half "
          "are needed",
          check.n_learning, check.n_measuring, kLeastCheckedUsers);
      return check;
    }
    for (size_t at = 0; at < users.size(); at += kUsersPerBlock) {
      if (before_block) before_block();
      Block(std::span(users).subspan(at, std::min<size_t>(kUsersPerBlock, users.size() - at)));
    }
    double sum = 0;
    for (const Move& move : learning_) sum += move.by * move.by / move.variance;
    check.noise_variance = sum / static_cast<double>(std::max<size_t>(learning_.size(), 1));
    if (!(check.noise_variance > 0) || !std::isfinite(check.noise_variance)) {
      check.absent = "no score of a recommended item moves once what was held out is known";
      return check;
    }
    for (int kind = 0; kind < kKinds; ++kind) Measure(static_cast<Kind>(kind), check);
    return check;
  }

 private:
  static bool IsLearning(int32_t user) { return RandomUniform(kPartSeed, static_cast<uint64_t>(user)) < 0.5; }

  /// Held-out items that are not in the history too.
  std::vector<int32_t> News(int64_t user) const {
    std::vector<int32_t> news;
    for (const int32_t item : held_out_.row(user))
      if (!Has(model_.history.row(user), item)) news.push_back(item);
    return news;
  }

  std::vector<int32_t> Users() const {
    std::vector<int32_t> users;
    for (int64_t user = 0; user < model_.n_users(); ++user)
      if (!model_.history.row(user).empty() && !News(user).empty()) users.push_back(static_cast<int32_t>(user));
    const double part = kMostCheckedUsers / std::max<double>(static_cast<double>(users.size()), 1);
    std::erase_if(users, [&](int32_t user) { return RandomUniform(kSampleSeed, static_cast<uint64_t>(user)) >= part; });
    return users;
  }

  /// A user's history with the news.
  void AddWithNews(int32_t user, std::span<const int32_t> news, Csr& to) const {
    const auto items = model_.history.row(user);
    const auto values = model_.history.row_values(user);
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    size_t next = 0;
    for (size_t j = 0; j <= items.size(); ++j) {
      for (; next < news.size() && (j == items.size() || news[next] < items[j]); ++next) {
        to.indices.push_back(news[next]);
        to.values.push_back(static_cast<float>(mean));
      }
      if (j == items.size()) break;
      to.indices.push_back(items[j]);
      to.values.push_back(values[j]);
    }
    to.indptr.push_back(std::ssize(to.indices));
  }

  void Block(std::span<const int32_t> users) {
    const Csr before = SelectRows(model_.history, users);
    Csr after = {std::ssize(users), model_.n_items(), {0}, {}, {}}, asked = after;
    std::vector<Kind> kinds;
    Queries queries;
    Exclusions excluded;
    for (const int32_t user : users) {
      ranker_.AddUser(user, &queries);
      excluded.Add(model_.history.row(user));
    }
    const RankedLists lists = ranker_.ByModel(*context_, queries, excluded, std::min(kItemsOfAKind, model_.n_items()));
    for (int64_t q = 0; q < std::ssize(users); ++q) {
      const int32_t user = users[static_cast<size_t>(q)];
      const std::vector<int32_t> news = News(user);
      AddWithNews(user, news, after);
      const auto ask = [&](std::span<const int32_t> items, Kind kind) {
        asked.indices.insert(asked.indices.end(), items.begin(), items.end());
        kinds.resize(asked.indices.size(), kind);
      };
      ask(lists.Items(q), kRecommended);
      ask(RandomItems(user), kRandom);
      ask(news, kHeldOut);
      asked.indptr.push_back(std::ssize(asked.indices));
    }
    const Queries moved = ranker_.FoldIn(*context_, after.view());
    const std::vector<double> at_first = ScoreVariances(model_, 1, before.view(), asked.view(), pool_);
    const std::vector<double> at_last = ScoreVariances(model_, 1, after.view(), asked.view(), pool_);
    const auto f = static_cast<size_t>(model_.n_factors());
    for (size_t q = 0; q < users.size(); ++q)
      for (int64_t e = asked.indptr[q]; e < asked.indptr[q + 1]; ++e) {
        const double news = at_first[e] - at_last[e];
        if (!(news > kLeastNews * at_first[e])) continue;
        const std::span<const float> item = model_.item_factors.row(asked.indices[e]);
        const std::span<const float> now = moved.Factors(static_cast<int64_t>(q));
        const std::span<const float> then = queries.Factors(static_cast<int64_t>(q));
        double by = 0;
        for (size_t k = 0; k < f; ++k) by += (double{now[k]} - then[k]) * item[k];
        Keep(users[q], kinds[e], {by, news});
      }
  }

  std::vector<int32_t> RandomItems(int32_t user) const {
    std::vector<int32_t> items;
    for (uint64_t t = 0; t < kItemsOfAKind; ++t) {
      const uint64_t bits = RandomBits(kItemSeed, static_cast<uint64_t>(user) * kItemsOfAKind + t);
      const auto item = static_cast<int32_t>(bits % static_cast<uint64_t>(model_.n_items()));
      if (!Has(model_.history.row(user), item)) items.push_back(item);
    }
    return items;
  }

  void Keep(int32_t user, Kind kind, const Move& move) {
    if (!IsLearning(user))
      measuring_[kind].push_back(move);
    else if (kind == kRecommended)
      learning_.push_back(move);
  }

  void Measure(Kind kind, UncertaintyCheck& check) const {
    const std::vector<Move>& moves = measuring_[kind];
    if (moves.empty()) return;
    StandardizedMoves result = {kKindNames[kind], std::ssize(moves)};
    for (const Move& move : moves) {
      const double z = move.by / std::sqrt(check.noise_variance * move.variance);
      result.mean += z;
      result.rms += z * z;
      for (size_t i = 0; i < kHalfWidths.size(); ++i) result.within[i] += std::abs(z) <= kHalfWidths[i] ? 1 : 0;
    }
    const auto n = static_cast<double>(result.n);
    result.mean /= n;
    result.rms = std::sqrt(result.rms / n);
    for (double& share : result.within) share /= n;
    check.moves.push_back(std::move(result));
  }

  const Ranker& ranker_;
  const ModelView& model_;
  const CsrView held_out_;
  ThreadPool* const pool_;
  const std::unique_ptr<Context> context_;
  std::vector<Move> learning_;
  std::array<std::vector<Move>, kKinds> measuring_;
};

}  // namespace

UncertaintyCheck CheckUncertainty(const Ranker& ranker, const CsrView& held_out, ThreadPool* pool,
                                  const std::function<void()>& before_block) {
  if (!HasVariances(ranker.model())) return {.absent = "only scores of implicit ALS have variances", .moves = {}};
  return Checking(ranker, held_out, pool).Run(before_block);
}

nlohmann::json UncertaintyJson(const UncertaintyCheck& check) {
  if (!check.absent.empty()) return {{"absent", check.absent}};
  nlohmann::json moves = nlohmann::json::array();
  for (const StandardizedMoves& of : check.moves) {
    nlohmann::json& entry = moves.emplace_back();
    entry = {{"items", of.items}, {"n", of.n}, {"mean", of.mean}, {"rms", of.rms}};
    for (size_t i = 0; i < kIntervals.size(); ++i)
      entry[fmt::format("within_{:.0f}", 100 * kIntervals[i])] = of.within[i];
  }
  return {{"noise_variance", check.noise_variance},
          {"n_learning_users", check.n_learning},
          {"n_measuring_users", check.n_measuring},
          {"moves", std::move(moves)}};
}

}  // namespace kindred
