// The checkpoints of one training: when they are written, what one that is taken up is compared with, and what becomes
// of a training that is asked to stop.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/models/checkpoint.h"
#include "training/pipeline.h"
#include "training/stopwatch.h"
#include "training/working_backend.h"

namespace kindred {

struct Fitted;

/// The fits of a training: of what is not held out, and then on everything.
inline constexpr const char* kFitPhase = "fit";
inline constexpr const char* kRefitPhase = "refit";

/// What CheckpointOptions::every is: "epoch", "off", or a duration as ParseDuration takes it. Throws kUsage.
double ParseCheckpointEvery(std::string_view text);

/// Whether such a training leaves checkpoints: ALS does.
inline bool HasCheckpoints(const TrainOptions& options) {
  return options.algorithm == "als";
}

class Checkpoints {
 public:
  Checkpoints(const ModelStore& store, const TrainOptions& options, const TrainEvents& events,
              const Stopwatch& stopwatch);

  /// `settings`: all that decides the bits of the version but the interactions and the device. Call with the model's
  /// lock held. Where the training resumes, takes the checkpoint up: throws as ReadCheckpoint does, kInvalidArgument
  /// naming every setting that differs, and kAlreadyExists for one whose version is published. Else warns of one that
  /// is there, which stays until the first one of this training replaces it.
  void Open(nlohmann::json settings);
  /// The checkpoint taken up, until its fit begins.
  const Checkpoint* resumed() const { return resumed_ ? &*resumed_ : nullptr; }

  /// A fit of `interactions` begins, after what `report` says; `otherwise` is its start where no checkpoint has one.
  /// Throws kInvalidArgument where the checkpoint taken up is of other interactions.
  void Begin(const std::string& phase, const CsrView& interactions, nlohmann::json report,
             std::function<AlsState()> otherwise);
  /// The fit is about to start on this device; after a fall back, for the second time. Sets the epochs done before.
  /// Throws kInvalidArgument where the checkpoint is of another device.
  AlsState Start(const WorkingBackend& working, std::vector<AlsEpoch>& epochs);
  /// As an AlsHook, with the losses so far: writes a checkpoint where one is due. Where the training is asked to stop,
  /// writes one and throws kIo.
  void AfterHalfStep(int64_t n_half_steps, const std::function<AlsState()>& state, const std::vector<AlsEpoch>& epochs);
  /// The same while a finished fit is worked with.
  void DuringWorkOn(const Fitted& fitted);
  /// Where there is no fit to keep: throws kIo where the training is asked to stop.
  void StopIfAsked() const;

  /// The version could not be published: keeps the fit as a checkpoint, if that can be. Returns what to add to the
  /// error.
  std::string Keep(const Fitted& fitted);
  /// The version is published: takes the checkpoint away.
  void Remove();

  /// For reports: how many were written, and in how many seconds.
  nlohmann::json Describe() const;

 private:
  static constexpr int64_t kNone = -1;

  std::string Place() const;
  std::string Position(int64_t n_half_steps) const;
  std::string StopReason() const;
  /// Empty, or why it was not written.
  std::string Write(AlsState state, const std::vector<AlsEpoch>& epochs);
  /// A fit that is done, as the state after its last half-step.
  AlsState Finished(const Fitted& fitted) const;
  /// How to go on, for the end of a message about `n_half_steps`; empty where no checkpoint is of this training.
  std::string HowToResume(int64_t n_half_steps) const;

  const ModelStore& store_;
  const TrainOptions& options_;
  const TrainEvents& events_;
  const Stopwatch& stopwatch_;
  std::optional<Checkpoint> resumed_;
  Checkpoint next_;  // what all checkpoints of this fit have in common
  std::function<AlsState()> otherwise_;
  std::chrono::steady_clock::time_point last_;
  std::string last_problem_;
  int64_t written_ = kNone;  // half-steps of the checkpoint that is there, where it is this training's
  int64_t n_written_ = 0;
  double seconds_ = 0;
};

}  // namespace kindred
