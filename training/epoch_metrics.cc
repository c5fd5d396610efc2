#include "training/epoch_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "host/ranking/ranker.h"
#include "training/fitting.h"
#include "training/report_values.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr size_t kUsersPerBlock = 4096;  // folded in together

std::map<std::string, double> OfModel(const json& metrics) {
  std::map<std::string, double> of_model;
  for (const auto& [name, value] : metrics.items())
    if (metrics.contains("popularity_" + name)) of_model[name] = value.get<double>();
  return of_model;
}

std::vector<int32_t> EvaluatedUsers(const Holdout& holdout) {
  std::vector<int32_t> users;
  const CsrView relevant = holdout.relevant.view();
  for (int64_t user = 0; user < relevant.n_rows; ++user)
    if (!relevant.row(user).empty() || holdout.n_missing_items[static_cast<size_t>(user)] > 0)
      users.push_back(static_cast<int32_t>(user));
  return users;
}

/// Solves these users of the ranker's model anew.
void FoldIn(const Ranker& ranker, std::span<const int32_t> users, const HostMatrix<float>& user_factors) {
  const auto context = ranker.backend().NewContext();
  for (size_t at = 0; at < users.size(); at += kUsersPerBlock) {
    const auto block = users.subspan(at, std::min(kUsersPerBlock, users.size() - at));
    const Csr histories = SelectRows(ranker.model().history, block);
    Queries solved;
    try {
      solved = ranker.FoldIn(*context, histories.view());
    } catch (const Error& error) {
      if (error.row() < 0) throw;
      throw AlsRowError(std::string(error.what()) + " (solving the user side)", block[static_cast<size_t>(error.row())],
                        true);
    }
    for (size_t i = 0; i < block.size(); ++i)
      std::ranges::copy(solved.Factors(static_cast<int64_t>(i)), user_factors.row(block[i]).begin());
  }
}

}  // namespace

void CheckEvaluateEvery(const TrainOptions& options, bool has_holdout) {
  if (options.evaluate_every == 0) return;
  if (options.evaluate_every < 0)
    throw Error(ErrorCode::kUsage, fmt::format("--evaluate-every {}: expected 0 or more", options.evaluate_every));
  if (options.algorithm != "als" || options.als.objective.has_ratings())
    throw Error(ErrorCode::kUsage,
                fmt::format("--evaluate-every is for --algorithm als of implicit feedback only; this is {}",
                            options.algorithm == "als" ? "of explicit feedback" : options.algorithm));
  if (!has_holdout)
    throw Error(ErrorCode::kUsage, "--evaluate-every: nothing is held out to measure; --split or --test does");
}

EpochMetrics::EpochMetrics(const TrainOptions& options, const TrainEvents& events, const Dataset& dataset,
                           const Holdout* holdout, Checkpoints& checkpoints, ThreadPool& pool, Stopwatch& stopwatch)
    : options_(options),
      events_(events),
      dataset_(dataset),
      holdout_(holdout),
      checkpoints_(checkpoints),
      pool_(pool),
      stopwatch_(stopwatch) {}

bool EpochMetrics::IsDue(int64_t epoch) const {
  return holdout_ != nullptr && options_.evaluate_every > 0 && epoch > 0 && epoch < options_.als.epochs &&
         epoch % options_.evaluate_every == 0;
}

void EpochMetrics::AfterHalfStep(Backend& backend, int64_t n_half_steps, const std::function<AlsState()>& state,
                                 Fitted& fitted) {
  if (n_half_steps % 2 == 0 || !IsDue(n_half_steps / 2)) return;
  AlsEpoch& epoch = fitted.epochs.back();
  if (!epoch.metrics.empty()) return;
  stopwatch_.Done(kFitPhase);
  try {
    epoch.metrics = Measure(backend, state().factors, fitted,
                            [&] { checkpoints_.AfterHalfStep(n_half_steps, state, fitted.epochs); });
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kOutOfMemory) throw;
    if (events_.warning)
      events_.warning(fmt::format("the training goes on without metrics of epoch {}: {}", epoch.epoch, error.what()));
  }
  stopwatch_.Done("evaluate_epochs");
  if (events_.epoch) events_.epoch(epoch);
}

std::map<std::string, double> EpochMetrics::Measure(Backend& backend, AlsFactors factors, const Fitted& fitted,
                                                    const std::function<void()>& before_block) const {
  ModelView model = fitted.view(dataset_);
  factors.SetIn(&model);
  const HostMatrix<float> user_factors = {factors.user_factors.data(), model.n_users(), model.n_factors()};
  const Ranker ranker(backend, model, nullptr);
  if (options_.als.solver.method != AlsMethod::kExact) FoldIn(ranker, EvaluatedUsers(*holdout_), user_factors);
  return OfModel(MetricsJson(Evaluate(ranker, *holdout_, options_.k, {&pool_, {}, before_block})));
}

json EpochMetricsJson(std::vector<AlsEpoch> epochs, const json& final_metrics) {
  if (!epochs.empty()) epochs.back().metrics = OfModel(final_metrics);
  json all = json::array();
  for (const AlsEpoch& epoch : epochs)
    if (!epoch.metrics.empty())
      all.push_back({{"epoch", epoch.epoch}, {"loss", epoch.loss}, {"metrics", epoch.metrics}});
  return all;
}

std::string EpochText(const AlsEpoch& epoch) {
  std::string text = fmt::format("loss {:.6g}", epoch.loss);
  for (const auto& [name, value] : epoch.metrics)
    if (name.starts_with("ndcg_at_")) text += fmt::format(", {} {}", MetricLabel(name), MetricText(value));
  return text;
}

}  // namespace kindred
