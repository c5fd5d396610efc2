#include <fmt/format.h>

#include <iostream>
#include <memory>

#include "host/intake/parquet.h"
#include "kernels/select.h"
#include "training/commands.h"

namespace kindred {
namespace {

nlohmann::json BackendJson(const BackendReport& backend) {
  nlohmann::json steps = nlohmann::json::array();
  for (const BackendStep& step : backend.steps)
    steps.push_back({{"name", step.name}, {"state", NameOf(step.state)}, {"detail", step.detail}});
  return {{"name", backend.name}, {"available", backend.available}, {"reason", backend.reason}, {"steps", steps}};
}

void PrintBackend(const BackendReport& backend) {
  std::cout << fmt::format("{:<9} {}: {}\n", backend.name, backend.available ? "yes" : "no", backend.reason);
  for (const BackendStep& step : backend.steps)
    std::cout << fmt::format("  {:<10} {}{}{}\n", step.name, NameOf(step.state), step.detail.empty() ? "" : ": ",
                             step.detail);
}

int RunDoctor(bool json) {
  const ChosenBackend chosen = ChooseBackend("auto", 0);
  const DeviceInfo machine = ChooseBackend("cpu", 0).backend->Describe(), device = chosen.backend->Describe();
  const std::string arrow = ArrowVersion();
  if (json) {
    nlohmann::json report = {{"kindred_version", KINDRED_VERSION},
                             {"parquet", {{"available", !arrow.empty()}, {"arrow_version", arrow}}},
                             {"machine",
                              {{"device", machine.device},
                               {"instruction_set", machine.instruction_set},
                               {"n_threads", machine.n_threads},
                               {"memory_bytes", machine.memory_bytes}}},
                             {"backends", nlohmann::json::array()},
                             {"chosen", {{"backend", device.backend}, {"reason", chosen.reason}}}};
    for (const BackendReport& backend : chosen.considered) report["backends"].push_back(BackendJson(backend));
    PrintJson(report);
    return 0;
  }
  std::cout << fmt::format("kindred {}\nmachine   {}, {} threads, {:.1f} GiB, {}\n", KINDRED_VERSION, machine.device,
                           machine.n_threads, static_cast<double>(machine.memory_bytes) / (1 << 30),
                           machine.instruction_set);
  std::cout << fmt::format("parquet   {}\n", arrow.empty() ? fmt::format("no: not in this build; {}", kHowToGetParquet)
                                                           : fmt::format("yes: Arrow {}", arrow));
  for (const BackendReport& backend : chosen.considered) PrintBackend(backend);
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
