#include "training/pipeline.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <optional>
#include <utility>

#include "host/data/dataset.h"
#include "host/evaluation/holdout_file.h"
#include "host/models/model.h"
#include "host/ranking/ranker.h"
#include "training/working_backend.h"

namespace kindred {
namespace {

using nlohmann::json;

// Seconds of the parts of a training, by name.
class Stopwatch {
 public:
  void Done(const char* part) {
    const auto now = std::chrono::steady_clock::now();
    seconds_[part] = std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }
  const json& seconds() const { return seconds_; }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  json seconds_ = json::object();
};

// A fitted model with the memory behind its view.
struct Fitted {
  Csr history;
  AlsFactors factors;
  std::vector<float> popularity;
  std::vector<AlsEpoch> epochs;
  json backend;  // what it was fitted on
  AlsPlan plan;

  ModelView view(const Dataset& dataset, const TrainOptions& options) const {
    ModelView view;
    view.algorithm = options.algorithm;
    view.users = dataset.users();
    view.items = dataset.items();
    view.history = history.view();
    view.popularity = popularity;
    view.objective = options.als.objective;
    if (options.algorithm != "als") return view;
    const int64_t f = options.als.n_factors;
    view.user_factors = {factors.user_factors.data(), history.n_rows, f};
    view.item_factors = {factors.item_factors.data(), history.n_cols, f};
    view.eigenvalues = factors.eigenvalues;
    return view;
  }
};

class Training {
 public:
  Training(const TrainOptions& options, const TrainEvents& events)
      : options_(options),
        events_(events),
        pool_(options.n_threads),
        backend_(options.backend, options.n_threads, options.gram_precision, events.warning) {}

  json Run() {
    const ModelStore store(options_.store);
    store.ModelPath(options_.model);  // refuses a name that does not do
    CheckListLength(options_.k);
    Stage("reading " + options_.dataset);
    dataset_ = Dataset::Open(options_.dataset);
    weighting_ = options_.weighting.Of(dataset_->weighting());
    CheckWeighting(weighting_, dataset_->events().type_names, !dataset_->events().times.empty());
    WarnOfFuture();
    const Split split = HoldOut();
    const TrainingLock lock = store.Lock(options_.model);
    stopwatch_.Done("load");

    Stage(fmt::format("{} on {}", options_.algorithm, backend_.Text()));
    Fitted fitted = Fit(split.keep);
    stopwatch_.Done("fit");

    json report = Describe();
    const bool has_holdout = options_.split.kind != SplitKind::kNone || !options_.test_paths.empty();
    if (has_holdout) {
      Stage("evaluating");
      const Evaluation evaluation = backend_.Run("evaluating", [&](Backend& backend) {
        return Evaluate(Ranker(backend, fitted.view(*dataset_, options_), nullptr), split.holdout, options_.k);
      });
      report["metrics"] = MetricsJson(evaluation);
      report["holdout"].update(HoldoutJson(evaluation));
      if (options_.split.kind == SplitKind::kTime) report["holdout"]["from_time"] = split.moment;
      stopwatch_.Done("evaluate");
    }
    const bool refit = has_holdout && options_.test_paths.empty() && options_.refit;
    if (refit) {
      Stage("fitting again on everything");
      fitted = Fit({});
      stopwatch_.Done("refit");
    }
    report["trained_on"] = !has_holdout || refit ? "everything" : "everything but the holdout";
    report["n_entries"] = fitted.history.view().nnz();
    report["epochs"] = json::array();
    for (const AlsEpoch& epoch : fitted.epochs)
      report["epochs"].push_back({{"epoch", epoch.epoch}, {"loss", epoch.loss}});
    if (options_.algorithm == "als") report["loss"] = fitted.factors.loss;
    report["backend"] = fitted.backend;
    if (!backend_.fell_back().empty()) report["fell_back"] = backend_.fell_back();

    return Publish(store, fitted, refit ? std::span<const uint8_t>() : split.keep, std::move(report));
  }

 private:
  void Stage(const std::string& message) const {
    if (events_.stage) events_.stage(message);
  }

  /// One event with a wrong clock would make all others count next to nothing.
  void WarnOfFuture() const {
    const std::optional<int64_t> last = weighting_.decays() ? LastTime(dataset_->events()) : std::nullopt;
    const double days = last ? (static_cast<double>(*last) - static_cast<double>(std::time(nullptr))) / 86400 : 0;
    if (days < 1 || !events_.warning) return;
    events_.warning(
        fmt::format("the last event is {:.0f} days in the future, and the half-life counts back from there", days));
  }

  Split HoldOut() {
    if (options_.test_paths.empty())
      return SplitEvents(dataset_->events(), dataset_->items().size(), options_.split, weighting_, &pool_);
    Split split;
    split.holdout =
        ReadHoldout(options_.test_paths, options_.test_reader, dataset_->users(), dataset_->items(), weighting_);
    const EventsView& events = dataset_->events();
    const CsrView held = split.holdout.relevant.view();
    split.keep.assign(static_cast<size_t>(events.size()), 1);
    for (int64_t user = 0; user < events.n_users(); ++user) {
      const auto items = held.row(user);
      for (int64_t e = events.indptr[static_cast<size_t>(user)]; e < events.indptr[static_cast<size_t>(user) + 1]; ++e)
        if (std::binary_search(items.begin(), items.end(), events.items[static_cast<size_t>(e)]))
          split.keep[static_cast<size_t>(e)] = 0;
    }
    return split;
  }

  Csr Sum(std::span<const uint8_t> keep) {
    Csr interactions = SumEvents(dataset_->events(), dataset_->items().size(),
                                 {weighting_, keep, &pool_, &dataset_->users(), &dataset_->items()});
    if (interactions.indices.empty())
      throw Error(ErrorCode::kInvalidArgument, options_.dataset + ": no interactions to train on: all events count 0");
    return interactions;
  }

  /// On the events that `keep` has; empty: all.
  Fitted Fit(std::span<const uint8_t> keep) {
    Csr interactions = Sum(keep);
    Fitted fitted;
    fitted.popularity = ItemPopularity(interactions.view());
    if (options_.algorithm == "als")
      fitted.factors = backend_.Run("fitting", [&](Backend& backend) {
        fitted.epochs.clear();
        const CsrView view = interactions.view();
        fitted.plan = backend.PlanAls({view.n_rows, view.n_cols, view.nnz(), options_.als.n_factors});
        Stage(fmt::format("memory: at most {} GiB, of {} there{}", GiB(fitted.plan.peak_bytes),
                          GiB(fitted.plan.available_bytes),
                          fitted.plan.streamed ? "; the interactions stay on the host" : ""));
        return FitAls(backend, interactions.view(), options_.als, [&](const AlsEpoch& epoch) {
          fitted.epochs.push_back(epoch);
          if (events_.epoch) events_.epoch(epoch);
        });
      });
    fitted.backend = backend_.Describe();
    if (options_.algorithm == "als") {
      fitted.backend["gram_precision"] = backend_.gram_precision();
      fitted.backend["memory"] = {{"planned_bytes", fitted.plan.peak_bytes},
                                  {"available_bytes", fitted.plan.available_bytes},
                                  {"streamed", fitted.plan.streamed}};
    }
    fitted.history = std::move(interactions);
    return fitted;
  }

  json Publish(const ModelStore& store, const Fitted& fitted, std::span<const uint8_t> keep, json report) {
    Stage("publishing");
    ModelView view = fitted.view(*dataset_, options_);
    const EventArrays kept = keep.empty() ? EventArrays() : KeepEvents(dataset_->events(), keep);
    view.events = keep.empty() ? dataset_->events() : kept.view();
    view.events.values = {};
    report["weighting"] = WeightingJson(weighting_);
    if (weighting_.decays()) report["weighting"]["reference_time"] = *LastTime(view.events);
    json manifest = report;
    manifest["seconds"] = stopwatch_.seconds();
    const int64_t version = PublishModel(store, options_.model, view, std::move(manifest));
    stopwatch_.Done("publish");
    report["version"] = version;
    report["path"] = store.VersionPath(options_.model, version).string();
    report["seconds"] = stopwatch_.seconds();
    return report;
  }

  json Describe() const {
    json report = {{"model", options_.model},
                   {"kindred_version", KINDRED_VERSION},
                   {"created_at", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
                   {"algorithm", options_.algorithm},
                   {"dataset", {{"path", options_.dataset}, {"digest", dataset_->digest()}}},
                   {"n_users", dataset_->users().size()},
                   {"n_items", dataset_->items().size()},
                   {"holdout", DescribeHoldout()}};
    if (options_.algorithm == "als") {
      report["n_factors"] = options_.als.n_factors;
      report["objective"] = {{"unobserved_weight", options_.als.objective.unobserved_weight},
                             {"regularization", options_.als.objective.regularization},
                             {"regularization_exponent", options_.als.objective.regularization_exponent}};
      report["n_epochs"] = options_.als.epochs;
      report["seed"] = options_.als.seed;
    }
    return report;
  }

  json DescribeHoldout() const {
    const SplitOptions& split = options_.split;
    if (!options_.test_paths.empty()) return {{"kind", "file"}, {"files", options_.test_paths}};
    switch (split.kind) {
      case SplitKind::kRandom:
        return {{"kind", "random"}, {"fraction", split.fraction}, {"seed", split.seed}};
      case SplitKind::kLeaveLastN:
        return {{"kind", "leave-last-n"}, {"n", split.n}};
      case SplitKind::kTime:
        return {{"kind", "time"}, {"fraction", split.has_moment ? json() : json(split.fraction)}};
      case SplitKind::kNone:
        break;
    }
    return {{"kind", "none"}};
  }

  const TrainOptions& options_;
  const TrainEvents& events_;
  ThreadPool pool_;  // for what is not the backend's
  WorkingBackend backend_;
  std::shared_ptr<const Dataset> dataset_;
  EventWeighting weighting_;
  Stopwatch stopwatch_;
};

}  // namespace

json Train(const TrainOptions& options, const TrainEvents& events) {
  if (options.algorithm != "als" && options.algorithm != "popularity")
    throw Error(ErrorCode::kUsage, "--algorithm '" + options.algorithm + "': expected als or popularity");
  if (!options.test_paths.empty() && options.split.kind != SplitKind::kNone)
    throw Error(ErrorCode::kUsage, "--test and --split both hold data out; expected one of them");
  return Training(options, events).Run();
}

}  // namespace kindred
