#include "training/blend_fitting.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "host/evaluation/validation_slice.h"
#include "training/linear_fitting.h"
#include "training/search_space.h"

namespace kindred {
namespace {

using nlohmann::json;

json PartSettings(const TrainOptions& options) {
  json settings = SettingsOf(options);
  if (options.algorithm == "svd" || options.algorithm == "svd-filter") settings["tolerance"] = options.svd.tolerance;
  if (options.algorithm == "svd") settings["shrinkage"] = *options.svd.shrinkage;
  if (IsFittedLinearly(options)) settings.update(LinearSettings(options));
  return settings;
}

TrialModel FitPart(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                   const TrainEvents& events, ThreadPool& pool) {
  TrialModel fitted;
  NewTrialFits(backend, interactions, options, events, pool)
      ->Fit(options, [&](int64_t epoch, const std::function<TrialModel()>& model) {
        if (epoch == 0 || epoch == options.als.epochs) fitted = model();
        return true;
      });
  return fitted;
}

std::vector<TrialModel> FitParts(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                                 const TrainEvents& events, ThreadPool& pool, const char* on) {
  std::vector<TrialModel> parts;
  for (const TrainOptions& component : options.components) {
    if (const std::string reason = events.stop ? events.stop() : ""; !reason.empty())
      throw Error(ErrorCode::kIo, fmt::format("stopped by {}, and nothing is published", reason));
    if (events.stage)
      events.stage(
          fmt::format("part {} of {}: {} on {}", parts.size() + 1, options.components.size(), component.algorithm, on));
    parts.push_back(FitPart(backend, interactions, component, events, pool));
  }
  return parts;
}

BlendWeights LearnWeights(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                          const TrainEvents& events, ThreadPool& pool) {
  const ValidationSlice slice = HoldOutSlice(interactions, {.seed = options.als.seed});
  const std::vector<TrialModel> parts = FitParts(backend, slice.rest.view(), options, events, pool, "a slice");
  const std::vector<float> popularity = ItemPopularity(slice.rest.view());
  std::vector<ModelView> views;
  for (const TrialModel& part : parts) {
    views.push_back(part.view);
    views.back().history = slice.rest.view();
    views.back().popularity = popularity;
  }
  if (events.stage) events.stage("learning the parts' weights");
  return LearnBlendWeights(backend, views, slice.held_out,
                           {.k = options.k, .n_bands = options.n_bands, .seed = options.als.seed}, pool);
}

}  // namespace

void FittedBlend::SetIn(ModelView* view) const {
  for (const TrialModel& fitted : parts) {
    ModelView part = fitted.view;
    part.users = view->users;
    part.items = view->items;
    part.history = view->history;
    part.popularity = view->popularity;
    view->parts.push_back(std::move(part));
  }
  view->band_lengths = weights.lengths;
  view->band_weights = {weights.weights.data(), std::ssize(weights.lengths), std::ssize(parts)};
}

FittedBlend FitBlend(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                     const TrainEvents& events, ThreadPool& pool) {
  FittedBlend blend;
  blend.weights = LearnWeights(backend, interactions, options, events, pool);
  blend.parts = FitParts(backend, interactions, options, events, pool, "everything");
  blend.report = blend.weights.report;
  blend.report.update({{"k", options.k}, {"n_bands", options.n_bands}, {"parts", json::array()}});
  for (const TrainOptions& component : options.components) blend.report["parts"].push_back(PartSettings(component));
  return blend;
}

void CheckComponents(const TrainOptions& options) {
  if (options.components.size() < 2)
    throw Error(ErrorCode::kUsage,
                fmt::format("--algorithm blend: {} --component; expected two or more, each a file of "
                            "settings as tune writes them",
                            options.components.size()));
  const std::vector<std::string> known = TunableAlgorithms();
  for (const TrainOptions& component : options.components) {
    if (std::ranges::find(known, component.algorithm) == known.end() || component.als.objective.has_ratings())
      throw Error(
          ErrorCode::kUsage,
          fmt::format("--component: {}{} cannot be a part of a blend; expected {}", component.algorithm,
                      component.als.objective.has_ratings() ? " of explicit feedback" : "", fmt::join(known, ", ")));
    if (component.algorithm == "svd" && !component.svd.shrinkage)
      throw Error(ErrorCode::kUsage, "--component: svd with --svd-shrinkage auto; expected a number, as tune finds it");
    if (component.algorithm == "als") CheckAlsOptions(component.als);
    if (IsFittedLinearly(component)) CheckLinearOptions(component);
  }
}

}  // namespace kindred
