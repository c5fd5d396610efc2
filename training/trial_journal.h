// The trials of a search, and the file that they are written down in as they end: <out>.trials.jsonl.
//
//   {"kindred_tune": 2, "settings": {...}}      all that decides the trials
//   {"trial": 1, "parameters": {...}, ...}      a line a trial, in order, each synced (docs/formats.md)
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/store/files.h"
#include "training/search_space.h"

namespace kindred {

enum class TrialState {
  kComplete,
  kStopped,  // early, as one that would not become the best
  kFailed,
};

struct Trial {
  int64_t number = 0;  // 1 is the first
  SearchPoint point;
  TrialState state = TrialState::kComplete;
  double value = NAN;                                  // the metric on all users of the slice; complete ones only
  double sample_value = NAN;                           // on the sample, of the best epoch where there are some
  int64_t epochs = 0;                                  // which that is; 0: the algorithm has none
  std::vector<std::pair<int64_t, double>> curve = {};  // epochs that were measured, with the metric on the sample
  std::string why = {};                                // it was stopped, or failed
  double seconds = 0;
  nlohmann::json device = {};  // what it was made on: WorkingBackend::Bits
};

nlohmann::json TrialJson(const Trial& trial, const SearchSpace& space);

/// The settings of a journal and its trials.
struct JournalContent {
  nlohmann::json settings;
  std::vector<Trial> trials;
  int64_t bytes = 0;  // of the lines that are whole
};

/// Of a journal's bytes; `name` is for messages. Throws as ParseJournalLines does, and kCorrupt naming the line for
/// what is no trial of the space.
JournalContent ParseJournal(std::string_view text, const SearchSpace& space, const std::string& name);

class TrialJournal {
 public:
  /// Starts a journal, or with `overwrite` replaces the one that is there. Throws kAlreadyExists where there is one, or
  /// another process writes it, and kIo.
  static TrialJournal Start(const std::filesystem::path& path, const nlohmann::json& settings, bool overwrite);
  /// Takes up the one that is there: throws kNotFound where there is none, kInvalidArgument naming each setting that is
  /// not the one in `settings`, and as ParseJournal does. A torn last line is cut off. The setting below may
  /// differ; settings() are the journal's.
  static TrialJournal Resume(const std::filesystem::path& path, const nlohmann::json& settings,
                             const SearchSpace& space);

  const std::filesystem::path& path() const { return path_; }
  const std::vector<Trial>& trials() const { return content_.trials; }
  const nlohmann::json& settings() const { return content_.settings; }

  /// Writes a trial down, for good.
  void Append(Trial trial, const SearchSpace& space);

 private:
  explicit TrialJournal(std::filesystem::path path);

  std::filesystem::path path_;
  Descriptor file_;  // locked
  JournalContent content_;
};

/// The setting that says how many trials are spread (training/trial_search.h), which follows the first call's --trials.
inline constexpr const char* kSpreadSetting = "n_spread";

}  // namespace kindred
