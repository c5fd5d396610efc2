// What decides the linear models, as flags.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "training/pipeline.h"

namespace kindred {

struct LinearFlags {
  std::optional<int64_t> n_neighbours, max_items;
  std::optional<double> alpha, beta, low_pass_weight, spectrum_power, popularity_exponent, target_exponent;

  /// Sets what is given; throws kUsage for a flag that options.algorithm does not have.
  void Set(TrainOptions* options) const;
};

void AddLinearFlags(CLI::App& app, LinearFlags& flags);

}  // namespace kindred
