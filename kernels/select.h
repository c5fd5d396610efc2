// Which backends there are, which one a user gets, and what takes over where it fails.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/backend.h"

namespace kindred {

enum class StepState { kOk, kFailed, kNotTried };

/// "ok", "failed", "not tried".
const char* NameOf(StepState state);

/// One thing that must hold for a backend to be used; after one that does not, no further one is tried.
struct BackendStep {
  std::string name;
  StepState state = StepState::kNotTried;
  std::string detail;  // what was found, or what is missing and what was expected
};

struct BackendReport {
  std::string name;  // "cpu", "cuda"
  bool available = false;
  std::string reason;  // why it is there, or why not
  std::vector<BackendStep> steps;
};

struct ChosenBackend {
  std::unique_ptr<Backend> backend;
  std::string reason;          // why this one, for people
  std::string gram_precision;  // "float32" or "bf16x3": how this backend multiplies the Gram matrices of long rows
  bool may_fall_back = false;  // whether the CPU may go on where this one fails: auto, and not the CPU already
  std::vector<BackendReport> considered;
};

/// `name` is "auto" (the best there is, with the reason), "cpu" or "cuda" (that one, or kUnsupported with the
/// reason). n_threads 0 means one a core; `precision` is for devices that offer a choice. Throws kUsage for another
/// name. "cuda" is usable where every step holds: plug-in, libraries, build, driver, device (compute capability 8.0 or
/// newer), memory, self-test. Cost of looking for it: where there is a card, what the first use of it costs.
ChosenBackend ChooseBackend(const std::string& name, int n_threads, GramPrecision precision = GramPrecision::kBf16x3);

/// Why the CPU goes on, for people: "fell back from cuda (NVIDIA H200): ...".
std::string WhyFellBack(const DeviceInfo& failed, const Error& error);

/// The CPU, to go on with after `error` of a backend that may fall back. What was made by the failed one cannot be
/// used by it: the work starts again. `failed` is left as it is, so that its owner decides when it may go.
ChosenBackend FallBack(const ChosenBackend& failed, const Error& error, int n_threads);

/// "bf16x3" or "float32". Throws kUsage for another name.
GramPrecision ParseGramPrecision(const std::string& name);

}  // namespace kindred
