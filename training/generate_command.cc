#include "host/data/generate.h"

#include <fmt/format.h>

#include <iostream>
#include <memory>

#include "host/cli/progress.h"
#include "training/commands.h"

namespace kindred {
namespace {

constexpr double kLargestIndex = 2147483647;

struct GenerateFlags {
  GenerateOptions options;
  bool json = false;
};

int RunGenerate(const GenerateFlags& flags) {
  GenerateOptions options = flags.options;
  Progress progress("generate", options.n_events, "events");
  options.progress = [&](int64_t done, int64_t) { progress.Update(done); };
  const nlohmann::json report = Generate(options);
  if (flags.json)
    PrintJson(report);
  else
    std::cout << fmt::format("generated {}: {} events of {} users and {} items over {} days, seed {}\n",
                             options.out.string(), options.n_events, options.n_users, options.n_items, options.n_days,
                             options.seed);
  return 0;
}

}  // namespace

void AddGenerateCommand(CommandLine& program) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App* app = program.Add("generate", "Makes up a small shop with planted tastes: events, items, and the truth",
                              [flags] { return RunGenerate(*flags); });
  GenerateOptions& options = flags->options;
  app->add_option("--out", options.out, "the folder to write")->required();
  app->add_option("--users", options.n_users, "how many users")->check(Within(1, kLargestIndex));
  app->add_option("--items", options.n_items, "how many items")->check(Within(1, kLargestIndex));
  app->add_option("--events", options.n_events, "how many events")->check(Within(1, 1e15));
  app->add_option("--days", options.n_days, "over how many days")->check(Within(1, 3650));
  app->add_option("--seed", options.seed, "the same seed gives the same files")->check(Within(0, kLargestSeed));
  app->add_flag("--overwrite", options.overwrite)->description("replace a generated shop that is there");
  app->add_flag("--json", flags->json)->description("print the report as one JSON object");
}

}  // namespace kindred
