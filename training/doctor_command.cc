#include <fmt/format.h>

#include <iostream>
#include <memory>

#include "kernels/select.h"
#include "training/commands.h"

namespace kindred {
namespace {

int RunDoctor(bool json) {
  const ChosenBackend chosen = ChooseBackend("auto", 0);
  const DeviceInfo device = chosen.backend->Describe();
  nlohmann::json report = {{"kindred_version", KINDRED_VERSION},
                           {"machine",
                            {{"device", device.device},
                             {"instruction_set", device.instruction_set},
                             {"n_threads", device.n_threads},
                             {"memory_bytes", device.memory_bytes}}},
                           {"backends", nlohmann::json::array()},
                           {"chosen", {{"backend", device.backend}, {"reason", chosen.reason}}}};
  for (const BackendReport& backend : ListBackends())
    report["backends"].push_back(
        {{"name", backend.name}, {"available", backend.available}, {"reason", backend.reason}});
  if (json) {
    PrintJson(report);
    return 0;
  }
  std::cout << fmt::format("kindred {}\nmachine   {}, {} threads, {:.1f} GiB, {}\n", KINDRED_VERSION, device.device,
                           device.n_threads, static_cast<double>(device.memory_bytes) / (1 << 30),
                           device.instruction_set);
  for (const BackendReport& backend : ListBackends())
    std::cout << fmt::format("{:<9} {}: {}\n", backend.name, backend.available ? "yes" : "no", backend.reason);
  std::cout << fmt::format("chosen    {} ({})\n", device.backend, chosen.reason);
  return 0;
}

}  // namespace

void AddDoctorCommand(CommandLine& program) {
  auto json = std::make_shared<bool>(false);
  CLI::App* app = program.Add("doctor", "Reports the machine, the backends, and why each is or is not there",
                              [json] { return RunDoctor(*json); });
  app->add_flag("--json", *json)->description("print the report as one JSON object");
}

}  // namespace kindred
