#include "training/warm_start.h"

#include <fmt/format.h>

#include <algorithm>

namespace kindred {
namespace {

/// The index in `ids` of each of `of`; -1 where it is not there.
std::vector<int32_t> Match(const IdMap& of, const IdMap& ids) {
  std::vector<int32_t> indices;
  indices.reserve(static_cast<size_t>(of.size()));
  for (int64_t i = 0; i < of.size(); ++i) indices.push_back(ids.Find(of.Id(i)));
  return indices;
}

int64_t CountMatched(const std::vector<int32_t>& indices) {
  return std::count_if(indices.begin(), indices.end(), [](int32_t index) { return index >= 0; });
}

void TakeRows(const std::vector<int32_t>& indices, HostMatrix<const float> from, std::vector<float>& to) {
  for (size_t i = 0; i < indices.size(); ++i)
    if (indices[i] >= 0)
      std::copy_n(from.row(indices[i]).begin(), from.n_cols, to.begin() + static_cast<int64_t>(i) * from.n_cols);
}

}  // namespace

WarmStart::WarmStart(const ModelStore& store, const std::string& model, const AlsOptions& options,
                     const Dataset& dataset)
    : options_(options), model_(Model::Open(store, model)) {
  const ModelView& view = model_->view();
  const auto feedback = [](const AlsObjective& objective) { return objective.has_ratings() ? "explicit" : "implicit"; };
  const auto refuse = [&](const std::string& found) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("no warm start: version {} of model '{}' {}; expected {} factors of algorithm 'als' of {} "
                            "feedback",
                            model_->version(), model, found, options.n_factors, feedback(options.objective)));
  };
  if (view.algorithm != "als") refuse(fmt::format("is '{}'", view.algorithm));
  if (view.n_factors() != options.n_factors) refuse(fmt::format("has {} factors", view.n_factors()));
  if (view.has_ratings() != options.objective.has_ratings())
    refuse(fmt::format("is of {} feedback", feedback(view.objective)));
  users_ = Match(dataset.users(), view.users);
  items_ = Match(dataset.items(), view.items);
}

AlsState WarmStart::State() const {
  AlsState state;
  state.factors.user_factors.assign(users_.size() * static_cast<size_t>(options_.n_factors), 0);
  state.factors.item_factors = RandomFactors(options_, static_cast<int64_t>(items_.size()));
  TakeRows(users_, model_->view().user_factors, state.factors.user_factors);
  TakeRows(items_, model_->view().item_factors, state.factors.item_factors);
  return state;
}

int64_t WarmStart::SeenPairs(const CsrView& held_out) const {
  int64_t n_seen = 0;
  for (int64_t user = 0; user < held_out.n_rows; ++user) {
    if (users_[static_cast<size_t>(user)] < 0) continue;
    const auto history = model_->view().history.row(users_[static_cast<size_t>(user)]);
    n_seen += std::count_if(held_out.row(user).begin(), held_out.row(user).end(), [&](int32_t item) {
      return std::binary_search(history.begin(), history.end(), items_[static_cast<size_t>(item)]);
    });
  }
  return n_seen;
}

nlohmann::json WarmStart::Describe() const {
  return {{"version", model_->version()},
          {"digest", model_->digest()},
          {"n_users", CountMatched(users_)},
          {"n_items", CountMatched(items_)}};
}

}  // namespace kindred
