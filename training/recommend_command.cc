#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <iostream>
#include <memory>
#include <optional>

#include "host/cli/progress.h"
#include "host/evaluation/metrics.h"
#include "host/report/format.h"
#include "training/batch_recommend.h"
#include "training/commands.h"
#include "training/report_values.h"
#include "training/stop_request.h"

namespace kindred {
namespace {

struct RecommendFlags {
  BatchOptions options;
  std::string unknown_users;
  bool json = false;
};

/// A line for each way in which lists were made.
std::string SourcesText(const nlohmann::json& answered_by) {
  const std::pair<const char*, const char*> kinds[] = {
      {"history", "by their history"},
      {"attributes", "by their attributes, as they have no history"},
      {"group", "by their group's list"},
      {"everybody", "by the list that all have, but for their history"},
      {"no_history", "by popularity, as they have no history"},
      {"unknown_user", "by popularity, as the model does not have them"},
  };
  std::string text;
  for (const auto& [name, how] : kinds)
    if (answered_by.contains(name)) text += fmt::format("answered  {} {}\n", CountOf(answered_by, name), how);
  return text;
}

std::string RecommendText(const nlohmann::json& report) {
  std::string text =
      fmt::format("{}\nlists     {} {} of {} version {} ({}), {} items in them\n", TextOf(report, "out"),
                  CountOf(report, "lists"), TextOf(report, "of"), TextOf(report, "model"), TextOf(report, "version"),
                  TextOf(report, "algorithm"), CountOf(report, "items_written"));
  if (report.contains("eligible_items"))
    text += fmt::format("filter    lets {} items through\n", CountOf(report, "eligible_items"));
  text += SourcesText(Member(report, "answered_by"));
  const nlohmann::json& users = Member(report, "users");
  if (NumberOf(users, "unknown") > 0)
    text += fmt::format("unknown   {} of the listed users, '{}' the first{}\n", CountOf(users, "unknown"),
                        TextOf(users, "first_unknown"), TextOf(users, "unknown_users") == "skip" ? ": left out" : "");
  if (NumberOf(users, "repeated") > 0)
    text += fmt::format("repeated  {} lines name a user again: left out\n", CountOf(users, "repeated"));
  if (NumberOf(report, "n_resumed") > 0)
    text += fmt::format("resumed   {} lists were there\n", CountOf(report, "n_resumed"));
  if (report.contains("fell_back")) text += "on the CPU: " + TextOf(report, "fell_back") + "\n";
  return text + fmt::format("took      {} seconds, {} lists a second, {}\n", NumberText(NumberOf(report, "seconds")),
                            NumberText(NumberOf(report, "lists_per_second")),
                            BytesText(report["bytes"].get<int64_t>()));
}

int RunRecommend(const RecommendFlags& flags) {
  BatchOptions options = flags.options;
  for (const UnknownUsers policy : {UnknownUsers::kPopular, UnknownUsers::kSkip, UnknownUsers::kFail})
    if (flags.unknown_users == UnknownUsersName(policy)) options.unknown_users = policy;
  std::optional<Progress> progress;
  BatchEvents events;
  events.stage = [](const std::string& message) { spdlog::info("{}", message); };
  events.warning = [](const std::string& message) { spdlog::warn("{}", message); };
  events.progress = [&](int64_t done, int64_t total) {
    if (!progress) progress.emplace("recommending", total, options.similar_items ? "items" : "users");
    progress->Update(done);
  };
  const StopRequest stop;
  events.stop = [&] { return stop.reason(); };
  const nlohmann::json report = RecommendToFile(options, events);
  progress.reset();
  if (flags.json)
    PrintJson(report);
  else
    std::cout << RecommendText(report);
  return 0;
}

}  // namespace

void AddRecommendCommand(CommandLine& program) {
  auto flags = std::make_shared<RecommendFlags>();
  CLI::App* app = program.Add("recommend", "Writes the lists of all users, of listed ones, or of all items to a file",
                              [flags] { return RunRecommend(*flags); });
  BatchOptions& options = flags->options;
  app->add_option("--store", options.store, "the model store's folder");
  app->add_option("--model", options.model, "the model's name in the store")->required();
  app->add_option("--model-version", options.version, "the version: its number, a label, or 'current'")
      ->check(Accepts(&CheckVersionName, "VERSION"));
  app->add_option("--out", options.out,
                  "the file, whose name says what it is: .csv, .jsonl (each with .gz or .zst behind it) or .parquet")
      ->required()
      ->type_name("FILE");
  app->add_option("--format", options.format, "csv, jsonl or parquet, whatever the file's name is")
      ->check(CLI::IsMember({"csv", "jsonl", "parquet"}));
  app->add_option("--n", options.n, "the length of the lists")->check(Within(1, kMaxListLength));
  app->add_option("--users", options.users, "only these users: a file with an id a line, or - for standard input")
      ->type_name("FILE");
  app->add_option("--unknown-users", flags->unknown_users,
                  "of those that the model does not have: popular (they get what is popular), skip or fail; default: "
                  "popular")
      ->check(CLI::IsMember({"popular", "skip", "fail"}));
  app->add_flag("--similar-items", options.similar_items)
      ->description("lists of similar items for all items, instead of users");
  app->add_flag("--include-seen", options.include_seen)->description("do not leave out the items of a user's history");
  app->add_option("--filter", options.filter, "only items for which this is true: price < 50 and in_stock")
      ->type_name("CONDITION");
  app->add_option("--min-score", options.min_score, "leave out items whose score is lower")
      ->check(Within(-3.4e38, 3.4e38));
  app->add_flag("--with-scores", options.with_scores)->description("write scores, too");
  app->add_flag("--with-probabilities", options.with_probabilities)
      ->description("write the probabilities of scores, too, of versions that are calibrated");
  app->add_option("--batch", options.batch, "lists that are made at a time; 0: as many as take about 64 MiB")
      ->check(Within(0, 1e6));
  app->add_option("--backend", options.backend, "auto, cpu or cuda")->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app->add_option("--threads", options.n_threads, "threads to use; 0: one a core")->check(Within(0, 1024));
  app->add_flag("--resume", options.resume)->description("go on with the run of the same command that was ended");
  app->add_flag("--overwrite", options.overwrite)->description("replace the file, or one that was ended");
  app->add_flag("--json", flags->json)->description("print the report as one JSON object");
}

}  // namespace kindred
