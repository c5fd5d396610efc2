// A training from a dataset to a published version: split, fit, evaluate, refit, publish.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/data/event_weighting.h"
#include "host/evaluation/blend_weights.h"
#include "host/evaluation/split.h"
#include "host/intake/event_reader.h"
#include "host/models/als.h"
#include "host/models/ease.h"
#include "host/models/svd_filter.h"
#include "training/publish_gate.h"

namespace kindred {

/// What decompositions have beside the n_factors and seed of AlsOptions; the shrinkage is of "svd".
struct SvdTrainOptions {
  double tolerance = 1e-4;              // relative error of each singular value
  std::optional<double> shrinkage = 0;  // host/models/pure_svd.h; empty: chosen on a slice of the training data
};

/// An interval at which no checkpoint is written.
inline constexpr double kNoCheckpoints = std::numeric_limits<double>::infinity();

struct CheckpointOptions {
  double every = 60;    // seconds at least between two; 0: one after each epoch; or kNoCheckpoints
  bool resume = false;  // go on from the checkpoint that is there, which must be of the same training
};

/// What decides lists (host/models/popular_lists.h); what is not set is as the algorithm wants it.
struct ListTrainOptions {
  std::optional<double> window;       // seconds; by default of "trending" 7 days, else there is none
  std::string group_by;               // an attribute of users; empty: one list for all
  std::string released;               // an attribute of items; empty: their first event
  std::optional<int64_t> min_events;  // by default 1, with `released` 0
  std::optional<int64_t> min_group_users;
  std::optional<double> trend_prior, group_prior;
};

struct TrainOptions {
  std::string dataset;
  std::string store = "models";
  std::string model;
  std::string algorithm = "als";  // one of kAlgorithms
  AlsOptions als;                 // its n_factors and seed, and of ease the regularization, are for others, too
  SvdTrainOptions svd;
  SvdFilterOptions svd_filter;   // but svd and n_neighbours, which are here
  int64_t n_neighbours = 400;    // of models with an item-item part
  double alpha = 1, beta = 0.3;  // of rp3beta
  int64_t max_items = EaseOptions().max_items;
  /// Of a blend: what its parts are fitted by, each of them algorithm and the members above; and the most bands of
  /// history lengths that have weights of their own.
  std::vector<TrainOptions> components;
  int64_t n_bands = BlendOptions().n_bands;
  ListTrainOptions lists;
  std::string backend = "auto";
  GramPrecision gram_precision = GramPrecision::kBf16x3;
  int n_threads = 0;
  CheckpointOptions checkpoints;
  /// Begin with the factors of the model's current version; where it has none, or others: an error.
  bool warm_start = false;

  /// In place of what the dataset says of its events.
  WeightingChanges weighting;
  SplitOptions split;
  /// Held-out interactions in files of their own: never trained on. Not together with a split.
  std::vector<std::string> test_paths;
  EventReaderOptions test_reader;
  int64_t k = 20;
  /// Epochs from one evaluation while the model is fitted to the next (training/epoch_metrics.h); 0: only at the end.
  int64_t evaluate_every = 0;
  /// Explicit feedback: held-out ratings of at least this are what lists should have; unset: the mean of the ratings
  /// trained on.
  std::optional<float> relevant_rating;
  /// A folder for what each user and group got (host/evaluation/evaluation_details.h); empty: none. Needs a holdout.
  std::string metrics_out;
  bool overwrite_metrics = false;
  /// After evaluating on a split, train again on everything and publish that.
  bool refit = true;
  /// What the metrics must fulfil, or nothing is published.
  GateOptions gate;
  /// Only state what the training will take (training/training_plan.h): nothing is written.
  bool plan_only = false;
};

/// Whether als.n_factors is one of the algorithm's options.
bool HasNFactors(const TrainOptions& options);

/// What decides a fit beside its interactions, as a manifest has it: the algorithm, n_factors and seed, and of "als"
/// its objective, epochs and solver.
nlohmann::json SettingsOf(const TrainOptions& options);

/// Where a training is: for progress, without printing.
struct TrainEvents {
  std::function<void(const std::string& message)> stage = {};
  std::function<void(const AlsEpoch& epoch)> epoch = {};  // with its metrics, where it is evaluated
  std::function<void(const std::string& message)> warning = {};
  /// Asked now and then: why to stop ("SIGTERM"), or nothing. Not while publishing, which ends as it would have.
  std::function<std::string()> stop = {};
};

/// Trains and publishes. Returns the report that `train --json` prints; the manifest holds the same but for the
/// version's number, its path, and the time that publishing took. Nothing is
/// held out without a split or test files. Before the first fit it states what it will take, as the stage "plan: ..."
/// and the member "plan", and throws kOutOfMemory where that is more memory than there is; with plan_only it returns
/// then. A fit or an evaluation whose device fails is done again on the CPU where the backend is "auto", with a
/// warning, and fell_back in the report says so; else its error is thrown (kDevice, kOutOfMemory) and nothing is
/// published. Nothing is either where the gate is not passed: `published` is false then, and `gate` says why. Throws
/// before anything is written where the input does not do; kAlreadyExists where another changes the model; kIo where
/// its store cannot be written. While it fits it leaves checkpoints in the store (training/checkpoints.h), one of them
/// where it is asked to stop or cannot publish, and takes them away at the end. What follows a checkpoint has the bits
/// of a training that was never ended.
nlohmann::json Train(const TrainOptions& options, const TrainEvents& events);

}  // namespace kindred
