#include "training/evaluating.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "host/evaluation/item_subset.h"
#include "host/evaluation/uncertainty_check.h"
#include "host/ranking/ranker.h"
#include "host/store/files.h"
#include "kernels/error.h"

namespace kindred {

Evaluated EvaluateModel(WorkingBackend& backend, const ModelView& model, const std::shared_ptr<const void>& keep,
                        const Holdout& holdout, const KnownAttributes& known, const EvaluatingOptions& options) {
  const bool by_attributes = model.item_vectors().n_cols == 0 && known.items != nullptr;
  const Csr features = by_attributes ? ItemFeatures(*known.items, known.item_rows) : Csr();
  UncertaintyCheck uncertainty;
  const Evaluation evaluation = backend.Run("evaluating", [&](Backend& on) {
    const Ranker ranker(on, model, keep);
    uncertainty = CheckUncertainty(ranker, holdout.relevant.view(), options.pool, options.before_block);
    return Evaluate(ranker, holdout, options.k, {options.pool, features.view(), options.before_block});
  });
  const std::optional<Evaluation> cold = backend.Run("evaluating", [&](Backend& on) {
    return EvaluateColdItems(on, model, holdout, options.k,
                             {.pool = options.pool, .before_block = options.before_block});
  });
  EvaluationDetails details = MeasureDetails(evaluation, model, holdout.relevant.view(), known);
  if (!options.metrics_out.empty())
    WriteMetricsFiles(options.metrics_out, model, evaluation, details, options.overwrite);
  nlohmann::json metrics = MetricsJson(evaluation);
  if (cold) metrics.update(ColdMetricsJson(*cold));
  nlohmann::json shown = DetailsJson(evaluation, details);
  shown["uncertainty"] = UncertaintyJson(uncertainty);
  return {std::move(metrics), HoldoutJson(evaluation), std::move(shown), std::move(details.calibration)};
}

void CheckOutside(const std::vector<std::string>& places, const std::vector<std::filesystem::path>& folders) {
  for (const std::string& place : places)
    for (const std::filesystem::path& folder : folders)
      if (!place.empty() && LiesIn(place, folder))
        throw Error(ErrorCode::kUsage, fmt::format("'{}' would lie in '{}'", place, folder.string()));
}

void CheckApart(const std::vector<std::string>& places) {
  for (auto one = places.begin(); one != places.end(); ++one)
    for (auto other = places.begin(); other != one; ++other)
      if (!one->empty() && !other->empty() && LiesIn(*one, *other) && LiesIn(*other, *one))
        throw Error(ErrorCode::kUsage, fmt::format("'{}' is to be two files; expected different ones", *one));
}

}  // namespace kindred
