#include "bench/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <fstream>

#include "kernels/cpu/backend.h"

namespace kindred {
namespace {

using nlohmann::json;

std::string CpuName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name") && line.find(": ") != line.npos) return line.substr(line.find(": ") + 2);
  return "unknown";
}

}  // namespace

json DescribeMachine() {
  utsname system{};
  ::uname(&system);
  return {{"cpu", CpuName()},
          {"instruction_set", CpuBackend(1).Describe().instruction_set},
          {"cores", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"memory_bytes", static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE)},
          {"kernel", std::string(system.sysname) + " " + system.release},
          {"gpu", nullptr}};
}

json DescribeCommit(const StopSignals& signals, const std::filesystem::path& sources,
                    const std::filesystem::path& errors) {
  const auto git = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"git", "-C", sources.string()});
    return RunProcess(signals, arguments, errors);
  };
  const Finished head = git({"rev-parse", "--short", "HEAD"});
  if (head.exit_status != 0) return nullptr;
  const Finished status = git({"status", "--porcelain", "--untracked-files=no"});
  return {{"id", head.output.substr(0, head.output.find('\n'))}, {"dirty", !status.output.empty()}};
}

json LoadAverages() {
  double load[3] = {0, 0, 0};
  if (::getloadavg(load, 3) != 3) return nullptr;
  return {load[0], load[1], load[2]};
}

std::string UtcNow() {
  const std::time_t now = std::time(nullptr);
  std::tm fields{};
  ::gmtime_r(&now, &fields);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &fields);
  return text;
}

}  // namespace kindred
