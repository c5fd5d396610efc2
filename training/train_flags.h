// What `kindred train` is told, as flags, and what a training makes of it.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "training/linear_options.h"
#include "training/list_options.h"
#include "training/pipeline.h"
#include "training/reader_options.h"
#include "training/solver_options.h"
#include "training/split_options.h"
#include "training/weighting_options.h"

namespace kindred {

inline constexpr double kLargestWeight = 1e30;  // what a float holds with room to add and multiply

/// What train is told on the command line and in files; where nothing is told, the algorithm and the feedback decide.
struct TrainFlags {
  TrainOptions options;
  ReaderFlags test;
  WeightingFlags weighting;
  SolverFlags solver;
  LinearFlags linear;
  std::vector<std::string> components;
  std::optional<int64_t> n_bands;
  ListFlags lists;
  SplitFlags split;
  std::string gram_precision = "bf16x3";
  std::optional<std::string> checkpoint_every;
  std::optional<int64_t> epochs;
  std::optional<double> svd_tolerance;
  std::optional<std::string> svd_shrinkage;  // a number, or "auto"
  std::vector<std::string> require, max_drop;
  std::string feedback = "implicit";
  std::optional<int64_t> n_factors;
  std::optional<float> regularization, regularization_exponent, unobserved_weight, bias_regularization;
  std::string report;
  std::string segments;  // the declarations of a segments job that follows; empty: none does
  std::optional<std::string> segments_model;
  bool no_refit = false;
  bool json = false;
};

/// Throws kUsage where a flag is given and the algorithm is none of those that have it.
void CheckFlagIsFor(const char* flag, bool given, const std::string& algorithm,
                    std::initializer_list<std::string_view> of);

void AddTrainFlags(CLI::App& app, TrainFlags& flags);

/// Throws kUsage naming the flag, or the component's file and its key, that does not do or has no effect.
TrainOptions Resolve(const TrainFlags& flags);

}  // namespace kindred
