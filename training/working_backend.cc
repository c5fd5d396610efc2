#include "training/working_backend.h"

#include <fmt/format.h>

#include <utility>

namespace kindred {

WorkingBackend::WorkingBackend(const std::string& name, int n_threads, GramPrecision precision, Warn warn)
    : n_threads_(n_threads), warn_(std::move(warn)), chosen_(ChooseBackend(name, n_threads, precision)) {}

void WorkingBackend::FallBackFrom(const Error& error, const char* doing) {
  chosen_ = FallBack(chosen_, error, n_threads_);
  fell_back_ = fmt::format("while {}, {}", doing, chosen_.reason);
  if (warn_) warn_(fmt::format("{}; starting that again on the CPU", fell_back_));
}

std::string WorkingBackend::Text() const {
  const DeviceInfo device = chosen_.backend->Describe();
  const std::string threads = device.n_threads > 0 ? fmt::format(", {} threads", device.n_threads) : "";
  return fmt::format("{}{} ({})", device.device, threads, chosen_.reason);
}

nlohmann::json WorkingBackend::Describe() const {
  const DeviceInfo device = chosen_.backend->Describe();
  return {{"name", device.backend},
          {"device", device.device},
          {"instruction_set", device.instruction_set},
          {"n_threads", device.n_threads},
          {"reason", chosen_.reason}};
}

nlohmann::json WorkingBackend::Bits() const {
  const DeviceInfo device = chosen_.backend->Describe();
  nlohmann::json bits = {{"backend", device.backend}, {"instruction_set", device.instruction_set}};
  if (device.backend == "cpu") return bits;
  bits["device"] = device.device;
  bits["gram_precision"] = gram_precision();
  return bits;
}

}  // namespace kindred
