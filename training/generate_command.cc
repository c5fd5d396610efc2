#include "host/shop/generate.h"

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
  if (flags.json) {
    PrintJson(report);
    return 0;
  }
  const auto count = [&](const char* key) { return report[key].get<int64_t>(); };
  std::cout << fmt::format(
      "generated {}: {} events of {} users and {} items over {} days, seed {}\n"
      "planted   {} duplicates, {} bots with {} events, {} missing values, {} items without events\n",
      options.out.string(), options.n_events, options.n_users, options.n_items, options.n_days, options.seed,
      count("n_duplicates"), count("n_bots"), count("n_bot_events"), count("n_missing"), count("n_cold_items"));
  return 0;
}

}  // namespace

void AddGenerateCommand(CommandLine& program) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App* app = program.Add(
      "generate", "Makes up a shop with planted tastes, seasons and faults: events, items, users, and the truth",
      [flags] { return RunGenerate(*flags); });
  GenerateOptions& options = flags->options;
  app->add_option("--out", options.out, "the folder to write")->required();
  app->add_option("--users", options.n_users, "how many users")->check(Within(1, kLargestIndex));
  app->add_option("--items", options.n_items, "how many items")->check(Within(1, kLargestIndex));
  app->add_option("--events", options.n_events, "how many lines of events")->check(Within(1, kMostGeneratedEvents));
  app->add_option("--days", options.n_days, "over how many days")->check(Within(1, 3650));
  app->add_option("--seed", options.seed, "the same seed gives the same files")->check(Within(0, kLargestSeed));
  const auto add_part = [&](const char* name, double& part, const char* what) {
    app->add_option(name, part, what)->check(Within(0, kMostPlanted));
  };
  add_part("--cold-items", options.cold_items, "this part of the items has no events");
  add_part("--duplicates", options.duplicates, "this part of the events repeats a line");
  add_part("--bots", options.bots, "this part of the users are programs");
  add_part("--missing", options.missing, "this part of the values in columns of attributes is left out");
  app->add_option("--threads", options.n_threads, "threads to use; 0: one a core")->check(Within(0, 1024));
  app->add_flag("--overwrite", options.overwrite)->description("replace a generated shop that is there");
  app->add_flag("--json", flags->json)->description("print the report as one JSON object");
}

}  // namespace kindred
