// A search for the settings that suit a dataset: trials on a validation slice of its training events.
//
// The slice (host/evaluation/validation_slice.h) is the same for all trials, and test data has no part in it: what
// train's split of the same seed would hold out is left out before. A trial is fitted on the rest of the events and
// measured on the slice's users.
//
// What will not become the best costs little. Where a model grows by epochs, it is measured every kEpochStep epochs on
// a sample of the users, and its fit ends when kPatience measurements in a row gain less than kLeastGain; the best
// epoch is the trial's. It ends as "stopped" where its best is below the median of what the complete trials had by that
// epoch, of which there must be kLeastForMedian (the median stopping rule: Golovin et al. 2017, "Google Vizier"). A
// model that is fitted in one step is measured on the sample first, and stopped where the 95 % interval of its
// difference from the best trial, user by user, lies below 0. Complete trials are measured on all users of the slice.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "training/pipeline.h"

namespace kindred {

inline constexpr int64_t kEpochStep = 2, kPatience = 2, kLeastForMedian = 3;
inline constexpr double kLeastGain = 0.002;  // of the metric
inline constexpr int64_t kLeastSliceUsers = 10;

/// A flag of train that the trials were made with, for the file that is written.
struct ConfigFlag {
  std::string name;
  std::vector<std::string> values;
  bool is_list = false;
};

struct TuneOptions {
  /// dataset, algorithm, weighting, split, k, als.seed, als.epochs (the most of a trial) and the backend's options; of
  /// others train's defaults hold.
  TrainOptions train;
  std::string metric = "ndcg";  // or "recall", at train.k
  int64_t n_trials = 30;        // a third of them, at least two, spread over the space
  double validation_fraction = 0.2;
  int64_t max_users = 0;              // of the slice, about; 0: all
  int64_t sample_users = 4096;        // about; where the slice has fewer, all of them
  std::vector<std::string> settings;  // of the space (SpaceOf)
  std::string out;                    // the TOML file for train; the journal is beside it
  bool overwrite = false;             // replace both
  bool resume = false;                // go on from the journal
  std::vector<ConfigFlag> config;
};

/// Where a search is: for progress, without printing.
struct TuneEvents {
  std::function<void(const std::string& message)> stage;
  std::function<void(const std::string& message)> warning;
  std::function<std::string()> stop;  // asked between trials, epochs and blocks of users: why to stop, or nothing
};

/// <out>.trials.jsonl (training/trial_journal.h).
std::string JournalPath(const TuneOptions& options);

/// Searches, and writes options.out: what `train --config` takes. Returns the report that `tune --json` prints
/// (docs/formats.md). The same options and the same kind of device give the same file, resumed or not. A trial that
/// is singular or needs too much memory is recorded as failed, and the search goes on; a device that fails has the rest
/// of the trials made on the CPU, as train's --backend has it.
///
/// Throws before the first trial: kUsage for an algorithm or settings that have nothing to search, kAlreadyExists and
/// kIo where the files cannot be written, kInvalidArgument where the slice has too few users, kOutOfMemory where not
/// even the smallest trial fits, and as TrialJournal does. Throws kIo where it is asked to stop, and kNumeric where no
/// trial is complete.
nlohmann::json Tune(const TuneOptions& options, const TuneEvents& events);

}  // namespace kindred
