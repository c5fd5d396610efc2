// What `kindred tune` searches: the parameters of each algorithm, where they may lie, and how a training takes them.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "training/pipeline.h"

namespace kindred {

/// How a parameter's range is laid on [0, 1].
enum class Scale {
  kLinear,
  kLog,
  kInteger,  // linear, and whole
  kChoice,   // one of a few numbers, ascending
};

struct SearchParameter {
  std::string name;  // train's flag, without dashes
  Scale scale = Scale::kLinear;
  double low = 0, high = 0;          // where it is searched
  std::vector<double> choices = {};  // in place of them
  double least = 0, most = 0;        // what train takes; numbers that a user names may lie anywhere within
  bool is_whole = false;             // and must be whole
  void (*set)(TrainOptions& options, double value) = nullptr;
  double (*get)(const TrainOptions& options) = nullptr;
  bool is_set = false;  // what a user made of it

  bool is_fixed() const { return scale == Scale::kChoice ? choices.size() == 1 : low == high; }
  /// The value at `unit` in [0, 1], of four digits, so that a file holds the very number that was tried.
  double Value(double unit) const;
  /// Where a value lies; what is outside of the range, at its end.
  double Unit(double value) const;
};

/// A value a parameter.
using SearchPoint = std::vector<double>;

struct SearchSpace {
  std::string algorithm;
  std::vector<SearchParameter> parameters;

  int64_t n_free() const;
  SearchPoint At(std::span<const double> units) const;
  std::vector<double> Units(const SearchPoint& point) const;
  /// What train does when it is told nothing, wherever that lies; of parameters that a user has set, the nearest that
  /// may be.
  SearchPoint Defaults() const;
  TrainOptions Options(TrainOptions options, const SearchPoint& point) const;
  /// {"n-factors": 64, ...}; whole numbers as such.
  nlohmann::json Json(const SearchPoint& point) const;
  /// [{"name", "scale", "low", "high"} or {"name", "scale", "choices"}, ...]
  nlohmann::json Json() const;
};

/// Whole numbers as such.
nlohmann::json NumberJson(double value);

/// Those that have one.
std::vector<std::string> TunableAlgorithms();

/// The algorithm's space, with what `settings` make of it: "n-factors=64" fixes a parameter, "n-factors=64,128" chooses
/// among numbers, "regularization=0.001..0.1" bounds it. Throws kUsage for an algorithm without parameters, an unknown
/// parameter or one that is named twice, what train would not take, and where nothing is left to search.
SearchSpace SpaceOf(const std::string& algorithm, std::span<const std::string> settings = {});

}  // namespace kindred
