#include "training/search_space.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "host/text/field_values.h"
#include "host/text/text.h"
#include "kernels/error.h"
#include "training/linear_fitting.h"
#include "training/train_flags.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr double kLeastEaseRegularization = 1e-30;  // more than 0

double Rounded(double value) {
  return std::stod(fmt::format("{:.4g}", value));
}

SearchParameter Factors(std::vector<double> choices) {
  return {"n-factors",
          Scale::kChoice,
          0,
          0,
          std::move(choices),
          1,
          4096,
          true,
          [](TrainOptions& options, double value) { options.als.n_factors = std::llround(value); },
          [](const TrainOptions& options) { return static_cast<double>(options.als.n_factors); }};
}

SearchParameter Weight(const char* name, Scale scale, double low, double high, void (*set)(TrainOptions&, double),
                       double (*get)(const TrainOptions&)) {
  return {name, scale, low, high, {}, 0, kLargestWeight, false, set, get};
}

/// A parameter of AlsObjective.
template <float AlsObjective::*member>
SearchParameter OfObjective(const char* name, Scale scale, double low, double high, double least = 0) {
  SearchParameter parameter = Weight(
      name, scale, low, high,
      [](TrainOptions& options, double value) { options.als.objective.*member = static_cast<float>(value); },
      [](const TrainOptions& options) { return Rounded(options.als.objective.*member); });
  parameter.least = least;
  return parameter;
}

SearchParameter Neighbours(std::vector<double> choices) {
  return {"n-neighbours",
          Scale::kChoice,
          0,
          0,
          std::move(choices),
          1,
          INT32_MAX,
          true,
          [](TrainOptions& options, double value) { options.n_neighbours = std::llround(value); },
          [](const TrainOptions& options) { return static_cast<double>(options.n_neighbours); }};
}

template <double SvdFilterOptions::*member>
SearchParameter OfFilter(const char* name, Scale scale, double low, double high, double least, double most) {
  return {name,
          scale,
          low,
          high,
          {},
          least,
          most,
          false,
          [](TrainOptions& options, double value) { options.svd_filter.*member = value; },
          [](const TrainOptions& options) { return options.svd_filter.*member; }};
}

template <double TrainOptions::*member>
SearchParameter OfTraining(const char* name, double low, double high, double least, double most) {
  return {name,
          Scale::kLinear,
          low,
          high,
          {},
          least,
          most,
          false,
          [](TrainOptions& options, double value) { options.*member = value; },
          [](const TrainOptions& options) { return options.*member; }};
}

/// The spaces; a new algorithm is an entry here and has trials in NewTrialFits (training/trial_fits.h). A parameter
/// whose range is one number stays there unless --set opens it: rp3beta's alpha, for which a random slice rewards
/// values that later events do not, and the exponent of als, which costs more trials than it gains
/// (bench/results/quality.md).
std::vector<SearchSpace> AllSpaces() {
  return {
      {"als",
       {Factors({32, 64, 96, 128, 192, 256}),
        OfObjective<&AlsObjective::regularization>("regularization", Scale::kLog, 2e-4, 1),
        OfObjective<&AlsObjective::regularization_exponent>("regularization-exponent", Scale::kLinear, 1, 1),
        OfObjective<&AlsObjective::unobserved_weight>("unobserved-weight", Scale::kLog, 3e-3, 1)}},
      {"svd",
       {Factors({16, 32, 64, 128, 192, 256, 384, 512}),
        Weight(
            "svd-shrinkage", Scale::kLog, 0.03, 100,
            [](TrainOptions& options, double value) { options.svd.shrinkage = value; },
            [](const TrainOptions& options) { return options.svd.shrinkage.value_or(0); })}},
      {"svd-filter",
       {Factors({64, 128, 256, 384, 512, 768}), Neighbours({50, 100, 200, 400, 1000}),
        OfFilter<&SvdFilterOptions::low_pass_weight>("low-pass-weight", Scale::kLog, 0.05, 3, 0, 1e6),
        OfFilter<&SvdFilterOptions::spectrum_power>("spectrum-power", Scale::kLinear, 0, 1.5, 0, 16),
        OfFilter<&SvdFilterOptions::popularity_exponent>("popularity-exponent", Scale::kLinear, 0.3, 0.8,
                                                         -kMaxDegreeExponent, kMaxDegreeExponent),
        OfFilter<&SvdFilterOptions::target_exponent>("target-exponent", Scale::kLinear, 0, 0.6, -kMaxDegreeExponent,
                                                     kMaxDegreeExponent)}},
      {"item-cosine", {Neighbours({20, 50, 100, 200, 400, 800, 1600})}},
      {"rp3beta",
       {Neighbours({50, 100, 200, 400, 800, 1600}),
        OfTraining<&TrainOptions::alpha>("alpha", 1, 1, 0, kMaxDegreeExponent),
        OfTraining<&TrainOptions::beta>("beta", 0, 0.8, -kMaxDegreeExponent, kMaxDegreeExponent)}},
      {"ease",
       {Neighbours({100, 300, 1000}), OfObjective<&AlsObjective::regularization>("regularization", Scale::kLog, 1,
                                                                                 10'000, kLeastEaseRegularization)}},
  };
}

const char* Text(Scale scale) {
  switch (scale) {
    case Scale::kLinear:
      return "linear";
    case Scale::kLog:
      return "log";
    case Scale::kInteger:
      return "integer";
    case Scale::kChoice:
      break;
  }
  return "choice";
}

[[noreturn]] void Refuse(const std::string& setting, const std::string& message) {
  throw Error(ErrorCode::kUsage, fmt::format("--set {}: {}", Printable(setting), message));
}

double Number(const std::string& setting, std::string_view text, const SearchParameter& parameter) {
  double value = 0;
  if (ParseNumber(text, &value) != nullptr) Refuse(setting, fmt::format("'{}' is no number", Printable(text)));
  if (!(value >= parameter.least && value <= parameter.most))
    Refuse(setting, fmt::format("expected numbers from {} to {}", parameter.least, parameter.most));
  if (parameter.is_whole && value != std::round(value))
    Refuse(setting, fmt::format("'{}' is not whole", Printable(text)));
  return value;
}

void Bound(const std::string& setting, double low, double high, SearchParameter& parameter) {
  if (!(low <= high)) Refuse(setting, "expected the smaller number first");
  if (parameter.scale == Scale::kChoice) {
    std::erase_if(parameter.choices, [&](double choice) { return choice < low || choice > high; });
    if (parameter.choices.empty()) Refuse(setting, "none of the numbers that are chosen among lies there");
    return;
  }
  if (parameter.scale == Scale::kLog && low <= 0 && low < high) Refuse(setting, "expected numbers above 0");
  parameter.low = low;
  parameter.high = high;
}

void Choose(const std::string& setting, std::string_view list, SearchParameter& parameter) {
  std::set<double> choices;
  for (size_t at = 0; at <= list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    choices.insert(Number(setting, list.substr(at, end - at), parameter));
    at = end + 1;
  }
  parameter.scale = Scale::kChoice;
  parameter.choices.assign(choices.begin(), choices.end());
}

void Apply(const std::string& setting, SearchSpace& space) {
  const size_t equals = std::min(setting.find('='), setting.size());
  const std::string name = setting.substr(0, equals);
  const std::string_view text = std::string_view(setting).substr(std::min(equals + 1, setting.size()));
  const auto parameter = std::ranges::find(space.parameters, name, &SearchParameter::name);
  if (parameter == space.parameters.end()) {
    std::vector<std::string_view> names;
    for (const SearchParameter& known : space.parameters) names.push_back(known.name);
    Refuse(setting, fmt::format("expected one of {}, as NAME=VALUE, NAME=LOW..HIGH or NAME=VALUE,VALUE",
                                fmt::join(names, ", ")));
  }
  if (parameter->is_set) Refuse(setting, "it is named twice");
  parameter->is_set = true;
  if (const size_t dots = text.find(".."); dots != std::string_view::npos)
    return Bound(setting, Number(setting, text.substr(0, dots), *parameter),
                 Number(setting, text.substr(dots + 2), *parameter), *parameter);
  Choose(setting, text, *parameter);
}

}  // namespace

double SearchParameter::Value(double unit) const {
  if (scale == Scale::kChoice) {
    const auto n = static_cast<double>(choices.size());
    return choices[static_cast<size_t>(std::clamp(std::floor(unit * n), 0.0, n - 1))];
  }
  if (low == high) return low;
  if (scale == Scale::kInteger) return std::clamp(std::floor(low + unit * (high - low + 1)), low, high);
  const double value = scale == Scale::kLog ? low * std::pow(high / low, unit) : low + unit * (high - low);
  return std::clamp(Rounded(value), low, high);
}

double SearchParameter::Unit(double value) const {
  if (scale == Scale::kChoice) {
    size_t nearest = 0;
    for (size_t c = 1; c < choices.size(); ++c)
      if (std::fabs(choices[c] - value) < std::fabs(choices[nearest] - value)) nearest = c;
    return (static_cast<double>(nearest) + 0.5) / static_cast<double>(choices.size());
  }
  if (low == high) return 0.5;
  if (scale == Scale::kInteger) return std::clamp((value - low + 0.5) / (high - low + 1), 0.0, 1.0);
  if (scale == Scale::kLog) return value <= low ? 0 : std::min(1.0, std::log(value / low) / std::log(high / low));
  return std::clamp((value - low) / (high - low), 0.0, 1.0);
}

int64_t SearchSpace::n_free() const {
  return std::ranges::count_if(parameters, [](const SearchParameter& parameter) { return !parameter.is_fixed(); });
}

SearchPoint SearchSpace::At(std::span<const double> units) const {
  SearchPoint point;
  for (size_t p = 0; p < parameters.size(); ++p) point.push_back(parameters[p].Value(units[p]));
  return point;
}

std::vector<double> SearchSpace::Units(const SearchPoint& point) const {
  std::vector<double> units;
  for (size_t p = 0; p < parameters.size(); ++p) units.push_back(parameters[p].Unit(point[p]));
  return units;
}

SearchPoint SearchSpace::Defaults() const {
  TrainOptions options;
  options.algorithm = algorithm;
  SetAlgorithmDefaults(&options);
  SearchPoint point;
  for (const SearchParameter& parameter : parameters) {
    const double value = parameter.get(options);
    point.push_back(parameter.is_set ? parameter.Value(parameter.Unit(value)) : value);
  }
  return point;
}

TrainOptions SearchSpace::Options(TrainOptions options, const SearchPoint& point) const {
  options.algorithm = algorithm;
  for (size_t p = 0; p < parameters.size(); ++p) parameters[p].set(options, point[p]);
  return options;
}

json SearchSpace::Json(const SearchPoint& point) const {
  json named = json::object();
  for (size_t p = 0; p < parameters.size(); ++p) named[parameters[p].name] = NumberJson(point[p]);
  return named;
}

json SearchSpace::Json() const {
  json all = json::array();
  for (const SearchParameter& parameter : parameters) {
    json one = {{"name", parameter.name}, {"scale", Text(parameter.scale)}};
    if (parameter.scale == Scale::kChoice)
      for (const double choice : parameter.choices) one["choices"].push_back(NumberJson(choice));
    else
      one.update({{"low", NumberJson(parameter.low)}, {"high", NumberJson(parameter.high)}});
    all.push_back(std::move(one));
  }
  return all;
}

json NumberJson(double value) {
  if (value == std::round(value) && std::fabs(value) < 0x1p53) return std::llround(value);
  return value;
}

std::vector<std::string> TunableAlgorithms() {
  std::vector<std::string> names;
  for (const SearchSpace& space : AllSpaces()) names.push_back(space.algorithm);
  return names;
}

SearchSpace SpaceOf(const std::string& algorithm, std::span<const std::string> settings) {
  for (SearchSpace& space : AllSpaces()) {
    if (space.algorithm != algorithm) continue;
    for (const std::string& setting : settings) Apply(setting, space);
    if (space.n_free() == 0)
      throw Error(ErrorCode::kUsage,
                  fmt::format("--set fixes every parameter of {}: there is nothing to search", algorithm));
    return std::move(space);
  }
  throw Error(ErrorCode::kUsage, fmt::format("algorithm '{}' has no parameters to search; expected {}",
                                             Printable(algorithm), fmt::join(TunableAlgorithms(), " or ")));
}

}  // namespace kindred
