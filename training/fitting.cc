#include "training/fitting.h"

#include <utility>

#include "host/models/explicit_als.h"
#include "kernels/error.h"

namespace kindred {

nlohmann::json Fitted::report() const {
  if (algorithm == "content") return content.report;
  if (algorithm == "svd") return svd.report;
  if (!blend.parts.empty()) return blend.report;
  if (lists.model.n_factors > 0) return lists.report;
  return linear.model.n_factors > 0 ? linear.report : nlohmann::json::object();
}

ModelView Fitted::view(const Dataset& dataset) const {
  ModelView view;
  view.algorithm = algorithm;
  view.users = dataset.users();
  view.items = dataset.items();
  view.history = history.view();
  view.popularity = popularity;
  view.objective = objective;
  if (algorithm == "svd") svd.factors.SetIn(&view);
  if (linear.model.n_factors > 0) linear.model.SetIn(&view);
  if (!blend.parts.empty()) blend.SetIn(&view);
  if (lists.model.n_factors > 0) {
    lists.model.SetIn(&view);
    view.list_groups = lists.list_groups();
  }
  if (algorithm == "content") content.model.SetIn(&view);
  if (!factors.eigenvalues.empty()) factors.SetIn(&view);
  view.user_biases = biases.users;
  view.item_biases = biases.items;
  view.rating_mean = biases.mean;
  return view;
}

Fitted FitModel(WorkingBackend& working, Csr interactions, const FitSource& source, const TrainOptions& options,
                const TrainEvents& events, Checkpoints& checkpoints, EpochMetrics& epoch_metrics, ThreadPool& pool) {
  Fitted fitted;
  fitted.algorithm = options.algorithm;
  fitted.objective = options.als.objective;
  fitted.history = std::move(interactions);
  const CsrView view = fitted.history.view();
  fitted.popularity = ItemPopularity(view);
  const bool ratings = options.als.objective.has_ratings();
  if (options.algorithm == "als")
    fitted.factors = working.Run("fitting", [&](Backend& backend) {
      AlsState start = checkpoints.Start(working, fitted.epochs);
      fitted.plan = backend.PlanAls(
          {view.n_rows, view.n_cols, view.nnz(), options.als.n_factors, ratings, options.als.solver.method});
      const auto on_epoch = [&](const AlsEpoch& epoch) {
        fitted.epochs.push_back(epoch);
        if (events.epoch && !epoch_metrics.IsDue(epoch.epoch)) events.epoch(epoch);
      };
      epoch_metrics.AfterHalfStep(
          backend, start.n_half_steps, [&] { return start; }, fitted);
      const AlsHook on_half_step = [&](int64_t n_half_steps, const std::function<AlsState()>& state) {
        epoch_metrics.AfterHalfStep(backend, n_half_steps, state, fitted);
        checkpoints.AfterHalfStep(n_half_steps, state, fitted.epochs);
      };
      if (!ratings) return FitAls(backend, view, options.als, on_epoch, std::move(start), on_half_step);
      ExplicitFactors found =
          FitExplicitAls(backend, view, options.als, &pool, on_epoch, std::move(start), on_half_step);
      fitted.biases = std::move(found.biases);
      return std::move(found.factors);
    });
  if (options.algorithm == "svd")
    fitted.svd = working.Run("fitting", [&](Backend& backend) { return FitSvdModel(backend, view, options, events); });
  if (IsFittedLinearly(options))
    fitted.linear =
        working.Run("fitting", [&](Backend& backend) { return FitLinear(backend, view, options, events, pool); });
  if (options.algorithm == "blend")
    fitted.blend =
        working.Run("fitting", [&](Backend& backend) { return FitBlend(backend, view, options, events, pool); });
  if (HasLists(options.algorithm)) fitted.lists = FitLists(source.dataset, source.keep, source.weighting, options);
  if (options.algorithm == "content")
    fitted.content = working.Run(
        "fitting", [&](Backend& backend) { return FitContent(backend, view, source.dataset, options, events, pool); });
  fitted.backend = working.Describe();
  if (options.algorithm == "als") {
    fitted.backend["gram_precision"] = working.gram_precision();
    fitted.backend["memory"] = {{"planned_bytes", fitted.plan.peak_bytes},
                                {"available_bytes", fitted.plan.available_bytes},
                                {"streamed", fitted.plan.streamed}};
  }
  return fitted;
}

}  // namespace kindred
