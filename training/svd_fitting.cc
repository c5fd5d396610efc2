#include "training/svd_fitting.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/evaluation/validation_slice.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr double kAmounts[] = {0, 0.0625, 0.25, 1, 4, 16};
constexpr int64_t kMaxUsers = 10'000;

double Ndcg(Backend& backend, const CsrView& history, const PureSvdFactors& factors, const Holdout& holdout,
            int64_t k) {
  const std::vector<float> popularity = ItemPopularity(history);
  ModelView model;
  model.algorithm = "svd";
  model.history = history;
  model.popularity = popularity;
  factors.SetIn(&model);
  return Evaluate(Ranker(backend, model, nullptr), holdout, k).model.ndcg;
}

/// Of equally good amounts the least.
double ChooseShrinkage(Backend& backend, const CsrView& interactions, const SvdOptions& options, int64_t k,
                       json& tried) {
  const ValidationSlice slice = HoldOutSlice(interactions, {.max_users = kMaxUsers, .seed = options.seed});
  const CsrView rest = slice.rest.view();
  if (rest.nnz() == 0 || slice.held_out.relevant.indices.empty()) return 0;
  const ResidentInteractions resident(backend, rest);
  const Svd svd = FitSvd(backend, resident, options);
  double best = 0, best_ndcg = -1;
  for (double amount : kAmounts) {
    const double ndcg = Ndcg(backend, rest, MakePureSvd(backend, resident, svd, amount), slice.held_out, k);
    tried.push_back({{"shrinkage", amount}, {"ndcg", ndcg}});
    if (ndcg <= best_ndcg) continue;
    best = amount;
    best_ndcg = ndcg;
  }
  return best;
}

}  // namespace

SvdOptions SvdOptionsOf(const TrainOptions& options) {
  return {.n_factors = options.als.n_factors, .tolerance = options.svd.tolerance, .seed = options.als.seed};
}

void WarnOfLimit(const Svd& svd, const SvdOptions& options, const TrainEvents& events) {
  if (svd.stop != SvdStop::kLimit || !events.warning) return;
  events.warning(fmt::format("the SVD stopped at {} columns: singular values may be off by {:.2g}, more than {:.2g}",
                             svd.n_columns, svd.max_error(), options.tolerance));
}

Svd DecomposeFor(Backend& backend, const CsrView& matrix, const SvdOptions& options, const TrainEvents& events,
                 json* report) {
  Svd svd = FitSvd(backend, matrix, options);
  WarnOfLimit(svd, options, events);
  report->update({{"tolerance", options.tolerance},
                  {"stop", Text(svd.stop)},
                  {"max_error", svd.max_error()},
                  {"max_residual", *std::max_element(svd.residual.begin(), svd.residual.end())},
                  {"energy", svd.energy()},
                  {"n_columns", svd.n_columns},
                  {"n_products", svd.n_products}});
  return svd;
}

FittedSvd FitSvdModel(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                      const TrainEvents& events) {
  const SvdOptions svd_options = SvdOptionsOf(options);
  json tried = json::array();
  const double shrinkage = options.svd.shrinkage
                               ? *options.svd.shrinkage
                               : ChooseShrinkage(backend, interactions, svd_options, options.k, tried);
  FittedSvd fitted;
  const Svd svd = DecomposeFor(backend, interactions, svd_options, events, &fitted.report);
  fitted.report["shrinkage"] = shrinkage;
  if (!options.svd.shrinkage) fitted.report["shrinkage_tried"] = tried;
  fitted.factors = MakePureSvd(backend, interactions, svd, shrinkage);
  return fitted;
}

}  // namespace kindred
