#include "training/explicit_feedback.h"

#include <fmt/format.h>

#include <vector>

#include "host/data/interactions.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {

void CheckExplicit(const TrainOptions& options, const Dataset& dataset, const EventWeighting& weighting) {
  if (options.algorithm != "als")
    throw Error(ErrorCode::kUsage,
                fmt::format("--feedback explicit is for --algorithm als, not for {}", Printable(options.algorithm)));
  CheckRatingWeighting(weighting);
  const nlohmann::json reader = dataset.manifest().value("reader", nlohmann::json::object());
  const auto column = reader.find("value_column");
  if (column != reader.end() && column->is_null() && reader.value("value", nlohmann::json()).is_null())
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: its events have no values to take for ratings; prepare it with --value-column",
                            options.dataset));
}

void CheckDetermined(const CsrView& ratings, const AlsOptions& options, const IdMap& users, const IdMap& items) {
  if (options.objective.regularization != 0) return;
  const auto check = [&](const char* what, const IdMap& ids, int64_t index, int64_t n_ratings) {
    if (n_ratings == 0 || n_ratings >= options.n_factors) return;
    throw Error(ErrorCode::kNumeric,
                fmt::format("{} '{}' has {} rating{}, which determine no {} factors without regularization; expected a "
                            "regularization > 0, or fewer factors",
                            what, Printable(ids.Id(index)), n_ratings, n_ratings == 1 ? "" : "s", options.n_factors));
  };
  std::vector<int64_t> n_of_item(static_cast<size_t>(ratings.n_cols), 0);
  for (const int32_t item : ratings.indices) ++n_of_item[static_cast<size_t>(item)];
  for (int64_t user = 0; user < ratings.n_rows; ++user)
    check("user", users, user, static_cast<int64_t>(ratings.row(user).size()));
  for (int64_t item = 0; item < ratings.n_cols; ++item)
    check("item", items, item, n_of_item[static_cast<size_t>(item)]);
}

}  // namespace kindred
