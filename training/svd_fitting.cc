#include "training/svd_fitting.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/data/random.h"
#include "host/evaluation/metrics.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr double kAmounts[] = {0, 0.0625, 0.25, 1, 4, 16};
constexpr double kHeldOut = 0.2;  // of a chosen user's interactions
constexpr double kMaxUsers = 10'000;

struct Slice {
  Csr rest;
  Holdout held_out;
};

Slice HoldOut(const CsrView& interactions, uint64_t seed) {
  const double of_users = kMaxUsers / std::max(kMaxUsers, static_cast<double>(interactions.n_rows));
  Slice slice;
  Csr& held = slice.held_out.relevant;
  slice.rest.n_rows = held.n_rows = interactions.n_rows;
  slice.rest.n_cols = held.n_cols = interactions.n_cols;
  slice.held_out.n_missing_items.assign(static_cast<size_t>(interactions.n_rows), 0);
  for (int64_t u = 0; u < interactions.n_rows; ++u) {
    const bool chosen = RandomUniform(seed, static_cast<uint64_t>(u)) < of_users;
    const auto items = interactions.row(u);
    for (size_t e = 0; e < items.size(); ++e) {
      const auto place = static_cast<uint64_t>(interactions.indptr[static_cast<size_t>(u)]) + e;
      Csr& to = chosen && RandomUniform(seed + 1, place) < kHeldOut ? held : slice.rest;
      to.indices.push_back(items[e]);
      to.values.push_back(interactions.row_values(u)[e]);
    }
    held.indptr.push_back(static_cast<int64_t>(held.indices.size()));
    slice.rest.indptr.push_back(static_cast<int64_t>(slice.rest.indices.size()));
  }
  return slice;
}

double Ndcg(Backend& backend, const CsrView& history, const PureSvdFactors& factors, const Holdout& holdout,
            int64_t k) {
  const auto n_factors = static_cast<int64_t>(factors.singular_values.size());
  const std::vector<float> popularity = ItemPopularity(history);
  ModelView model;
  model.algorithm = "svd";
  model.history = history;
  model.popularity = popularity;
  model.user_factors = {factors.user_factors.data(), history.n_rows, n_factors};
  model.item_factors = {factors.item_factors.data(), history.n_cols, n_factors};
  model.singular_values = factors.singular_values;
  return Evaluate(Ranker(backend, model, nullptr), holdout, k).model.ndcg;
}

/// Of equally good amounts the least.
double ChooseShrinkage(Backend& backend, const CsrView& interactions, const SvdOptions& options, int64_t k,
                       json& tried) {
  const Slice slice = HoldOut(interactions, options.seed);
  const CsrView rest = slice.rest.view();
  if (rest.nnz() == 0 || slice.held_out.relevant.indices.empty()) return 0;
  const Svd svd = FitSvd(backend, rest, options);
  double best = 0, best_ndcg = -1;
  for (double amount : kAmounts) {
    const double ndcg = Ndcg(backend, rest, MakePureSvd(backend, rest, svd, amount), slice.held_out, k);
    tried.push_back({{"shrinkage", amount}, {"ndcg", ndcg}});
    if (ndcg <= best_ndcg) continue;
    best = amount;
    best_ndcg = ndcg;
  }
  return best;
}

}  // namespace

Svd DecomposeFor(Backend& backend, const CsrView& matrix, const SvdOptions& options, const TrainEvents& events,
                 json* report) {
  Svd svd = FitSvd(backend, matrix, options);
  if (svd.stop == SvdStop::kLimit && events.warning)
    events.warning(fmt::format("the SVD stopped at {} columns: singular values may be off by {:.2g}, more than {:.2g}",
                               svd.n_columns, svd.max_error(), options.tolerance));
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
  const SvdOptions svd_options = {
      .n_factors = options.als.n_factors, .tolerance = options.svd.tolerance, .seed = options.als.seed};
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
