// The backend a command works on, and the CPU in its place where that may be and the device fails.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "kernels/select.h"

namespace kindred {

class WorkingBackend {
 public:
  using Warn = std::function<void(const std::string& message)>;

  /// Arguments and errors as ChooseBackend's. `warn` is told of a fall back; it may be empty.
  WorkingBackend(const std::string& name, int n_threads, GramPrecision precision, Warn warn);

  /// work(backend): all that belongs together, from the upload to the download. Where the device fails, or its memory
  /// does not do, and the backend was chosen by "auto", all of it is done again on the CPU, which stays; other errors
  /// pass through. `doing` says what it is, as in "while fitting".
  template <class Work>
  auto Run(const char* doing, const Work& work) {
    try {
      return work(*chosen_.backend);
    } catch (const Error& error) {
      if (!chosen_.may_fall_back || !IsOfDevice(error)) throw;
      FallBackFrom(error, doing);
    }
    return work(*chosen_.backend);
  }

  /// work(backend) for what the training can do without; false where it fails as Run would fall back from, which is
  /// left to Run.
  template <class Work>
  bool Try(const Work& work) {
    try {
      work(*chosen_.backend);
      return true;
    } catch (const Error& error) {
      if (!chosen_.may_fall_back || !IsOfDevice(error)) throw;
      return false;
    }
  }

  /// From here on Run does not: what is made belongs to what was made on this device.
  void Stay() { chosen_.may_fall_back = false; }
  /// Whether Run would go to the CPU where the device fails.
  bool may_fall_back() const { return chosen_.may_fall_back; }
  /// For people: "NVIDIA H200 (auto: ...)".
  std::string Text() const;
  /// Name, device and so on, with the reason, for reports.
  nlohmann::json Describe() const;
  /// What of it decides bits: backend and instruction set, or card and precision.
  nlohmann::json Bits() const;
  const std::string& gram_precision() const { return chosen_.gram_precision; }
  /// What happened and when, once the CPU has taken over; empty before.
  const std::string& fell_back() const { return fell_back_; }

 private:
  void FallBackFrom(const Error& error, const char* doing);

  int n_threads_;
  Warn warn_;
  ChosenBackend chosen_;
  std::string fell_back_;
};

}  // namespace kindred
