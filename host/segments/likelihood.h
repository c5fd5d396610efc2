// How likely a user is to buy soon: a logistic regression that people can read.
//
//   [likelihood]
//   event = "purchases"
//   horizon = "30d"
//   enter = 0.6            who is not yet "likely to buy" becomes so from here on,
//   leave = 0.4            and who is, stays so down to here
//
// It learns from the past: the features of users as they were at the split time, reference - horizon, and whether any
// such event came in (split, reference]. Then it is asked about the features as they are at the reference. It is of
// users with an event until the split; by a hash of their ids a quarter is held out, which all figures of quality are
// measured on, a fifth calibrates, and the rest is fitted (host/segments/logistic_regression.h).
//
// Calibrated (Platt 1999) are the odds: log odds = scale * those of the fit + shift, the two that make the calibrating
// users' labels likeliest, with a normal prior around scale 1 and shift 0 of deviation 1, so that few labels change
// little. What is calibrated is a logistic regression again, so its coefficients say what the probabilities do.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host/data/events.h"
#include "host/data/id_map.h"
#include "host/evaluation/calibration.h"
#include "host/segments/logistic_regression.h"
#include "host/segments/user_bits.h"

namespace kindred {

struct LikelihoodSpec {
  std::string event;             // a name of events; "events", where nothing else is called so: all
  int64_t horizon = 30 * 86400;  // seconds
  double enter = 0.6, leave = 0.4;
  std::string place = {};  // where it stands, for messages: "segments.toml: line 3, column 1: "
};

/// The split time. Throws kInvalidArgument, with the place, where events have no times, where the horizon reaches
/// behind the first event, and for `enter` and `leave` that are not 0 < leave <= enter <= 1.
int64_t LikelihoodSplit(const LikelihoodSpec& spec, const EventsView& events, int64_t reference);

/// Of each user: 1 or 0, whether there is an event of these types in (split, split + horizon]; -1 for who has no event
/// until the split. `types` are indices into the names of types; empty: all events. Cost: a look at the events.
std::vector<int8_t> LikelihoodLabels(const EventsView& events, std::span<const int> types, int64_t split,
                                     int64_t horizon);

struct LikelihoodInputs {
  const IdMap* users = nullptr;
  std::span<const int8_t> labels = {};   // [users], LikelihoodLabels
  std::span<const float> features = {};  // [users x names], at the split, normalized; row after row
  std::span<const std::string> feature_names = {};
};

struct LikelihoodQuality {
  int64_t n_train = 0, n_calibration = 0, n_test = 0;
  double base_rate = 0;       // labels of 1, of all with a label
  std::optional<double> auc;  // none where those held out have one label only; equal odds count half
  double brier = 0, log_loss = 0;
  Reliability calibration;
};

class Likelihood {
 public:
  /// Learns. Throws kInvalidArgument, with the place: a feature that is not finite, no user with the label 1 (or 0), or
  /// none among those it is fitted on. The same inputs give the same bits, whatever the threads.
  Likelihood(const LikelihoodSpec& spec, int64_t split, const LikelihoodInputs& inputs, ThreadPool& pool);
  /// As Json gave it. Throws kCorrupt, beginning with `where`, for what is none.
  Likelihood(const nlohmann::json& json, const std::string& where);

  const LikelihoodSpec& spec() const { return spec_; }
  const std::vector<std::string>& feature_names() const { return feature_names_; }
  /// Calibrated; coefficients are for a standard deviation of the fitted users' features.
  const LogisticModel& model() const { return model_; }
  const LikelihoodQuality& quality() const { return quality_; }
  /// What to think of before it is believed: constant features, labels that features tell apart, few labels, a
  /// calibration that finds no order.
  const std::vector<std::string>& warnings() const { return warnings_; }

  /// Of a user's normalized features.
  double Probability(std::span<const float> features) const { return Sigmoid(model_.LogOdds(features)); }
  /// Of all users, [n x features].
  std::vector<double> Probabilities(std::span<const float> features, ThreadPool& pool) const;

  /// What moves a user's odds, in the order of size: features with how much they add to the logarithm of the odds of
  /// somebody who is average in everything.
  struct Part {
    std::string feature;
    double log_odds = 0;
  };
  std::vector<Part> Parts(std::span<const float> features) const;

  /// "likelihood" of the report and the manifest: {"event", "horizon", "horizon_seconds", "enter", "leave",
  /// "split_time", "base_rate", "auc", "brier", "log_loss", "n_train", "n_calibration", "n_test", "calibration":
  /// [{"predicted", "observed", "n", "low", "high"}], "intercept", "coefficients": [{"feature", "coefficient",
  /// "odds_ratio", "mean", "deviation"}]}. The odds ratio is of a standard deviation more.
  nlohmann::json Json() const;

 private:
  struct Users;

  void Fit(const LikelihoodInputs& inputs, const Users& users, ThreadPool& pool);
  void Calibrate(const LikelihoodInputs& inputs, std::span<const size_t> users);
  void Measure(const LikelihoodInputs& inputs, std::span<const size_t> users);

  LikelihoodSpec spec_;
  int64_t split_ = 0;
  std::vector<std::string> feature_names_;
  LogisticModel model_;
  LikelihoodQuality quality_;
  std::vector<std::string> warnings_;
};

/// Who is likely to buy: from `enter` on who was not in the last version, from `leave` on who was. `was` is [n_users]:
/// 1 for members of the last version (LastValues of host/segments/stages.h); empty: there is none. NaN is in no set.
UserBits LikelyUsers(std::span<const double> probabilities, const LikelihoodSpec& spec, std::span<const int32_t> was);

/// The probability that one labelled 1 has larger odds than one labelled 0, ties counting half; none where there is one
/// label only (Mann and Whitney 1947). Cost: a sort.
std::optional<double> AreaUnderCurve(std::span<const double> odds, std::span<const int8_t> labels);

}  // namespace kindred
