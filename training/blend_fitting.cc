#include "training/blend_fitting.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "host/evaluation/validation_slice.h"
#include "training/search_space.h"

namespace kindred {
namespace {

using nlohmann::json;

TrialModel FitPart(Backend& backend, const CsrView& interactions, const TrainOptions& options) {
  TrialModel fitted;
  NewTrialFits(backend, interactions, options)
      ->Fit(options, [&](int64_t epoch, const std::function<TrialModel()>& model) {
        if (epoch == 0 || epoch == options.als.epochs) fitted = model();
        return true;
      });
  return fitted;
}

std::vector<TrialModel> FitParts(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                                 const TrainEvents& events, const char* on) {
  std::vector<TrialModel> parts;
  for (const TrainOptions& component : options.components) {
    if (events.stage)
      events.stage(
          fmt::format("part {} of {}: {} on {}", parts.size() + 1, options.components.size(), component.algorithm, on));
    parts.push_back(FitPart(backend, interactions, component));
  }
  return parts;
}

BlendWeights LearnWeights(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                          const TrainEvents& events, ThreadPool& pool) {
  const ValidationSlice slice = HoldOutSlice(interactions, {.seed = options.als.seed});
  const std::vector<TrialModel> parts = FitParts(backend, slice.rest.view(), options, events, "a slice");
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
  blend.parts = FitParts(backend, interactions, options, events, "everything");
  blend.report = blend.weights.report;
  for (const TrainOptions& component : options.components) blend.report["parts"].push_back(component.algorithm);
  return blend;
}

void CheckComponents(const TrainOptions& options) {
  if (options.components.size() < 2)
    throw Error(ErrorCode::kUsage,
                fmt::format("--algorithm blend: {} --component; expected two or more, each a file of "
                            "settings as tune writes them",
                            options.components.size()));
  const std::vector<std::string> known = TunableAlgorithms();
  for (const TrainOptions& component : options.components)
    if (std::ranges::find(known, component.algorithm) == known.end() || component.als.objective.has_ratings())
      throw Error(
          ErrorCode::kUsage,
          fmt::format("--component: {}{} cannot be a part of a blend; expected {}", component.algorithm,
                      component.als.objective.has_ratings() ? " of explicit feedback" : "", fmt::join(known, ", ")));
}

}  // namespace kindred
