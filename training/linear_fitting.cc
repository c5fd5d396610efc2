#include "training/linear_fitting.h"

#include <fmt/format.h>

#include <utility>

#include "training/svd_fitting.h"

namespace kindred {
namespace {

using nlohmann::json;

SvdFilterOptions FilterOptions(const TrainOptions& options) {
  SvdFilterOptions filter = options.svd_filter;
  filter.svd = SvdOptionsOf(options);
  filter.n_neighbours = options.n_neighbours;
  return filter;
}

ItemNeighbourOptions NeighbourOptions(const TrainOptions& options) {
  return options.algorithm == "rp3beta" ? Rp3BetaOptions(options.n_neighbours, options.alpha, options.beta)
                                        : CosineOptions(options.n_neighbours);
}

}  // namespace

bool IsFittedLinearly(const TrainOptions& options) {
  return options.algorithm == "svd-filter" || options.algorithm == "item-cosine" || options.algorithm == "rp3beta" ||
         options.algorithm == "ease";
}

void SetAlgorithmDefaults(TrainOptions* options) {
  if (options->algorithm == "svd-filter" || options->algorithm == "content") {
    options->als.n_factors = SvdFilterOptions().svd.n_factors;
    options->svd.tolerance = SvdFilterOptions().svd.tolerance;
  }
  if (options->algorithm == "ease") {
    options->als.objective.regularization = static_cast<float>(EaseOptions().regularization);
    options->n_neighbours = EaseOptions().n_neighbours;
  }
}

EaseOptions EaseOptionsOf(const TrainOptions& options) {
  return {options.als.objective.regularization, options.n_neighbours, options.max_items};
}

FittedLinear FitLinear(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                       const TrainEvents& events, ThreadPool& pool) {
  FittedLinear fitted;
  fitted.model = LinearFits(backend, interactions, options, events, pool, &fitted.report).Fit(options);
  fitted.report.update(LinearSettings(options));
  if (fitted.model.item_item.n_rows > 0) fitted.report["n_item_item_entries"] = fitted.model.item_item.view().nnz();
  return fitted;
}

LinearFits::LinearFits(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                       const TrainEvents& events, ThreadPool& pool, json* report)
    : backend_(backend), interactions_(interactions), pool_(pool) {
  if (options.algorithm == "svd-filter")
    svd_ = DecomposeFor(backend, NormalizeByDegrees(interactions).view(), FilterOptions(options).svd, events, report);
}

LinearModel LinearFits::Fit(const TrainOptions& options) {
  if (options.algorithm == "svd-filter") {
    const SvdFilterOptions filter = FilterOptions(options);
    Csr item_item = filter.n_neighbours > 0 ? FitNeighbours(FilterNeighbours(filter)) : Csr();
    return MakeSvdFilter(backend_, interactions_, Truncated(svd_, filter.svd.n_factors), std::move(item_item), filter);
  }
  Csr item_item = options.algorithm == "ease" ? FitEase(backend_, interactions_, EaseOptionsOf(options), pool_)
                                              : FitNeighbours(NeighbourOptions(options));
  return MakeItemItemModel(std::move(item_item), ItemPopularity(interactions_), interactions_.n_rows);
}

Csr LinearFits::FitNeighbours(const ItemNeighbourOptions& options) {
  if (product_ == nullptr || !product_->options().HaveSumOf(options)) {
    product_.reset();  // not two at once
    product_ = std::make_unique<const ItemNeighbourProduct>(backend_, interactions_, options);
  }
  return product_->Fit(options);
}

json LinearSettings(const TrainOptions& options) {
  json settings = {{"n_neighbours", options.n_neighbours}};
  if (options.algorithm == "ease") settings["regularization"] = options.als.objective.regularization;
  if (options.algorithm == "rp3beta") settings.update({{"alpha", options.alpha}, {"beta", options.beta}});
  if (options.algorithm == "svd-filter")
    settings.update({{"low_pass_weight", options.svd_filter.low_pass_weight},
                     {"spectrum_power", options.svd_filter.spectrum_power},
                     {"popularity_exponent", options.svd_filter.popularity_exponent},
                     {"target_exponent", options.svd_filter.target_exponent}});
  return settings;
}

void CheckLinearOptions(const TrainOptions& options) {
  if (options.algorithm == "svd-filter") CheckSvdFilterOptions(FilterOptions(options));
  if (options.algorithm == "ease" && !(options.als.objective.regularization > 0))
    throw Error(ErrorCode::kUsage,
                fmt::format("--regularization {}: ease takes more than 0", options.als.objective.regularization));
  if (options.algorithm != "svd-filter" && options.n_neighbours < 1)
    throw Error(ErrorCode::kUsage, fmt::format("--n-neighbours {}: expected 1 or more", options.n_neighbours));
}

void CheckCatalogue(Backend& backend, int64_t n_items, const TrainOptions& options) {
  for (const TrainOptions& component : options.components) CheckCatalogue(backend, n_items, component);
  if (options.algorithm == "ease") CheckEase(backend, n_items, EaseOptionsOf(options));
}

}  // namespace kindred
