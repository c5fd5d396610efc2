#include "training/pipeline.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <utility>

#include "host/data/dataset.h"
#include "host/evaluation/holdout_file.h"
#include "host/evaluation/item_subset.h"
#include "host/evaluation/rated_holdout.h"
#include "host/models/model.h"
#include "host/models/other_versions.h"
#include "host/ranking/ranker.h"
#include "host/text/text.h"
#include "kernels/cpu/host_memory.h"
#include "kernels/cpu/item_codes.h"
#include "training/checkpoints.h"
#include "training/epoch_metrics.h"
#include "training/evaluating.h"
#include "training/explicit_feedback.h"
#include "training/fitting.h"
#include "training/report_values.h"
#include "training/solver_options.h"
#include "training/split_options.h"
#include "training/stopwatch.h"
#include "training/training_facts.h"
#include "training/training_plan.h"
#include "training/warm_start.h"
#include "training/working_backend.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr const char* kCalibration = "calibration_knots";  // of the report until it is done

bool HasHoldout(const TrainOptions& options) {
  return options.split.kind != SplitKind::kNone || !options.test_paths.empty();
}

/// Whether what is published is trained on everything although something was held out.
bool Refits(const TrainOptions& options) {
  return options.test_paths.empty() && options.refit;
}

/// As the evaluation measured it, if it did.
std::optional<double> NoiseVariance(const json& report) {
  const json found = report.value("/evaluation/uncertainty/noise_variance"_json_pointer, json());
  return found.is_number() ? std::optional(found.get<double>()) : std::nullopt;
}

/// The metrics an evaluation will have, without their values.
json KnownMetrics(const TrainOptions& options) {
  Evaluation evaluation;
  evaluation.k = options.k;
  json metrics = MetricsJson(evaluation);
  if (options.algorithm == "content" && options.split.kind == SplitKind::kItems)
    metrics.update(ColdMetricsJson(evaluation));
  return metrics;
}

class Training {
 public:
  Training(const TrainOptions& options, const TrainEvents& events)
      : options_(options),
        events_(events),
        store_(options.store),
        pool_(options.n_threads),
        backend_(options.backend, options.n_threads, options.gram_precision, events.warning),
        checkpoints_(store_, options, events, stopwatch_) {}

  json Run() {
    store_.ModelPath(options_.model);  // refuses a name that does not do
    CheckListLength(options_.k);
    Stage("reading " + options_.dataset);
    dataset_ = Dataset::Open(options_.dataset);
    weighting_ = options_.weighting.Of(dataset_->weighting());
    CheckWeighting(weighting_, dataset_->events().type_names, !dataset_->events().times.empty());
    if (ratings()) CheckExplicit(options_, *dataset_, weighting_);
    if (HasLists(options_.algorithm)) CheckLists(options_, *dataset_, events_);
    if (options_.algorithm == "content") CheckHasItemAttributes(*dataset_);
    WarnOfFuture();
    backend_.Run("planning", [&](Backend& on) { CheckCatalogue(on, dataset_->items().size(), options_); });
    PlanMemory(backend_, ExpectedSize(), options_);  // refused before anything large is made
    Split split = HoldOut();
    if (options_.plan_only) return PlanOnly(split);
    const ModelLock lock = store_.Lock(options_.model);
    RefuseSegments();
    store_.CheckRoom(options_.model, LeastBytes());
    const PublishGate gate(options_.gate, store_, options_.model, KnownMetrics(options_), DescribeHoldout());
    json report = Describe();
    if (options_.warm_start) BeginWarm(split.holdout, report);
    checkpoints_.Open(Settings(report));
    if (checkpoints_.resumed() != nullptr) stopwatch_.Begin(checkpoints_.resumed()->seconds);
    stopwatch_.Done("load");
    checkpoints_.StopIfAsked();

    const bool refits = HasHoldout(options_) && Refits(options_);
    Fitted fitted;
    if (const Checkpoint* resumed = checkpoints_.resumed(); refits && resumed && resumed->phase == kRefitPhase) {
      report = resumed->report;
      const json calibration = report.value(kCalibration, json::array({json::array(), json::array()}));
      calibration_ = {calibration.at(0).get<std::vector<float>>(), calibration.at(1).get<std::vector<float>>()};
    } else {
      Stage(fmt::format("{} on {}", options_.algorithm, backend_.Text()));
      fitted = Fit(kFitPhase, split.keep, &split.holdout, report);
      if (HasHoldout(options_)) EvaluateOn(split, fitted, report);
    }
    if (!options_.gate.empty()) report["gate"] = gate.Judge(report["metrics"]);
    const bool publish = !report.contains("gate") || report["gate"]["passed"].get<bool>();
    const bool refit = publish && refits;
    if (refit) {
      Stage("fitting again on everything");
      fitted = {};
      TrimMemory();
      fitted = Fit(kRefitPhase, {}, nullptr, report);
    }
    report.erase(kCalibration);
    report["trained_on"] = !HasHoldout(options_) || refit ? "everything" : "everything but the holdout";
    report["n_entries"] = fitted.history.view().nnz();
    report["epochs"] = json::array();
    for (const AlsEpoch& epoch : fitted.epochs)
      report["epochs"].push_back({{"epoch", epoch.epoch}, {"loss", epoch.loss}});
    if (const json fit = fitted.report(); !fit.empty()) {
      report[options_.algorithm] = fit;
      if (fit.contains("n_factors")) report["n_factors"] = fit["n_factors"];  // as it was chosen
    }
    if (options_.algorithm == "als") {
      report["loss"] = fitted.factors.loss;
      report["checkpoints"] = checkpoints_.Describe();
    }
    report["backend"] = fitted.backend;
    report["data"] = DataFacts(*dataset_);
    report["last_version"] = LastVersion(store_, options_.model, report);
    if (!publish) {
      report.update({{"published", false}, {"seconds", stopwatch_.seconds()}});
      return report;
    }
    return Publish(fitted, refit ? std::span<const uint8_t>() : split.keep, std::move(report));
  }

 private:
  void Stage(const std::string& message) const {
    if (events_.stage) events_.stage(message);
  }

  /// One event with a wrong clock would make all others count next to nothing.
  void WarnOfFuture() const {
    const bool decays = weighting_.decays(), ages = decays || HasLists(options_.algorithm);
    const std::optional<int64_t> last = ages ? LastTime(dataset_->events()) : std::nullopt;
    const double days = last ? (static_cast<double>(*last) - static_cast<double>(std::time(nullptr))) / 86400 : 0;
    if (days < 1 || !events_.warning) return;
    events_.warning(fmt::format("the last event is {:.0f} days in the future, and {} back from there", days,
                                decays ? "the half-life counts" : "ages count"));
  }

  /// What reads models reads no segments, and the other way round: a name is of one kind.
  void RefuseSegments() const {
    const json last = LastVersion(store_, options_.model, {});
    if (Member(last, "algorithm") == kSegmentsAlgorithm)
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("version {} of '{}' is one of segments, which `kindred segment` makes; expected another "
                              "name for a model",
                              last["version"].get<int64_t>(), options_.model));
  }

  bool ratings() const { return options_.als.objective.has_ratings(); }

  float RelevantRating(const Fitted& fitted) const { return options_.relevant_rating.value_or(fitted.biases.mean); }

  /// The pairs that are held out, with whatever rating.
  CsrView HeldOut(const Holdout& holdout) const { return ratings() ? rated_.ratings.view() : holdout.relevant.view(); }

  Split HoldOut() {
    const EventsView& events = dataset_->events();
    if (options_.test_paths.empty()) {
      Split split = SplitEvents(ratings() ? WithoutValues(events) : events, dataset_->items().size(), options_.split,
                                weighting_, &pool_);
      if (ratings() && !split.keep.empty()) rated_ = RateHoldout(split.holdout, events, split.keep, weighting_, &pool_);
      return split;
    }
    Split split;
    const auto read = [&](const auto& reader) {
      return reader(options_.test_paths, options_.test_reader, dataset_->users(), dataset_->items(), weighting_);
    };
    if (ratings())
      rated_ = read(ReadRatedHoldout);
    else
      split.holdout = read(ReadHoldout);
    const CsrView held = HeldOut(split.holdout);
    split.keep.assign(static_cast<size_t>(events.size()), 1);
    for (int64_t user = 0; user < events.n_users(); ++user) {
      const auto items = held.row(user);
      for (int64_t e = events.indptr[static_cast<size_t>(user)]; e < events.indptr[static_cast<size_t>(user) + 1]; ++e)
        if (std::binary_search(items.begin(), items.end(), events.items[static_cast<size_t>(e)]))
          split.keep[static_cast<size_t>(e)] = 0;
    }
    return split;
  }

  /// What the new version takes at least: ids and factors, and the events where none is left out.
  int64_t LeastBytes() const {
    const IdMap &users = dataset_->users(), &items = dataset_->items();
    const EventsView& events = dataset_->events();
    size_t bytes = users.bytes().size_bytes() + items.bytes().size_bytes();
    if (HasNFactors(options_)) {
      bytes += static_cast<size_t>((users.size() + items.size()) * options_.als.n_factors) * sizeof(float);
      if (!options_.als.objective.has_ratings()) bytes += static_cast<size_t>(items.size() * options_.als.n_factors);
    }
    if (HasLists(options_.algorithm)) bytes += static_cast<size_t>(users.size() + items.size()) * sizeof(float);
    if (!HasHoldout(options_) || Refits(options_))
      bytes += events.items.size_bytes() + events.times.size_bytes() + events.types.size_bytes();
    return static_cast<int64_t>(bytes);
  }

  /// Before the events are summed up: with the pairs that the dataset has as it was prepared.
  TrainingSize ExpectedSize() const {
    const int64_t n_events = dataset_->events().size();
    const json counted = dataset_->manifest().value("n_entries", json());
    const int64_t n_entries =
        counted.is_number_integer() ? std::clamp<int64_t>(counted.get<int64_t>(), 0, n_events) : n_events;
    const bool refits = HasHoldout(options_) && Refits(options_);
    const bool reads_attributes = options_.algorithm == "content";
    const MostFeatures items(reads_attributes ? dataset_->item_attributes() : AttributeTable());
    const MostFeatures users(reads_attributes ? dataset_->user_attributes() : AttributeTable());
    return {.n_users = dataset_->users().size(),
            .n_items = dataset_->items().size(),
            .n_entries = n_entries,
            .n_all_entries = refits ? n_entries : 0,
            .n_lists = HasLists(options_.algorithm) ? MostLists(options_, *dataset_) : 0,
            .n_features = std::max(items.n_features, users.n_features),
            .n_feature_entries = items.n_entries + users.n_entries};
  }

  /// Of a fit of these interactions; `holdout` is null where there is nothing to evaluate.
  json Plan(const CsrView& interactions, const Holdout* holdout) {
    TrainingSize size = ExpectedSize();
    size.n_entries = interactions.nnz();
    size.longest_row = LongestRow(interactions);
    const CsrView held_out = holdout == nullptr ? CsrView() : HeldOut(*holdout);
    for (int64_t user = 0; user < held_out.n_rows; ++user) size.n_held_out_users += held_out.row(user).empty() ? 0 : 1;
    size.n_kept_events = HasHoldout(options_) && !Refits(options_) ? dataset_->events().size() : 0;
    size.is_summed = true;
    json plan = PlanMemory(backend_, size, options_);
    const Checkpoint* resumed = checkpoints_.resumed();
    const int64_t n_half_steps = resumed != nullptr ? resumed->state.n_half_steps : 0;
    const int64_t version_bytes =
        LeastBytes() + static_cast<int64_t>(interactions.indices.size_bytes() + interactions.values.size_bytes());
    plan["seconds"] = PlanSeconds(backend_, interactions, held_out, size, options_, n_half_steps, version_bytes, pool_,
                                  stopwatch_.seconds());
    TrimMemory();  // of what was measured with
    stopwatch_.Done("plan");
    Stage("plan: " + PlanText(plan));
    return plan;
  }

  json PlanOnly(const Split& split) {
    json report = Describe();
    stopwatch_.Done("load");
    const Csr interactions = Sum(split.keep);
    stopwatch_.Done("sum");
    report["n_entries"] = interactions.view().nnz();
    report["plan"] = Plan(interactions.view(), &split.holdout);
    report["backend"] = backend_.Describe();
    return report;
  }

  Csr Sum(std::span<const uint8_t> keep) {
    Csr interactions = SumEvents(dataset_->events(), dataset_->items().size(),
                                 {weighting_, keep, &pool_, &dataset_->users(), &dataset_->items(),
                                  ratings() ? PairValue::kRating : PairValue::kConfidence});
    if (ratings()) CheckDetermined(interactions.view(), options_.als, dataset_->users(), dataset_->items());
    if (interactions.indices.empty())
      throw Error(ErrorCode::kInvalidArgument, options_.dataset + ": no interactions to train on: all events count 0");
    return interactions;
  }

  /// On the events that `keep` has; empty: all. Epochs are evaluated on `holdout`, if there is one. `report` is what is
  /// known so far.
  Fitted Fit(const char* phase, std::span<const uint8_t> keep, const Holdout* holdout, json& report) {
    Csr interactions = Sum(keep);
    stopwatch_.Done("sum");
    if (!report.contains("plan")) report["plan"] = Plan(interactions.view(), holdout);
    checkpoints_.Begin(phase, interactions.view(), report,
                       [&] { return warm_start_ ? warm_start_->State() : AlsState(); });
    try {
      EpochMetrics epoch_metrics(options_, events_, *dataset_, holdout, checkpoints_, pool_, stopwatch_);
      Fitted fitted = FitModel(backend_, std::move(interactions), {*dataset_, keep, weighting_}, options_, events_,
                               checkpoints_, epoch_metrics, pool_);
      stopwatch_.Done(phase);
      if (!backend_.fell_back().empty()) report["fell_back"] = backend_.fell_back();
      return fitted;
    } catch (const AlsRowError& error) {
      const IdMap& ids = error.is_user() ? dataset_->users() : dataset_->items();
      throw Error(error.code(), fmt::format("{}: {} '{}'", error.what(), error.is_user() ? "user" : "item",
                                            Printable(ids.Id(error.row()))));
    }
  }

  void EvaluateOn(Split& split, const Fitted& fitted, json& report) {
    Stage("evaluating");
    if (ratings()) {
      split.holdout = rated_.Relevant(RelevantRating(fitted));
      report["holdout"]["relevant_rating"] = RelevantRating(fitted);
      report["rating_errors"] = RatingErrorsJson(EvaluateRatings(fitted.view(*dataset_), rated_, &pool_));
    }
    Evaluated evaluated = EvaluateModel(backend_, fitted.view(*dataset_), nullptr, split.holdout,
                                        {&dataset_->user_attributes(), &dataset_->item_attributes()},
                                        {options_.k, options_.metrics_out, options_.overwrite_metrics, &pool_,
                                         [&] { checkpoints_.DuringWorkOn(fitted); }});
    report["metrics"] = std::move(evaluated.metrics);
    report["holdout"].update(evaluated.holdout);
    report["evaluation"] = std::move(evaluated.details);
    if (options_.evaluate_every > 0)
      report["evaluation"]["epochs"] = EpochMetricsJson(fitted.epochs, report["metrics"]);
    calibration_ = std::move(evaluated.calibration);
    report[kCalibration] = {calibration_.scores,
                            calibration_.probabilities};  // for a training that goes on from the refit
    if (options_.split.kind == SplitKind::kTime) report["holdout"]["from_time"] = split.moment;
    if (!backend_.fell_back().empty()) report["fell_back"] = backend_.fell_back();
    stopwatch_.Done("evaluate");
  }

  json Publish(const Fitted& fitted, std::span<const uint8_t> keep, json report) {
    checkpoints_.DuringWorkOn(fitted);
    Stage("publishing");
    ModelView view = fitted.view(*dataset_);
    const EventArrays kept = keep.empty() ? EventArrays() : KeepEvents(dataset_->events(), keep);
    view.events = keep.empty() ? dataset_->events() : kept.view();
    view.events.values = {};
    view.item_columns = dataset_->item_attributes();
    view.user_columns = dataset_->user_attributes();
    view.calibration = calibration_.view();
    view.noise_variance = NoiseVariance(report);
    std::optional<ItemCodes> codes;
    if (view.ranks_item_factors())
      view.item_codes =
          codes.emplace(ItemCodes::Of(view.item_factors, !view.has_item_item(), options_.n_threads)).view();
    report["weighting"] = WeightingJson(weighting_);
    if (weighting_.decays()) report["weighting"]["reference_time"] = *LastTime(view.events);
    report["peak_memory_bytes"] = PeakMemory();
    json manifest = report;
    manifest["seconds"] = stopwatch_.seconds();
    const int64_t version = PublishOrKeep(view, std::move(manifest), fitted);
    checkpoints_.Remove();
    stopwatch_.Done("publish");
    report["published"] = true;
    report["version"] = version;
    report["path"] = store_.VersionPath(options_.model, version).string();
    report["seconds"] = stopwatch_.seconds();
    return report;
  }

  int64_t PublishOrKeep(const ModelView& view, json manifest, const Fitted& fitted) {
    try {
      return PublishModel(store_, options_.model, view, std::move(manifest));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kIo) throw;
      throw Error(error.code(), error.what() + checkpoints_.Keep(fitted));
    }
  }

  void BeginWarm(const Holdout& holdout, json& report) {
    warm_start_.emplace(store_, options_.model, options_.als, *dataset_);
    json& warm_start = report["warm_start"] = warm_start_->Describe();
    Stage(fmt::format("starting from version {}, which has {} of {} users and {} of {} items",
                      warm_start["version"].get<int64_t>(), warm_start["n_users"].get<int64_t>(),
                      dataset_->users().size(), warm_start["n_items"].get<int64_t>(), dataset_->items().size()));
    if (!HasHoldout(options_)) return;
    const CsrView held = HeldOut(holdout);
    const int64_t n_seen = warm_start_->SeenPairs(held);
    warm_start["n_held_out_pairs"] = n_seen;
    if (n_seen > 0 && events_.warning)
      events_.warning(
          fmt::format("{} of the {} held-out pairs are in the version that this training starts from: the "
                      "metrics will flatter",
                      n_seen, held.nnz()));
  }

  /// All that decides the bits of the version, but the interactions and the device; see Checkpoints::Open.
  json Settings(json report) const {
    report.erase("created_at");
    report["dataset"].erase("path");
    report["holdout"].erase("files");
    report["weighting"] = WeightingJson(weighting_);
    report["split_time"] = options_.split.has_moment ? json(options_.split.moment) : json();
    report["k"] = options_.k;
    report["refit"] = options_.refit;
    if (ratings()) report["relevant_rating"] = options_.relevant_rating ? json(*options_.relevant_rating) : json();
    return report;
  }

  json Describe() const {
    json report = {{"model", options_.model},
                   {"kindred_version", KINDRED_VERSION},
                   {"created_at", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
                   {"dataset", {{"path", options_.dataset}, {"digest", dataset_->digest()}}},
                   {"n_users", dataset_->users().size()},
                   {"n_items", dataset_->items().size()},
                   {"holdout", DescribeHoldout()}};
    report.update(SettingsOf(options_));
    return report;
  }

  json DescribeHoldout() const {
    if (!options_.test_paths.empty()) return {{"kind", "file"}, {"files", options_.test_paths}};
    return SplitJson(options_.split);
  }

  const TrainOptions& options_;
  const TrainEvents& events_;
  const ModelStore store_;
  ThreadPool pool_;  // for what is not the backend's
  WorkingBackend backend_;
  std::shared_ptr<const Dataset> dataset_;
  EventWeighting weighting_;
  std::optional<WarmStart> warm_start_;
  RatedHoldout rated_;  // of explicit feedback
  Calibration calibration_;
  Stopwatch stopwatch_;
  Checkpoints checkpoints_;
};

}  // namespace

bool HasNFactors(const TrainOptions& options) {
  return options.algorithm == "als" || options.algorithm == "svd" || options.algorithm == "svd-filter" ||
         options.algorithm == "content";
}

json SettingsOf(const TrainOptions& options) {
  json settings = {{"algorithm", options.algorithm}};
  if (HasNFactors(options) || options.algorithm == "blend") settings["seed"] = options.als.seed;
  if (HasNFactors(options)) settings["n_factors"] = options.als.n_factors;
  if (options.algorithm == "als") {
    settings["objective"] = ObjectiveJson(options.als.objective);
    settings["n_epochs"] = options.als.epochs;
    if (options.als.solver.method != AlsMethod::kExact) settings["solver"] = SolverJson(options.als.solver);
  }
  return settings;
}

json Train(const TrainOptions& options, const TrainEvents& events) {
  if (!IsAlgorithm(options.algorithm))
    throw Error(ErrorCode::kUsage,
                fmt::format("--algorithm '{}': expected {}", Printable(options.algorithm), AlgorithmNames()));
  if (!options.test_paths.empty() && options.split.kind != SplitKind::kNone)
    throw Error(ErrorCode::kUsage, "--test and --split both hold data out; expected one of them");
  if (options.checkpoints.resume && !HasCheckpoints(options))
    throw Error(ErrorCode::kUsage, fmt::format("--resume is for --algorithm als; {} leaves no checkpoint: without "
                                               "--resume it starts anew and gives the same bits",
                                               options.algorithm));
  if (options.warm_start && options.algorithm != "als")
    throw Error(ErrorCode::kUsage, "--warm-start is for --algorithm als, and this is " + options.algorithm);
  if (options.plan_only && options.checkpoints.resume)
    throw Error(ErrorCode::kUsage,
                "--plan is of a whole training, and --resume goes on with one; expected one of them");
  if (options.algorithm == "als") CheckAlsOptions(options.als);
  if (IsFittedLinearly(options)) CheckLinearOptions(options);
  if (options.algorithm == "blend") CheckComponents(options);
  CheckEvaluateEvery(options, HasHoldout(options));
  CheckGate(options.gate, KnownMetrics(options), HasHoldout(options));
  if (!options.metrics_out.empty()) {
    if (!HasHoldout(options))
      throw Error(ErrorCode::kUsage, "--metrics-out: nothing is held out to measure; --split or --test does");
    CheckMetricsFolder(options.metrics_out, options.overwrite_metrics);
  }
  return Training(options, events).Run();
}

}  // namespace kindred
