#include "host/segments/likelihood.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <bitset>
#include <cmath>
#include <numeric>

#include "host/expression/syntax.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr double kL2 = 1;
constexpr uint64_t kPartSeed = 0x6c696b656c79;  // "likely": not the bits that other parts of the program split users by
constexpr uint64_t kParts = 1000, kTestUntil = 250, kCalibrationUntil = 450;
constexpr int64_t kLabelsAFeature = 10;  // fewer are said to be few (Peduzzi et al. 1996)

enum class Role : uint8_t { kTest, kCalibration, kTrain };

Role RoleOf(std::string_view id) {
  const uint64_t part = XXH3_64bits_withSeed(id.data(), id.size(), kPartSeed) % kParts;
  return part < kTestUntil ? Role::kTest : part < kCalibrationUntil ? Role::kCalibration : Role::kTrain;
}

[[noreturn]] void Refuse(const LikelihoodSpec& spec, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{}likelihood: {}", spec.place, what));
}

std::string Duration(int64_t seconds) {
  return Print(Literal{ValueType::kDuration, static_cast<double>(seconds)});
}

std::string Time(int64_t seconds) {
  return Print(Literal{ValueType::kTime, static_cast<double>(seconds)});
}

/// -log P(label) at these odds.
double LogLoss(double odds, int8_t label) {
  const double t = label != 0 ? -odds : odds;
  return t > 0 ? t + std::log1p(std::exp(-t)) : std::log1p(std::exp(t));
}

}  // namespace

int64_t LikelihoodSplit(const LikelihoodSpec& spec, const EventsView& events, int64_t reference) {
  if (!(spec.leave > 0 && spec.leave <= spec.enter && spec.enter <= 1))
    Refuse(spec, fmt::format("'enter' is {} and 'leave' {}; expected 0 < leave <= enter <= 1", spec.enter, spec.leave));
  if (spec.horizon < 1) Refuse(spec, fmt::format("a horizon of {} seconds; expected 1 or more", spec.horizon));
  if (events.times.empty())
    Refuse(spec, events.size() == 0 ? "there are no events" : "the events have no times to split them by");
  const int64_t first = *std::min_element(events.times.begin(), events.times.end());
  if (reference - spec.horizon < first)
    Refuse(spec, fmt::format("a horizon of {} is longer than the data, which begins at {}, {:.4g} days before its end; "
                             "expected a horizon with events before it",
                             Duration(spec.horizon), Time(first),
                             static_cast<double>(std::max<int64_t>(reference - first, 0)) / 86400));
  return reference - spec.horizon;
}

std::vector<int8_t> LikelihoodLabels(const EventsView& events, std::span<const int> types, int64_t split,
                                     int64_t horizon) {
  std::bitset<256> counts;
  for (const int type : types) counts.set(static_cast<size_t>(type));
  if (types.empty()) counts.set();
  std::vector<int8_t> labels(static_cast<size_t>(events.n_users()), -1);
  for (size_t user = 0; user < labels.size(); ++user)
    for (auto i = static_cast<size_t>(events.indptr[user]); i < static_cast<size_t>(events.indptr[user + 1]); ++i) {
      const int64_t after = events.times[i] - split;
      if (after > horizon) break;
      if (after <= 0)
        labels[user] = 0;
      else if (labels[user] == 0 && counts[events.types.empty() ? 0 : events.types[i]])
        labels[user] = 1;
    }
  return labels;
}

/// Users with a label, by what they are for.
struct Likelihood::Users {
  explicit Users(const LikelihoodInputs& inputs) {
    for (size_t user = 0; user < inputs.labels.size(); ++user) {
      if (inputs.labels[user] < 0) continue;
      const Role role = RoleOf(inputs.users->Id(static_cast<int64_t>(user)));
      (role == Role::kTrain ? train : role == Role::kTest ? test : calibration).push_back(user);
    }
  }
  std::vector<size_t> train, calibration, test;
};

Likelihood::Likelihood(const LikelihoodSpec& spec, int64_t split, const LikelihoodInputs& inputs, ThreadPool& pool)
    : spec_(spec), split_(split), feature_names_(inputs.feature_names.begin(), inputs.feature_names.end()) {
  const size_t d = feature_names_.size();
  if (std::ssize(inputs.labels) > inputs.users->size() || inputs.features.size() != inputs.labels.size() * d)
    Refuse(spec_, fmt::format("{} labels and {} numbers of {} features for {} users", inputs.labels.size(),
                              inputs.features.size(), d, inputs.users->size()));
  for (size_t at = 0; at < inputs.features.size(); ++at)
    if (!std::isfinite(inputs.features[at]))
      Refuse(spec_, fmt::format("'{}' of user '{}' is {}; expected a finite number", Printable(feature_names_[at % d]),
                                Printable(inputs.users->Id(static_cast<int64_t>(at / d))), inputs.features[at]));
  const Users users(inputs);
  Fit(inputs, users, pool);
  Calibrate(inputs, users.calibration);
  Measure(inputs, users.test);
}

namespace {

/// The log odds and labels of some users.
struct Judged {
  Judged(const LogisticModel& model, const LikelihoodInputs& inputs, std::span<const size_t> users) {
    const size_t d = model.coefficients.size();
    for (const size_t user : users) {
      odds.push_back(model.LogOdds(inputs.features.subspan(user * d, d)));
      labels.push_back(inputs.labels[user]);
    }
  }
  std::vector<double> odds;
  std::vector<int8_t> labels;
};

}  // namespace

void Likelihood::Fit(const LikelihoodInputs& inputs, const Users& users, ThreadPool& pool) {
  const auto count = [&](std::span<const size_t> some) {
    return std::count_if(some.begin(), some.end(), [&](size_t user) { return inputs.labels[user] == 1; });
  };
  quality_.n_train = std::ssize(users.train);
  quality_.n_calibration = std::ssize(users.calibration);
  quality_.n_test = std::ssize(users.test);
  const int64_t n = quality_.n_train + quality_.n_calibration + quality_.n_test;
  const int64_t n_train = count(users.train), n_all = n_train + count(users.calibration) + count(users.test);
  const std::string event =
      fmt::format("'{}' in the {} behind {}", Printable(spec_.event), Duration(spec_.horizon), Time(split_));
  if (n == 0) Refuse(spec_, fmt::format("no user has an event until {}", Time(split_)));
  if (n_all == 0) Refuse(spec_, fmt::format("none of {} users has {}: there is nothing to learn", n, event));
  if (n_all == n) Refuse(spec_, fmt::format("all {} users have {}: there is nothing to learn", n, event));
  if (n_train == 0 || n_train == quality_.n_train)
    Refuse(spec_, fmt::format("{} of {} users have {}, and {} of the {} who are learned from: too few to learn", n_all,
                              n, event, n_train, quality_.n_train));
  quality_.base_rate = static_cast<double>(n_all) / static_cast<double>(n);

  std::vector<int8_t> labels(inputs.labels.size(), -1);
  for (const size_t user : users.train) labels[user] = inputs.labels[user];
  const LogisticFit fit = FitLogistic(inputs.features, labels, std::ssize(feature_names_), kL2, pool);
  model_ = fit.model;
  std::string constant;
  int64_t n_varying = 0;
  for (size_t j = 0; j < feature_names_.size(); ++j) {
    if (model_.deviations[j] == 0)
      constant += fmt::format("{}'{}'", constant.empty() ? "" : ", ", Printable(feature_names_[j]));
    n_varying += model_.deviations[j] != 0;
  }
  if (!constant.empty())
    warnings_.push_back(
        fmt::format("likelihood: the same for all who are learned from, and so without weight: {}", constant));
  if (fit.separable)
    warnings_.push_back(
        "likelihood: the features tell who buys from who does not without a mistake; look for one that "
        "knows the answer, or take the probabilities as too sure");
  const int64_t fewer = std::min(n_train, quality_.n_train - n_train);
  if (!fit.separable && fewer < kLabelsAFeature * n_varying)
    warnings_.push_back(
        fmt::format("likelihood: {} of {} users who are learned from {} bought, few for {} features; its "
                    "coefficients are uncertain",
                    fewer, quality_.n_train, n_train == fewer ? "have" : "have not", n_varying));
}

void Likelihood::Calibrate(const LikelihoodInputs& inputs, std::span<const size_t> users) {
  const Judged judged(model_, inputs, users);
  const auto objective = [&](double scale, double shift) {
    double loss = 0.5 * ((scale - 1) * (scale - 1) + shift * shift);
    for (size_t i = 0; i < judged.odds.size(); ++i) loss += LogLoss(scale * judged.odds[i] + shift, judged.labels[i]);
    return loss;
  };
  double scale = 1, shift = 0, loss = objective(1, 0);
  for (int iteration = 0; iteration < 100; ++iteration) {
    double g0 = scale - 1, g1 = shift, h00 = 1, h01 = 0, h11 = 1;
    for (size_t i = 0; i < judged.odds.size(); ++i) {
      const double t = judged.odds[i], p = Sigmoid(scale * t + shift), w = p * (1 - p);
      g0 += (p - judged.labels[i]) * t;
      g1 += p - judged.labels[i];
      h00 += w * t * t;
      h01 += w * t;
      h11 += w;
    }
    const double determinant = h00 * h11 - h01 * h01;
    const double d0 = (h11 * g0 - h01 * g1) / determinant, d1 = (h00 * g1 - h01 * g0) / determinant;
    double part = 1, there = objective(scale - d0, shift - d1);
    while (there > loss && part > 1e-10) {
      part /= 2;
      there = objective(scale - part * d0, shift - part * d1);
    }
    if (!(there < loss)) break;
    scale -= part * d0;
    shift -= part * d1;
    loss = there;
  }
  if (scale <= 0) {
    warnings_.push_back(
        "likelihood: of users it has not learned from, those it calls likely buy no oftener; it says nothing");
    return;
  }
  for (double& coefficient : model_.coefficients) coefficient *= scale;
  model_.intercept = scale * model_.intercept + shift;
}

void Likelihood::Measure(const LikelihoodInputs& inputs, std::span<const size_t> users) {
  const Judged judged(model_, inputs, users);
  quality_.auc = AreaUnderCurve(judged.odds, judged.labels);
  if (!quality_.auc)
    warnings_.push_back("likelihood: those held out all have bought, or none has, so that its order is not measured");
  ScoredPairs pairs;
  for (size_t i = 0; i < judged.odds.size(); ++i) {
    const double p = Sigmoid(judged.odds[i]), miss = p - judged.labels[i];
    quality_.brier += miss * miss;
    quality_.log_loss += LogLoss(judged.odds[i], judged.labels[i]);
    pairs.scores.push_back(static_cast<float>(p));
    pairs.hits.push_back(static_cast<uint8_t>(judged.labels[i]));
  }
  if (judged.odds.empty()) return;
  quality_.brier /= static_cast<double>(judged.odds.size());
  quality_.log_loss /= static_cast<double>(judged.odds.size());
  static constexpr float kAsItIs[] = {0, 1};
  quality_.calibration = MeasureReliability({kAsItIs, kAsItIs}, pairs);
}

std::vector<double> Likelihood::Probabilities(std::span<const float> features, ThreadPool& pool) const {
  constexpr size_t kBlock = 4096;
  const size_t d = feature_names_.size(), n = d == 0 ? 0 : features.size() / d;
  std::vector<double> probabilities(n);
  pool.Run(static_cast<int64_t>((n + kBlock - 1) / kBlock), pool.n_threads(), [&](int64_t task, int) {
    const size_t first = static_cast<size_t>(task) * kBlock;
    for (size_t user = first; user < std::min(first + kBlock, n); ++user)
      probabilities[user] = Probability(features.subspan(user * d, d));
  });
  return probabilities;
}

std::vector<Likelihood::Part> Likelihood::Parts(std::span<const float> features) const {
  std::vector<Part> parts;
  for (size_t j = 0; j < feature_names_.size(); ++j)
    if (const double log_odds = model_.Part(j, features[j]); log_odds != 0)
      parts.push_back({feature_names_[j], log_odds});
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return std::fabs(a.log_odds) > std::fabs(b.log_odds); });
  return parts;
}

UserBits LikelyUsers(std::span<const double> probabilities, const LikelihoodSpec& spec, std::span<const int32_t> was) {
  UserBits members(std::ssize(probabilities));
  for (size_t user = 0; user < probabilities.size(); ++user) {
    const bool member = user < was.size() && was[user] == 1;
    if (probabilities[user] >= (member ? spec.leave : spec.enter)) members.Add(static_cast<int64_t>(user));
  }
  members.Count();
  return members;
}

std::optional<double> AreaUnderCurve(std::span<const double> odds, std::span<const int8_t> labels) {
  std::vector<size_t> order(odds.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return odds[a] < odds[b]; });
  double n_ones = 0, n_zeros = 0, above = 0;
  for (size_t first = 0, last = 0; first < order.size(); first = last) {
    double ones = 0, zeros = 0;
    for (; last < order.size() && odds[order[last]] == odds[order[first]]; ++last)
      (labels[order[last]] != 0 ? ones : zeros) += 1;
    above += ones * (n_zeros + zeros / 2);
    n_ones += ones;
    n_zeros += zeros;
  }
  if (n_ones == 0 || n_zeros == 0) return std::nullopt;
  return above / (n_ones * n_zeros);
}

}  // namespace kindred
