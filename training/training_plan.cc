#include "training/training_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "host/evaluation/metrics.h"
#include "host/models/als_cost.h"
#include "host/report/format.h"
#include "kernels/cpu/host_memory.h"
#include "training/linear_fitting.h"
#include "training/stopwatch.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int64_t kFloat = sizeof(float), kEntry = sizeof(int32_t) + sizeof(float), kOffset = sizeof(int64_t);
constexpr int64_t kBlockUsers = 4096;                                              // that are evaluated at a time
constexpr int64_t kBytesOfHeldOutUser = 100;                                       // host/evaluation/metrics.h
constexpr int64_t kListItem = 9 * sizeof(double), kListUser = 3 * sizeof(double);  // scores, counts and groups
constexpr int64_t kCodedItem = 4 * sizeof(double);  // of kernels/cpu/item_codes.h while they are made, beside the codes
constexpr int64_t kEvent = sizeof(int32_t) + sizeof(int64_t) + sizeof(uint8_t);  // item, time, type

bool IsAls(const TrainOptions& options) {
  return options.algorithm == "als";
}

int64_t NFactors(const TrainingSize& size, const TrainOptions& options) {
  int64_t of_components = 0;
  for (const TrainOptions& component : options.components) of_components += NFactors(size, component);
  if (options.algorithm == "blend") return of_components;
  if (HasLists(options.algorithm)) return size.n_lists;
  return HasNFactors(options) ? options.als.n_factors : options.algorithm == "popularity" ? 0 : 1;
}

/// Of all parts of the scorer; the item-item matrix at most.
int64_t FactorBytes(const TrainingSize& size, const TrainOptions& options) {
  int64_t of_components = 0;
  for (const TrainOptions& component : options.components) of_components += FactorBytes(size, component);
  if (options.algorithm == "blend") return of_components;
  const int64_t n_neighbours = IsFittedLinearly(options) ? std::min(options.n_neighbours, size.n_items) : 0;
  return (size.n_users + size.n_items) * NFactors(size, options) * kFloat + size.n_items * n_neighbours * kEntry;
}

int64_t RowBytes(const TrainingSize& size, int64_t n_entries) {
  return n_entries * kEntry + size.n_users * kOffset;
}

/// While events are summed up: each block's entries, which grow by doubling, and all of them.
int64_t SumBytes(const TrainingSize& size, int64_t n_entries) {
  return n_entries * kEntry * 3 / 2 + RowBytes(size, n_entries);
}

/// While `n_entries`, which are in memory, are fitted.
int64_t FitBytes(const TrainingSize& size, const TrainOptions& options, int64_t n_entries, int64_t device_bytes) {
  const int64_t n_rows = size.n_users + size.n_items, longer = std::max(size.n_users, size.n_items);
  const int64_t factors = FactorBytes(size, options);
  if (options.algorithm == "popularity") return 0;
  if (HasLists(options.algorithm)) return factors + size.n_items * kListItem + size.n_users * kListUser;
  const int64_t transpose = n_entries * kEntry + size.n_items * 2 * kOffset;
  if (options.algorithm == "blend") {
    int64_t most = 0;
    for (const TrainOptions& component : options.components)
      most = std::max(most, FitBytes(size, component, n_entries, FactorBytes(size, component)));
    return RowBytes(size, n_entries) + factors + most;  // a slice's rest, the parts that are there, and one more
  }
  if (options.algorithm == "ease") return transpose + 2 * EaseBytes(size.n_items) + 2 * factors;
  if (!HasNFactors(options)) return transpose + 3 * factors;  // as they are found, as they come down, as they are kept
  if (!IsAls(options)) {
    const int64_t k = options.als.n_factors, shorter = std::min(size.n_users, size.n_items);
    const int64_t rest = options.svd.shrinkage && options.algorithm == "svd" ? 0 : RowBytes(size, n_entries);
    const bool reads_attributes = options.algorithm == "content";
    const int64_t regression = reads_attributes
                                   ? 7 * size.n_features * k * kFloat + 3 * size.n_feature_entries * kEntry +
                                         2 * (longer * k * kFloat + RowBytes(size, n_entries))
                                   : 0;
    return regression + rest + transpose + std::min(shorter, 10 * k + 256) * shorter * kFloat + 3 * factors;
  }
  const int64_t of_ratings =  // their targets and weights, and the users' solution for a bias of 1
      options.als.objective.has_ratings() ? 3 * n_entries * kFloat + size.n_users * options.als.n_factors * kFloat : 0;
  return transpose + of_ratings + device_bytes + factors + n_rows * kFloat +
         longer * 2 * static_cast<int64_t>(sizeof(double));
}

int64_t EvaluateBytes(const TrainingSize& size, const TrainOptions& options) {
  const int64_t factors = FactorBytes(size, options);
  if (size.n_held_out_users == 0) return factors;
  const int64_t joined = options.algorithm == "blend" ? factors : 0;  // a blend's parts as one scorer
  const int64_t packed = size.n_items * NFactors(size, options) * kFloat;
  const int64_t block = std::min(size.n_held_out_users, kBlockUsers) *
                        (NFactors(size, options) * kFloat + 4 * std::min(options.k, size.n_items) * kEntry);
  const int64_t scored = std::min<int64_t>(kMostScoredPairs, size.n_held_out_users * options.k) * (kFloat + 1);
  return factors + joined + packed + block + size.n_held_out_users * kBytesOfHeldOutUser + scored;
}

/// What would help a training that needs `excess` bytes less.
std::string Remedy(const TrainingSize& size, TrainOptions options, int64_t excess, int64_t device_bytes) {
  const int64_t all_factors = options.als.n_factors, more = MoreHostBytes(size, options, device_bytes);
  for (int64_t f = (all_factors - 1) / 8 * 8; f >= 8 && HasNFactors(options); f -= 8) {
    options.als.n_factors = f;
    if (more - MoreHostBytes(size, options, device_bytes / all_factors * f) >= excess)
      return fmt::format("; --n-factors {} would do", f);
  }
  return "; less data, or a machine with more memory, would do";
}

/// MoreHostBytes, which must be there.
int64_t Require(const TrainingSize& size, const TrainOptions& options, int64_t device_bytes) {
  const int64_t more = MoreHostBytes(size, options, device_bytes), available = AvailableMemory();
  if (available == 0 || more <= available) return more;
  const std::string factors = HasNFactors(options) ? fmt::format(" and n_factors {}", options.als.n_factors) : "";
  throw Error(
      ErrorCode::kOutOfMemory,
      fmt::format("{} of {} users x {} items with {} entries{} needs {} of memory beside its data; {} are there{}",
                  options.algorithm, size.n_users, size.n_items, std::max(size.n_entries, size.n_all_entries), factors,
                  BytesText(more), BytesText(available), Remedy(size, options, more - available, device_bytes)));
}

/// An item-item matrix with as many entries in each row as ease keeps.
Csr EvenItemItem(int64_t n_items, int64_t n_neighbours) {
  const int64_t k = std::min(n_neighbours, n_items), step = n_items / std::max<int64_t>(k, 1);
  Csr item_item;
  item_item.n_rows = item_item.n_cols = n_items;
  for (int64_t j = 0; j < n_items; ++j) {
    for (int64_t e = 0; e < k; ++e) item_item.indices.push_back(static_cast<int32_t>(e * step + j % step));
    item_item.indptr.push_back(std::ssize(item_item.indices));
  }
  item_item.values.assign(item_item.indices.size(), 1.0f);
  return item_item;
}

/// Seconds of an evaluation: measured on some users, by random factors as long as items are popular.
double MeasureEvaluation(Backend& backend, const CsrView& interactions, const CsrView& held_out,
                         const TrainOptions& options, ThreadPool& pool) {
  constexpr size_t kUsers = 512;
  std::vector<int32_t> users;
  for (int64_t user = 0; user < held_out.n_rows; ++user)
    if (!held_out.row(user).empty()) users.push_back(static_cast<int32_t>(user));
  const size_t n_all = users.size(), step = std::max<size_t>(1, n_all / kUsers);
  for (size_t i = 0; i * step < n_all; ++i) users[i] = users[i * step];
  users.resize((n_all + step - 1) / step);

  const Csr history = SelectRows(interactions, users);
  Holdout holdout;
  holdout.relevant = SelectRows(held_out, users);
  holdout.n_missing_items.assign(users.size(), 0);
  const std::vector<float> popularity = ItemPopularity(interactions);
  AlsOptions random = options.als;
  std::vector<float> item_factors = RandomFactors(random, interactions.n_cols);
  for (size_t e = 0; e < item_factors.size(); ++e)
    item_factors[e] *= std::sqrt(popularity[e / static_cast<size_t>(options.als.n_factors)]);
  ++random.seed;
  const std::vector<float> user_factors = RandomFactors(random, history.n_rows);
  ModelView model;
  model.algorithm = "svd";  // scores are products of factors, and nothing is folded in
  model.history = history.view();
  model.popularity = popularity;
  model.user_factors = {user_factors.data(), history.n_rows, options.als.n_factors};
  model.item_factors = {item_factors.data(), history.n_cols, options.als.n_factors};

  Csr item_item;
  if (options.algorithm == "ease") {
    item_item = EvenItemItem(interactions.n_cols, options.n_neighbours);
    model.algorithm = options.algorithm;
    model.item_item = item_item.view();
  }

  Stopwatch watch;
  const Ranker ranker(backend, model, nullptr);
  watch.Done("once");
  Evaluate(ranker, holdout, options.k, {&pool});
  watch.Done("lists");
  return watch.seconds()["once"].get<double>() +
         watch.seconds()["lists"].get<double>() * static_cast<double>(n_all) / static_cast<double>(users.size());
}

}  // namespace

AlsShape TrainingSize::Shape(const TrainOptions& options) const {
  return {n_users,
          n_items,
          std::max(n_entries, n_all_entries),
          options.als.n_factors,
          options.als.objective.has_ratings(),
          options.als.solver.method,
          longest_row};
}

int64_t MoreHostBytes(const TrainingSize& size, const TrainOptions& options, int64_t device_bytes) {
  const int64_t rows = size.is_summed ? 0 : RowBytes(size, size.n_entries);
  int64_t most = size.is_summed ? 0 : SumBytes(size, size.n_entries);
  most = std::max(most, rows + FitBytes(size, options, size.n_entries, device_bytes));
  most = std::max(most, rows + EvaluateBytes(size, options));
  if (options.evaluate_every > 0)  // both at once, on one copy of the factors
    most = std::max(most, rows + FitBytes(size, options, size.n_entries, device_bytes) + EvaluateBytes(size, options) -
                              FactorBytes(size, options));
  if (size.n_all_entries > 0) {
    const int64_t before = rows - RowBytes(size, size.n_entries);  // what the fit saw is gone
    most = std::max(most, before + SumBytes(size, size.n_all_entries));
    most = std::max(
        most, before + RowBytes(size, size.n_all_entries) + FitBytes(size, options, size.n_all_entries, device_bytes));
  }
  const int64_t n_coded = NFactors(size, options), codes = n_coded > 0 ? size.n_items * (n_coded + kCodedItem) : 0;
  return std::max(most, rows + FactorBytes(size, options) + codes + size.n_kept_events * kEvent);
}

json PlanMemory(WorkingBackend& working, const TrainingSize& size, const TrainOptions& options) {
  json plan;
  bool on_host = true;  // a device without threads has memory of its own
  AlsPlan device;
  working.Try([&](const Backend& backend) { on_host = backend.Describe().n_threads > 0; });
  int64_t more = Require(size, options, IsAls(options) && on_host ? FactorBytes(size, options) : 0);
  if (IsAls(options) && working.Try([&](const Backend& backend) { device = backend.PlanAls(size.Shape(options)); })) {
    plan["device"] = {
        {"peak_bytes", device.peak_bytes}, {"available_bytes", device.available_bytes}, {"streamed", device.streamed}};
    more = Require(size, options, on_host ? device.peak_bytes : 0);
  }
  const int64_t resident = ResidentMemory();
  plan["peak_memory_bytes"] = std::max(PeakMemory(), resident + more);
  plan["available_memory_bytes"] = resident + AvailableMemory();
  return plan;
}

json PlanSeconds(WorkingBackend& working, const CsrView& interactions, const CsrView& held_out,
                 const TrainingSize& size, const TrainOptions& options, int64_t n_half_steps, int64_t version_bytes,
                 ThreadPool& pool, json seconds) {
  Stopwatch watch;
  const bool evaluates = size.n_held_out_users > 0, refits = size.n_all_entries > 0;
  const double refit_size = static_cast<double>(size.n_all_entries) / static_cast<double>(size.n_entries);
  const double fitted = seconds.value("fit", 0.0);  // before it was resumed
  const double summed = seconds.value("sum", 0.0);
  seconds["publish"] = static_cast<double>(version_bytes) / kPublishRate;
  seconds["sum"] = summed * (1 + refit_size);
  for (const auto& [part, is_there] : {std::pair("fit", true), {"evaluate", evaluates}, {"refit", refits}})
    if (is_there) seconds[part] = options.algorithm == "popularity" ? json(0.0) : json();
  const bool is_ease = options.algorithm == "ease";
  if (evaluates && (IsAls(options) || is_ease || options.algorithm == "svd" || HasLists(options.algorithm)))
    working.Try([&](Backend& on) {
      TrainOptions measured = options;
      if (HasLists(options.algorithm)) measured.als.n_factors = size.n_lists;
      if (is_ease) measured.als.n_factors = 1;
      const double once = MeasureEvaluation(on, interactions, held_out, measured, pool);
      seconds["evaluate"] = once;
      if (options.evaluate_every > 0)
        seconds["evaluate_epochs"] = once * static_cast<double>((options.als.epochs - 1) / options.evaluate_every);
    });
  if (HasLists(options.algorithm)) {  // a pass over the events, as summing them up is
    seconds["fit"] = summed;
    if (refits) seconds["refit"] = summed * refit_size;
  }
  EaseSeconds ease;
  if (is_ease &&
      working.Try([&](Backend& on) { ease = MeasureEase(on, interactions, EaseOptionsOf(options), pool); })) {
    seconds["fit"] = ease.gramian + ease.inverse;
    if (refits) seconds["refit"] = ease.gramian * refit_size + ease.inverse;
  }
  AlsSeconds als;
  if (IsAls(options) && working.Try([&](Backend& on) { als = MeasureAls(on, interactions, options.als); })) {
    const int64_t n = 2 * options.als.epochs + 1;
    const bool ratings = options.als.objective.has_ratings();  // solves the users once more at the end, for the biases
    const auto fit = [&](int64_t from) {
      return als.fit((n + 1) / 2 - (from + 1) / 2 + (ratings ? 1 : 0), n / 2 - from / 2);
    };
    seconds["fit"] = fitted + fit(n_half_steps);
    if (refits) seconds["refit"] = fit(0) * refit_size;
  }
  watch.Done("plan");
  seconds.update(watch.seconds());
  double total = 0;
  bool is_known = true;
  for (const json& part : seconds) {
    is_known = is_known && part.is_number();
    total += part.is_number() ? part.get<double>() : 0;
  }
  seconds["total"] = is_known ? json(total) : json();
  return seconds;
}

std::string PlanText(const json& plan) {
  std::string text = fmt::format("memory: at most {}, of {} there", BytesText(plan["peak_memory_bytes"].get<int64_t>()),
                                 BytesText(plan["available_memory_bytes"].get<int64_t>()));
  if (plan.contains("device") && plan["device"]["streamed"].get<bool>()) text += "; the interactions stay on the host";
  const json& seconds = plan["seconds"];
  std::string parts;
  for (const char* part : {"load", "sum", "plan", "fit", "evaluate_epochs", "evaluate", "refit", "publish"})
    if (const auto found = seconds.find(part); found != seconds.end())
      parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", part,
                           found->is_number() ? NumberText(found->get<double>()) : "unknown");
  const json& total = seconds["total"];
  return text + fmt::format("; seconds: {} ({})",
                            total.is_number() ? "about " + NumberText(total.get<double>()) : "unknown", parts);
}

}  // namespace kindred
