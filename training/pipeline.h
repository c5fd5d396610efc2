// A training from a dataset to a published version: split, fit, evaluate, refit, publish.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/data/event_weighting.h"
#include "host/evaluation/split.h"
#include "host/intake/event_reader.h"
#include "host/models/als.h"

namespace kindred {

struct TrainOptions {
  std::string dataset;
  std::string store = "models";
  std::string model;
  std::string algorithm = "als";  // or "popularity"
  AlsOptions als;
  std::string backend = "auto";
  GramPrecision gram_precision = GramPrecision::kBf16x3;
  int n_threads = 0;

  /// In place of what the dataset says of its events.
  WeightingChanges weighting;
  SplitOptions split;
  /// Held-out interactions in files of their own: never trained on. Not together with a split.
  std::vector<std::string> test_paths;
  EventReaderOptions test_reader;
  int64_t k = 20;
  /// After evaluating on a split, train again on everything and publish that.
  bool refit = true;
};

/// Where a training is: for progress, without printing.
struct TrainEvents {
  std::function<void(const std::string& message)> stage;
  std::function<void(const AlsEpoch& epoch)> epoch;
  std::function<void(const std::string& message)> warning;
};

/// Trains and publishes. Returns the report that `train --json` prints; the manifest holds the same. Nothing is
/// held out without a split or test files. A fit or an evaluation whose device fails is done again on the CPU where the
/// backend is "auto", with a warning, and fell_back in the report says so; else its error is thrown (kDevice,
/// kOutOfMemory) and nothing is published. Throws before anything is written where the input does not do;
/// kAlreadyExists where another training of the model runs.
nlohmann::json Train(const TrainOptions& options, const TrainEvents& events);

}  // namespace kindred
