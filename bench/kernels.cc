// Seconds of the seam's operations on a backend, one JSON object a line as each is done, checked before it is timed;
// scripts/gpu_check.sh runs it beside its peers. Needs kernels/ only.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bench/kernel_cases.h"
#include "kernels/select.h"

namespace kindred {
namespace {

constexpr const char* kUsage = R"(bench_kernels [option...]
  --backend NAME          cpu or cuda                                    (cuda)
  --gram-precision NAME   bf16x3 or float32, on a GPU                    (bf16x3)
  --scale X               sizes times X, 0 < X <= 1                      (1)
  --rounds N              timed runs of a case at most                   (30)
  --seconds S             and no more of them after S seconds            (1)
  --threads N             host threads, 0: one a core                    (0)
  --only OPERATION        this operation only
  --data FOLDER           writes inputs and answers there, for the peers
  --list                  prints the cases
  --describe              prints the device, or why there is none
)";

struct Options {
  std::string backend = "cuda", gram_precision = "bf16x3", only;
  std::filesystem::path data;
  double scale = 1, seconds = 1;
  int rounds = 30, threads = 0;
  bool list = false, describe = false;
};

[[noreturn]] void Refuse(const std::string& message) {
  throw Error(ErrorCode::kUsage, "bench_kernels: " + message);
}

double Number(const std::string& option, const std::string& text, double least, double most) {
  size_t used = 0;
  double value = 0;
  try {
    value = std::stod(text, &used);
  } catch (const std::logic_error&) {
    used = 0;
  }
  if (used == 0 || used != text.size() || !(value >= least && value <= most))
    Refuse(option + " is '" + text + "'; expected a number from " + std::to_string(least) + " to " +
           std::to_string(most));
  return value;
}

Options Parse(const std::vector<std::string>& arguments) {
  Options options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& option = arguments[i];
    const auto value = [&]() -> const std::string& {
      if (i + 1 == arguments.size()) Refuse(option + " has no value");
      return arguments[++i];
    };
    if (option == "--list") {
      options.list = true;
    } else if (option == "--describe") {
      options.describe = true;
    } else if (option == "--backend") {
      options.backend = value();
    } else if (option == "--gram-precision") {
      options.gram_precision = value();
    } else if (option == "--only") {
      options.only = value();
    } else if (option == "--data") {
      options.data = value();
    } else if (option == "--scale") {
      options.scale = Number(option, value(), 1e-6, 1);
    } else if (option == "--seconds") {
      options.seconds = Number(option, value(), 0, 3600);
    } else if (option == "--rounds") {
      options.rounds = static_cast<int>(Number(option, value(), 1, 100000));
    } else if (option == "--threads") {
      options.threads = static_cast<int>(Number(option, value(), 0, 4096));
    } else {
      Refuse("unknown option '" + option + "'\n" + kUsage);
    }
  }
  return options;
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 32 ? ' ' : c;
  }
  return quoted + '"';
}

std::string Text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

std::vector<double> Seconds(KernelCase& kernel, const Options& options) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds;
  double total = 0;
  while (static_cast<int>(seconds.size()) < options.rounds && (seconds.size() < 3 || total < options.seconds)) {
    kernel.Prepare();
    const auto start = Clock::now();
    kernel.Run();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    total += seconds.back();
  }
  return seconds;
}

// Returns whether the answer was right.
bool Measure(const KernelCaseName& name, KernelBench& bench, const std::string& common, const Options& options) {
  const std::unique_ptr<KernelCase> kernel = name.make(bench);
  for (int warm_up = 0; warm_up < 2; ++warm_up) {
    kernel->Prepare();
    kernel->Run();
  }
  const Check check = kernel->Verify();
  const bool right = check.error <= check.limit;
  std::string line = "{\"operation\": " + Quoted(name.operation) + ", \"case\": " + Quoted(name.name) + common +
                     ", \"shape\": " + Quoted(kernel->shape) + ", \"parameters\": {";
  for (const auto& [key, number] : kernel->parameters)
    line += (line.back() == '{' ? "" : ", ") + Quoted(key) + ": " + std::to_string(number);
  line += "}, \"bytes\": " + Text(kernel->work.bytes) + ", \"fp32_flops\": " + Text(kernel->work.fp32_flops) +
          ", \"bf16_flops\": " + Text(kernel->work.bf16_flops) + ", \"error\": " + Text(check.error) +
          ", \"error_limit\": " + Text(check.limit) + ", \"error_measure\": " + Quoted(check.measure) +
          ", \"seconds\": [";
  if (right)
    for (double seconds : Seconds(*kernel, options)) line += (line.back() == '[' ? "" : ", ") + Text(seconds);
  std::printf("%s]}\n", line.c_str());
  std::fflush(stdout);
  return right;
}

int Run(const Options& options) {
  if (options.list) {
    for (const KernelCaseName& name : KernelCases()) std::printf("%s %s\n", name.operation.c_str(), name.name.c_str());
    return 0;
  }
  const ChosenBackend chosen =
      ChooseBackend(options.backend, options.threads, ParseGramPrecision(options.gram_precision));
  const DeviceInfo device = chosen.backend->Describe();
  if (options.describe) {
    std::string steps;
    for (const BackendReport& report : chosen.considered)
      for (const BackendStep& step : report.steps)
        steps += (steps.empty() ? "" : ", ") + Quoted(step.name) + ": " + Quoted(step.detail);
    std::printf("{\"backend\": %s, \"device\": %s, \"memory_bytes\": %lld, \"steps\": {%s}}\n",
                Quoted(device.backend).c_str(), Quoted(device.device).c_str(),
                static_cast<long long>(device.memory_bytes), steps.c_str());
    return 0;
  }
  if (!options.data.empty()) std::filesystem::create_directories(options.data);
  ThreadPool pool(options.threads);
  KernelBench bench(*chosen.backend, chosen.gram_precision == "bf16x3", pool, options.scale, options.data);
  const std::string common = ", \"program\": \"kindred\", \"backend\": " + Quoted(device.backend) +
                             ", \"device\": " + Quoted(device.device) +
                             ", \"gram_precision\": " + Quoted(chosen.gram_precision);
  bool right = true, any = false;
  for (const KernelCaseName& name : KernelCases()) {
    if (!options.only.empty() && name.operation != options.only) continue;
    any = true;
    if (Measure(name, bench, common, options)) continue;
    right = false;
    std::fprintf(stderr, "bench_kernels: %s %s: the answer is wrong, so it was not timed\n", name.operation.c_str(),
                 name.name.c_str());
  }
  if (!any) Refuse("--only is '" + options.only + "'; expected an operation that --list prints");
  return right ? 0 : 1;
}

}  // namespace
}  // namespace kindred

int main(int argc, char** argv) {
  try {
    return kindred::Run(kindred::Parse({argv + 1, argv + argc}));
  } catch (const kindred::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.code() == kindred::ErrorCode::kUsage ? 2 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_kernels: %s\n", error.what());
    return 1;
  }
}
