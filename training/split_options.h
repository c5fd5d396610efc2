// The options that say what is held out of a dataset, the same for every command that takes them.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "host/evaluation/split.h"

namespace kindred {

struct SplitFlags {
  std::string kind = "none";
  double fraction = SplitOptions().fraction;
  int64_t n = SplitOptions().n;
  std::string time;  // a moment; empty: not given

  /// `seed` is the training's.
  SplitOptions Split(uint64_t seed) const;
};

/// {"kind": "random", "fraction": 0.1, "seed": 1}, and so on: what decides a split, for manifests and journals.
nlohmann::json SplitJson(const SplitOptions& split);

/// Adds --split, --holdout-fraction, --holdout-n and --split-time.
void AddSplitFlags(CLI::App& app, SplitFlags& flags);

}  // namespace kindred
