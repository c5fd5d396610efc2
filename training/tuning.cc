#include "training/tuning.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <memory>
#include <optional>
#include <utility>

#include "host/data/dataset.h"
#include "host/data/random.h"
#include "host/evaluation/groups.h"
#include "host/evaluation/validation_slice.h"
#include "host/models/als.h"
#include "host/report/format.h"
#include "host/store/files.h"
#include "host/text/text.h"
#include "kernels/cpu/host_memory.h"
#include "training/differences.h"
#include "training/linear_fitting.h"
#include "training/split_options.h"
#include "training/stopwatch.h"
#include "training/training_plan.h"
#include "training/trial_fits.h"
#include "training/trial_journal.h"
#include "training/trial_search.h"
#include "training/tuning_text.h"
#include "training/working_backend.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr uint64_t kSampleSeed = 0x7a1e;

/// The holdout of about `most` of its users.
Holdout Sample(const ValidationSlice& slice, int64_t most, uint64_t seed) {
  const CsrView all = slice.held_out.relevant.view();
  const double part = static_cast<double>(most) / static_cast<double>(std::max(most, slice.n_users));
  Holdout sample = slice.held_out;
  Csr& kept = sample.relevant;
  kept.indptr = {0};
  kept.indices.clear();
  kept.values.clear();
  for (int64_t user = 0; user < all.n_rows; ++user) {
    if (RandomUniform(seed, static_cast<uint64_t>(user)) < part) {
      kept.indices.insert(kept.indices.end(), all.row(user).begin(), all.row(user).end());
      kept.values.insert(kept.values.end(), all.row_values(user).begin(), all.row_values(user).end());
    }
    kept.indptr.push_back(static_cast<int64_t>(kept.indices.size()));
  }
  return sample;
}

int64_t CountUsers(const Holdout& holdout) {
  const CsrView view = holdout.relevant.view();
  int64_t n = 0;
  for (int64_t user = 0; user < view.n_rows; ++user) n += view.row(user).empty() ? 0 : 1;
  return n;
}

/// The metric of a model over users, and of each.
struct Measured {
  double value = 0;
  std::vector<double> users;
};

/// Of a trial whose model grows by epochs.
struct BestEpoch {
  TrialModel model;
  double gained = NAN;  // the last value that was a gain, and its epoch
  int64_t gained_at = 0;
};

/// The best value that a trial had on the sample by an epoch; NaN: none.
double BestBy(const Trial& trial, int64_t epoch) {
  double best = NAN;
  for (const auto& [at, value] : trial.curve)
    if (at <= epoch) best = std::fmax(best, value);
  return best;
}

class Tuning {
 public:
  Tuning(const TuneOptions& options, const TuneEvents& events)
      : options_(options),
        events_(events),
        train_(options.train),
        space_(SpaceOf(options.train.algorithm, options.settings)),
        pool_(train_.n_threads),
        backend_(train_.backend, train_.n_threads, train_.gram_precision, events.warning) {
    SetAlgorithmDefaults(&train_);
    train_.evaluate_every = kEpochStep;  // what its plan reckons with
  }

  json Run() {
    Stage("reading " + train_.dataset);
    dataset_ = Dataset::Open(train_.dataset);
    backend_.Run("planning", [&](Backend& on) { CheckCatalogue(on, dataset_->items().size(), train_); });
    MakeSlice();
    LimitFactors();
    const json settings = Settings();
    if (options_.resume)
      journal_.emplace(TrialJournal::Resume(JournalPath(options_), settings, space_));
    else
      journal_.emplace(TrialJournal::Start(JournalPath(options_), settings, options_.overwrite));
    n_resumed_ = std::ssize(trials());
    if (options_.resume) GoOn();
    Stage(fmt::format("{} on {}, {} users of the validation slice", train_.algorithm, backend_.Text(), slice_.n_users));
    stopwatch_.Done("load");
    if (HasMore()) backend_.Run("tuning", [&](Backend& backend) { RunTrials(backend); });
    stopwatch_.Done("trials");
    const Trial* best = Best();
    if (best == nullptr)
      throw Error(ErrorCode::kNumeric, fmt::format("none of the {} trials is complete; the last one: {}",
                                                   trials().size(), trials().back().why));
    json report = Report(*best);
    WriteNewFile(options_.out, TunedToml(report, options_.config), options_.overwrite || options_.resume);
    return report;
  }

 private:
  void Stage(const std::string& message) const {
    if (events_.stage) events_.stage(message);
  }
  const std::vector<Trial>& trials() const { return journal_->trials(); }

  void GoOn() const {
    Stage(fmt::format("going on after {} trials, from '{}'", n_resumed_, journal_->path().string()));
    const json here = backend_.Bits();
    const auto other = std::ranges::find_if(trials(), [&](const Trial& trial) { return trial.device != here; });
    if (other != trials().end() && events_.warning)
      events_.warning(
          fmt::format("trial {} was made on another device ({} there, {} here): what follows may not be what it would "
                      "have been on that one",
                      other->number, SettingText(&other->device), SettingText(&here)));
  }

  bool HasMore() const { return std::ssize(trials()) < options_.n_trials; }
  std::string MetricName() const { return fmt::format("{}_at_{}", options_.metric, train_.k); }
  bool sample_is_all() const { return n_sample_ == slice_.n_users; }

  void StopIfAsked() const {
    const std::string reason = events_.stop ? events_.stop() : "";
    if (reason.empty()) return;
    throw Error(ErrorCode::kIo,
                fmt::format("stopped by {} after {} of {} trials; the same command with --resume goes on from '{}'",
                            reason, trials().size(), options_.n_trials, journal_->path().string()));
  }

  void MakeSlice() {
    weighting_ = train_.weighting.Of(dataset_->weighting());
    const EventsView& events = dataset_->events();
    const int64_t n_items = dataset_->items().size();
    CheckWeighting(weighting_, events.type_names, !events.times.empty());
    const Split split = SplitEvents(events, n_items, train_.split, weighting_, &pool_);
    const Csr interactions =
        SumEvents(events, n_items, {weighting_, split.keep, &pool_, &dataset_->users(), &dataset_->items()});
    slice_ = HoldOutSlice(interactions.view(), {options_.validation_fraction, options_.max_users, train_.als.seed});
    if (slice_.n_users < kLeastSliceUsers)
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("{}: only {} users have something in the validation slice, which takes users with {} items "
                      "or more; expected {} at least: more data, or a larger --validation-fraction",
                      train_.dataset, slice_.n_users, kLeastSliceItems, kLeastSliceUsers));
    sample_ = Sample(slice_, options_.sample_users, RandomBits(train_.als.seed, kSampleSeed));
    n_sample_ = CountUsers(sample_);
    popularity_ = ItemPopularity(slice_.rest.view());
  }

  /// Takes those numbers of factors out of the space that the memory does not do for.
  void LimitFactors() {
    const auto factors = std::ranges::find(space_.parameters, "n-factors", &SearchParameter::name);
    if (factors == space_.parameters.end()) return;
    const CsrView rest = slice_.rest.view();
    const TrainingSize size = {.n_users = rest.n_rows,
                               .n_items = rest.n_cols,
                               .n_entries = rest.nnz(),
                               .longest_row = LongestRow(rest),
                               .n_held_out_users = slice_.n_users,
                               .is_summed = true};
    const auto problem = [&](double n_factors) -> std::string {
      TrainOptions options = train_;
      options.als.n_factors = std::llround(n_factors);
      try {
        const json plan = PlanMemory(backend_, size, options);
        const int64_t best_epoch = (rest.n_rows + rest.n_cols) * options.als.n_factors * 4;  // kept beside the fit
        const int64_t peak = plan["peak_memory_bytes"].get<int64_t>() + best_epoch;
        const int64_t available = plan["available_memory_bytes"].get<int64_t>();
        if (available == 0 || peak <= available) return "";
        return fmt::format("it takes {} of memory, and {} are there", BytesText(peak), BytesText(available));
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kOutOfMemory) throw;
        return error.what();
      }
    };
    std::string last;
    while (!factors->choices.empty() && !(last = problem(factors->choices.back())).empty()) {
      if (factors->choices.size() == 1) throw Error(ErrorCode::kOutOfMemory, last);
      if (events_.warning) events_.warning(fmt::format("no trial has {} factors: {}", factors->choices.back(), last));
      factors->choices.pop_back();
      factors->is_set = true;
    }
  }

  /// All that decides the trials.
  json Settings() const {
    json settings = {{"algorithm", train_.algorithm},
                     {"dataset", dataset_->digest()},
                     {"metric", MetricName()},
                     {"seed", train_.als.seed},
                     {"validation_fraction", options_.validation_fraction},
                     {"max_users", options_.max_users},
                     {"sample_users", options_.sample_users},
                     {"split", SplitJson(train_.split)},
                     {"weighting", WeightingJson(weighting_)},
                     {"space", space_.Json()},
                     {kSpreadSetting, std::max<int64_t>(2, (options_.n_trials + 2) / 3)}};
    if (train_.algorithm == "als") settings["max_epochs"] = train_.als.epochs;
    if (train_.algorithm == "ease") settings["max_items"] = train_.max_items;
    return json::parse(settings.dump(-1, ' ', false, json::error_handler_t::replace));  // as a journal has them
  }

  /// With as many factors as any trial may have.
  TrainOptions LargestOptions() const {
    TrainOptions largest = space_.Options(train_, space_.Defaults());
    for (const SearchParameter& parameter : space_.parameters)
      if (parameter.name == "n-factors")
        parameter.set(largest, std::max<double>(parameter.choices.back(), static_cast<double>(largest.als.n_factors)));
    return largest;
  }

  void RunTrials(Backend& backend) {
    best_users_.clear();
    const std::unique_ptr<TrialFits> fits =
        NewTrialFits(backend, slice_.rest.view(), LargestOptions(), {.warning = events_.warning}, pool_);
    const auto n_spread = journal_->settings()[kSpreadSetting].get<int64_t>();
    while (HasMore()) {
      StopIfAsked();
      const std::optional<SearchPoint> point = NextPoint(space_, trials(), n_spread, train_.als.seed);
      if (!point) {
        if (events_.warning)
          events_.warning(fmt::format("all there is to try is tried after {} trials", trials().size()));
        return;
      }
      journal_->Append(RunTrial(backend, *fits, *point), space_);
      Stage(TrialText(TrialJson(trials().back(), space_), options_.n_trials, MetricName(),
                      Best() == nullptr ? json() : TrialJson(*Best(), space_)));
    }
  }

  Trial RunTrial(Backend& backend, TrialFits& fits, const SearchPoint& point) {
    Stopwatch watch;
    Trial trial;
    trial.number = std::ssize(trials()) + 1;
    trial.point = point;
    BestEpoch best;
    try {
      fits.Fit(space_.Options(train_, point), [&](int64_t epoch, const std::function<TrialModel()>& model) {
        StopIfAsked();
        return epoch == 0 ? OneStep(backend, fits, model(), trial) : Epoch(backend, epoch, model, trial, best);
      });
      if (trial.epochs > 0 && trial.state == TrialState::kComplete)
        trial.value = sample_is_all() ? trial.sample_value : Measure(backend, best.model, slice_.held_out).value;
    } catch (const Error& error) {
      const bool lacks_memory = error.code() == ErrorCode::kOutOfMemory && !backend_.may_fall_back();
      if (error.code() != ErrorCode::kNumeric && !lacks_memory) throw;
      trial.state = TrialState::kFailed;
      trial.why = error.what();
    }
    watch.Done("trial");
    trial.seconds = watch.seconds()["trial"].get<double>();
    trial.device = backend_.Bits();
    return trial;
  }

  /// Measures an epoch's model; false where the fit is to end.
  bool Epoch(Backend& backend, int64_t epoch, const std::function<TrialModel()>& model, Trial& trial, BestEpoch& best) {
    if (epoch % kEpochStep != 0 && epoch != train_.als.epochs) return true;
    TrialModel now = model();
    const double value = Measure(backend, now, sample_).value;
    trial.curve.emplace_back(epoch, value);
    if (!(value <= trial.sample_value)) {
      trial.sample_value = value;
      trial.epochs = epoch;
      best.model = std::move(now);
    }
    if (!(value <= best.gained * (1 + kLeastGain))) {
      best.gained = value;
      best.gained_at = epoch;
    }
    const double median = MedianBy(epoch);
    if (trial.sample_value < median) {
      trial.state = TrialState::kStopped;
      trial.why = fmt::format("{:.4f} after epoch {} is below the median of the complete trials, {:.4f}",
                              trial.sample_value, epoch, median);
      return false;
    }
    return epoch - best.gained_at < kPatience * kEpochStep;
  }

  /// Of what the complete trials had on the sample by an epoch, the lower of two; NaN where they are too few.
  double MedianBy(int64_t epoch) const {
    std::vector<double> values;
    for (const Trial& trial : trials())
      if (const double best = BestBy(trial, epoch); trial.state == TrialState::kComplete && !std::isnan(best))
        values.push_back(best);
    if (std::ssize(values) < kLeastForMedian) return NAN;
    const auto middle = values.begin() + (std::ssize(values) - 1) / 2;
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
  }

  /// Measures a model that is all there is of its trial.
  bool OneStep(Backend& backend, TrialFits& fits, const TrialModel& model, Trial& trial) {
    Measured on_sample = Measure(backend, model, sample_);
    trial.sample_value = on_sample.value;
    const Trial* best = Best();
    if (best != nullptr && !sample_is_all()) {
      const std::vector<double>& of_best = BestUsers(backend, fits, *best);
      std::vector<double> differences;
      for (size_t u = 0; u < of_best.size(); ++u) differences.push_back(on_sample.users[u] - of_best[u]);
      if (const MeanInterval interval = MeanOf(differences, -1, 1); interval.high < 0) {
        trial.state = TrialState::kStopped;
        trial.why = fmt::format("on the sample it is {:.4f} to {:.4f} below trial {}, at 95 %", -interval.high,
                                -interval.low, best->number);
        return false;
      }
    }
    trial.value = sample_is_all() ? trial.sample_value : Measure(backend, model, slice_.held_out).value;
    if (best == nullptr || trial.value > best->value) {
      best_users_ = std::move(on_sample.users);
      best_number_ = trial.number;
    }
    return false;
  }

  /// Of the users of the sample; a search that was resumed fits the best trial once more.
  const std::vector<double>& BestUsers(Backend& backend, TrialFits& fits, const Trial& best) {
    if (best_users_.empty() || best_number_ != best.number) {
      fits.Fit(space_.Options(train_, best.point), [&](int64_t, const std::function<TrialModel()>& model) {
        best_users_ = Measure(backend, model(), sample_).users;
        return false;
      });
      best_number_ = best.number;
    }
    return best_users_;
  }

  Measured Measure(Backend& backend, const TrialModel& model, const Holdout& holdout) {
    ModelView view = model.view;
    view.history = slice_.rest.view();
    view.popularity = popularity_;
    const Evaluation evaluation =
        Evaluate(Ranker(backend, view, model.keep), holdout, train_.k, {&pool_, {}, [this] { StopIfAsked(); }});
    const bool recall = options_.metric == "recall";
    Measured measured = {recall ? evaluation.model.recall : evaluation.model.ndcg, {}};
    for (size_t user = 0; user < evaluation.users.size(); ++user)
      measured.users.push_back(evaluation.of_model.row(user)[recall ? kRecall : kNdcg]);
    return measured;
  }

  /// The first of the best trials; null where none is complete.
  const Trial* Best() const {
    const Trial* best = nullptr;
    for (const Trial& trial : trials())
      if (trial.state == TrialState::kComplete && (best == nullptr || trial.value > best->value)) best = &trial;
    return best;
  }

  json Report(const Trial& best) const {
    json report = {{"algorithm", train_.algorithm},
                   {"dataset", {{"path", train_.dataset}, {"digest", dataset_->digest()}}},
                   {"kindred_version", KINDRED_VERSION},
                   {"created_at", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
                   {"metric", MetricName()},
                   {"seed", train_.als.seed},
                   {"split", SplitJson(train_.split)},
                   {"weighting", WeightingJson(weighting_)},
                   {"slice",
                    {{"fraction", options_.validation_fraction},
                     {"n_users", slice_.n_users},
                     {"n_pairs", slice_.held_out.relevant.view().nnz()},
                     {"n_entries", slice_.rest.view().nnz()},
                     {"n_sample_users", n_sample_}}},
                   {"space", space_.Json()},
                   {"first_is_defaults", space_.Defaults() == SpaceOf(train_.algorithm).Defaults()},
                   {"trials", json::array()},
                   {"best", TrialJson(best, space_)},
                   {"n_resumed", n_resumed_},
                   {"out", options_.out},
                   {"journal", journal_->path().string()},
                   {"backend", backend_.Describe()},
                   {"peak_memory_bytes", PeakMemory()},
                   {"seconds", stopwatch_.seconds()}};
    if (train_.algorithm == "als") report["max_epochs"] = train_.als.epochs;
    if (!backend_.fell_back().empty()) report["fell_back"] = backend_.fell_back();
    for (const Trial& trial : trials()) report["trials"].push_back(TrialJson(trial, space_));
    return report;
  }

  const TuneOptions& options_;
  const TuneEvents& events_;
  TrainOptions train_;
  SearchSpace space_;
  ThreadPool pool_;  // for what is not the backend's
  WorkingBackend backend_;
  std::shared_ptr<const Dataset> dataset_;
  EventWeighting weighting_;
  ValidationSlice slice_;
  Holdout sample_;
  int64_t n_sample_ = 0, n_resumed_ = 0;
  std::vector<float> popularity_;
  std::optional<TrialJournal> journal_;
  std::vector<double> best_users_;  // of one-step models: the best trial's metric of each user of the sample
  int64_t best_number_ = 0;
  Stopwatch stopwatch_;
};

void CheckFiles(const TuneOptions& options) {
  if (options.resume && options.overwrite)
    throw Error(ErrorCode::kUsage, "--resume goes on with what --overwrite would replace; expected one of them");
  CheckNewFile(options.out, options.overwrite || options.resume);
  if (options.resume) return;
  try {
    CheckNewFile(JournalPath(options), options.overwrite);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kAlreadyExists) throw;
    throw Error(error.code(), error.what() + std::string(", --resume goes on with it"));
  }
}

}  // namespace

std::string JournalPath(const TuneOptions& options) {
  return options.out + ".trials.jsonl";
}

json Tune(const TuneOptions& options, const TuneEvents& events) {
  CheckListLength(options.train.k);
  if (options.metric != "ndcg" && options.metric != "recall")
    throw Error(ErrorCode::kUsage, fmt::format("--metric '{}': expected ndcg or recall", options.metric));
  if (options.n_trials < 1)
    throw Error(ErrorCode::kUsage, fmt::format("--trials {}: expected 1 or more", options.n_trials));
  CheckAlsOptions(options.train.als);
  CheckFiles(options);
  return Tuning(options, events).Run();
}

}  // namespace kindred
