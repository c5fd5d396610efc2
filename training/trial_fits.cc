#include "training/trial_fits.h"

#include <utility>

#include "host/models/als.h"
#include "host/models/pure_svd.h"
#include "host/models/resident_interactions.h"
#include "host/models/svd.h"
#include "training/linear_fitting.h"
#include "training/svd_fitting.h"

namespace kindred {
namespace {

/// The model of parts that live as long as somebody keeps it.
template <class Parts>
TrialModel Model(const TrainOptions& options, Parts parts) {
  const auto kept = std::make_shared<const Parts>(std::move(parts));
  TrialModel model;
  model.view.algorithm = options.algorithm;
  kept->SetIn(&model.view);
  model.keep = kept;
  return model;
}

class AlsTrials : public TrialFits {
 public:
  AlsTrials(Backend& backend, const CsrView& interactions, const TrainOptions& options)
      : backend_(backend),
        interactions_(backend, interactions,
                      backend
                          .PlanAls({interactions.n_rows, interactions.n_cols, interactions.nnz(), options.als.n_factors,
                                    false, options.als.solver.method})
                          .max_entry_bytes) {}

  void Fit(const TrainOptions& options, const TrialWatch& watch) override {
    struct Enough {};
    // The users of an epoch's model are solved by the next half-step (training/epoch_metrics.h).
    const AlsHook on_half_step = [&](int64_t n_half_steps, const std::function<AlsState()>& state) {
      if (n_half_steps < 3 || n_half_steps % 2 == 0) return;
      const auto model = [&] {
        TrialModel found = Model(options, state().factors);
        found.view.objective = options.als.objective;
        return found;
      };
      if (!watch(n_half_steps / 2, model)) throw Enough();
    };
    try {
      FitAls(backend_, interactions_, options.als, {}, {}, on_half_step);
    } catch (const Enough&) {  // as a hook ends a fit
    }
  }

 private:
  Backend& backend_;
  ResidentInteractions interactions_;
};

/// One decomposition holds those of fewer factors.
class SvdTrials : public TrialFits {
 public:
  SvdTrials(Backend& backend, const CsrView& interactions, const TrainOptions& options, const TrainEvents& events)
      : backend_(backend),
        interactions_(backend, interactions),
        svd_(FitSvd(backend, interactions_, SvdOptionsOf(options))) {
    WarnOfLimit(svd_, SvdOptionsOf(options), events);
  }

  void Fit(const TrainOptions& options, const TrialWatch& watch) override {
    watch(0, [&] {
      return Model(options, MakePureSvd(backend_, interactions_, Truncated(svd_, options.als.n_factors),
                                        options.svd.shrinkage.value_or(0)));
    });
  }

 private:
  Backend& backend_;
  ResidentInteractions interactions_;
  Svd svd_;
};

class LinearTrials : public TrialFits {
 public:
  LinearTrials(Backend& backend, const CsrView& interactions, const TrainOptions& options, const TrainEvents& events,
               ThreadPool& pool)
      : fits_(backend, interactions, options, events, pool, &report_) {}

  void Fit(const TrainOptions& options, const TrialWatch& watch) override {
    watch(0, [&] { return Model(options, fits_.Fit(options)); });
  }

 private:
  nlohmann::json report_;  // of no trial
  LinearFits fits_;
};

}  // namespace

std::unique_ptr<TrialFits> NewTrialFits(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                                        const TrainEvents& events, ThreadPool& pool) {
  if (options.algorithm == "als") return std::make_unique<AlsTrials>(backend, interactions, options);
  if (options.algorithm == "svd") return std::make_unique<SvdTrials>(backend, interactions, options, events);
  if (IsFittedLinearly(options)) return std::make_unique<LinearTrials>(backend, interactions, options, events, pool);
  throw Error(ErrorCode::kUsage, "--algorithm '" + options.algorithm + "' has no trials");
}

}  // namespace kindred
