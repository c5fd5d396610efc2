#include "training/checkpoints.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "host/data/event_weighting.h"
#include "host/store/checksum.h"
#include "host/text/text.h"
#include "training/differences.h"
#include "training/fitting.h"

namespace kindred {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

/// Tells interactions apart, whatever they come from.
json Fingerprint(const CsrView& interactions) {
  return {{"n_entries", interactions.nnz()},
          {"xxh3", Xxh3Hex(std::as_bytes(interactions.indptr)) + Xxh3Hex(std::as_bytes(interactions.indices)) +
                       Xxh3Hex(std::as_bytes(interactions.values))}};
}

int64_t AllHalfSteps(const TrainOptions& options) {
  return 2 * options.als.epochs + 1;
}

}  // namespace

double ParseCheckpointEvery(std::string_view text) {
  if (text == "epoch") return 0;
  if (text == "off") return kNoCheckpoints;
  try {
    return ParseDuration(text);
  } catch (const Error& error) {
    throw Error(ErrorCode::kUsage, fmt::format("{}, or epoch, or off", error.what()));
  }
}

Checkpoints::Checkpoints(const ModelStore& store, const TrainOptions& options, const TrainEvents& events,
                         const Stopwatch& stopwatch)
    : store_(store), options_(options), events_(events), stopwatch_(stopwatch) {}

std::string Checkpoints::Place() const {
  return fmt::format("'{}'", CheckpointPath(store_, options_.model).string());
}

std::string Checkpoints::Position(int64_t n_half_steps) const {
  const int64_t n_epochs = options_.als.epochs;
  const std::string of = next_.phase == kRefitPhase ? " of the fit on everything" : "";
  return n_half_steps > 2 * n_epochs
             ? fmt::format("after the last epoch{}", of)
             : fmt::format("after {:g} of {} epochs{}", static_cast<double>(n_half_steps) / 2, n_epochs, of);
}

void Checkpoints::Open(json settings) {
  next_.settings = std::move(settings);
  next_.next_version = store_.NextVersion(options_.model);
  if (!options_.checkpoints.resume) {
    std::error_code ignored;
    if (std::filesystem::exists(CheckpointPath(store_, options_.model), ignored) && events_.warning)
      events_.warning(
          fmt::format("there is a checkpoint at {}; this training starts anew and will replace it", Place()));
    return;
  }
  try {
    resumed_ = ReadCheckpoint(store_, options_.model);
  } catch (const Error& error) {
    const bool none = error.code() == ErrorCode::kNotFound;
    throw Error(error.code(),
                fmt::format("{}{}; without --resume the training starts anew",
                            none ? "nothing to resume: " : "the checkpoint cannot be taken up: ", error.what()));
  }
  if (resumed_->next_version < next_.next_version)
    throw Error(ErrorCode::kAlreadyExists,
                fmt::format("nothing to resume: the training of the checkpoint at {} has published version {}", Place(),
                            resumed_->next_version));
  json theirs = resumed_->settings;
  theirs.erase("interactions");
  theirs.erase("device");
  const std::vector<std::string> lines = Differences(theirs, next_.settings, "the checkpoint");
  if (!lines.empty())
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the checkpoint at {} is of another training: {}", Place(), fmt::join(lines, "; ")));
}

void Checkpoints::Begin(const std::string& phase, const CsrView& interactions, json report,
                        std::function<AlsState()> otherwise) {
  next_.phase = phase;
  next_.report = std::move(report);
  next_.settings["interactions"] = Fingerprint(interactions);
  otherwise_ = std::move(otherwise);
  last_ = Clock::now();
  if (!resumed_) return;
  if (resumed_->phase != phase)
    throw Error(ErrorCode::kCorrupt, fmt::format("the checkpoint at {} is of a fit '{}'; expected '{}'", Place(),
                                                 Printable(resumed_->phase), phase));
  const json theirs = resumed_->settings.value("interactions", json());
  if (theirs != next_.settings["interactions"])
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("the checkpoint at {} is of other interactions ({} here, {} there): the held-out files have "
                    "changed, or how they are read",
                    Place(), SettingText(&next_.settings["interactions"]), SettingText(&theirs)));
}

AlsState Checkpoints::Start(const WorkingBackend& working, std::vector<AlsEpoch>& epochs) {
  epochs.clear();
  next_.settings["device"] = working.Bits();
  written_ = kNone;
  std::optional<Checkpoint> resumed = std::exchange(resumed_, std::nullopt);
  if (!resumed) return otherwise_ ? otherwise_() : AlsState();
  const std::vector<std::string> lines =
      Differences(resumed->settings.value("device", json::object()), next_.settings["device"], "the checkpoint");
  if (!lines.empty())
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("the checkpoint at {} was made on another device, and half of a fit on each is the result of "
                    "neither: {}",
                    Place(), fmt::join(lines, "; ")));
  written_ = resumed->state.n_half_steps;
  if (events_.stage) events_.stage(fmt::format("going on {}, from {}", Position(written_), Place()));
  epochs = std::move(resumed->epochs);
  return std::move(resumed->state);
}

std::string Checkpoints::StopReason() const {
  return events_.stop ? events_.stop() : "";
}

std::string Checkpoints::Write(AlsState state, const std::vector<AlsEpoch>& epochs) {
  const Clock::time_point begun = Clock::now();
  Checkpoint checkpoint = next_;
  checkpoint.seconds = stopwatch_.With(next_.phase);
  checkpoint.epochs = epochs;
  checkpoint.state = std::move(state);
  std::string problem;
  try {
    WriteCheckpoint(store_, options_.model, checkpoint);
    written_ = checkpoint.state.n_half_steps;
    ++n_written_;
  } catch (const Error& error) {
    problem = error.what();
  }
  last_ = Clock::now();
  seconds_ += std::chrono::duration<double>(last_ - begun).count();
  return problem;
}

AlsState Checkpoints::Finished(const Fitted& fitted) const {
  return {AllHalfSteps(options_), 0, fitted.factors, fitted.biases};
}

std::string Checkpoints::HowToResume(int64_t n_half_steps) const {
  if (written_ == kNone) return "";
  return fmt::format("; the same command with --resume goes on from {}{}", Place(),
                     written_ == n_half_steps ? "" : ", " + Position(written_));
}

void Checkpoints::AfterHalfStep(int64_t n_half_steps, const std::function<AlsState()>& state,
                                const std::vector<AlsEpoch>& epochs) {
  const double every = options_.checkpoints.every;
  if (const std::string reason = StopReason(); !reason.empty()) {
    std::string problem;
    if (every == kNoCheckpoints)
      problem = "--checkpoint-every is off";
    else if (n_half_steps != written_)
      problem = Write(state(), epochs);
    throw Error(ErrorCode::kIo,
                fmt::format("stopped by {} {}{}{}", reason, Position(n_half_steps),
                            problem.empty() ? "" : fmt::format("; no checkpoint was written: {}", problem),
                            HowToResume(n_half_steps)));
  }
  const bool due =
      every == 0 ? n_half_steps % 2 == 0 : std::chrono::duration<double>(Clock::now() - last_).count() >= every;
  if (!due || n_half_steps == written_) return;
  const std::string problem = Write(state(), epochs);
  if (problem.empty() && n_written_ == 1 && events_.stage)
    events_.stage(fmt::format("checkpoint {} at {}, in {:.2f} s", Position(written_), Place(), seconds_));
  if (problem != last_problem_ && !problem.empty() && events_.warning)
    events_.warning(fmt::format("the training goes on without a checkpoint: {}", problem));
  last_problem_ = problem;
}

void Checkpoints::DuringWorkOn(const Fitted& fitted) {
  if (!HasCheckpoints(options_)) return StopIfAsked();
  AfterHalfStep(
      AllHalfSteps(options_), [&] { return Finished(fitted); }, fitted.epochs);
}

void Checkpoints::StopIfAsked() const {
  const std::string reason = StopReason();
  if (reason.empty()) return;
  throw Error(ErrorCode::kIo, fmt::format("stopped by {}, and nothing is published{}", reason,
                                          resumed_ ? fmt::format("; the checkpoint at {} is as it was", Place()) : ""));
}

std::string Checkpoints::Keep(const Fitted& fitted) {
  if (!HasCheckpoints(options_) || options_.checkpoints.every == kNoCheckpoints ||
      store_.NextVersion(options_.model) != next_.next_version)
    return "";
  if (written_ != AllHalfSteps(options_)) Write(Finished(fitted), fitted.epochs);
  return HowToResume(AllHalfSteps(options_));
}

void Checkpoints::Remove() {
  try {
    RemoveCheckpoint(store_, options_.model);
  } catch (const Error& error) {
    if (events_.warning) events_.warning(fmt::format("the checkpoint of this training stays: {}", error.what()));
  }
}

json Checkpoints::Describe() const {
  return {{"n_written", n_written_}, {"seconds", seconds_}};
}

}  // namespace kindred
