// What decides lists (host/models/popular_lists.h), as flags.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "training/pipeline.h"

namespace kindred {

struct ListFlags {
  std::optional<std::string> window, group_by, released;
  std::optional<int64_t> min_events, min_group_users;
  std::optional<double> trend_prior, group_prior;

  /// Sets what is given; throws kUsage for a flag that options.algorithm does not have, and for flags of groups without
  /// --group-by.
  void Set(TrainOptions* options) const;
};

void AddListFlags(CLI::App& app, ListFlags& flags);

}  // namespace kindred
