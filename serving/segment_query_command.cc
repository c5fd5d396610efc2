#include <memory>

#include "serving/commands.h"
#include "serving/segment_queries.h"

namespace kindred {
namespace {

void Check(const SegmentQueryOptions& options) {
  CheckClientOptions(options);
  for (const std::string& user : options.users) ExpectUtf8("--user", user);
  ExpectUtf8("--user", options.user);
  ExpectUtf8("--cluster", options.cluster);
  ExpectUtf8("--rule", options.rule);
  ExpectUtf8("--stage", options.stage);
  for (const std::string& one : options.values) ExpectUtf8("--feature", one);
  for (const std::string& name : options.features) ExpectUtf8("--feature", name);
  for (const std::string& name : options.attributes) ExpectUtf8("--attribute", name);
}

void AddSegmentFlags(CLI::App* app, SegmentQueryOptions& options) {
  app->add_option("--cluster", options.cluster, "a cluster's id or name");
  app->add_option("--rule", options.rule, "a rule's name");
  app->add_option("--stage", options.stage, "a stage's name");
  app->add_flag("--likely", options.likely, "who is likely to buy");
}

}  // namespace

void AddSegmentQueries(CommandLine& program, CLI::App* query) {
  const auto options = std::make_shared<SegmentQueryOptions>();
  CLI::App* segments = program.AddTo(query, "segments", "Who is in which segment, and why.", nullptr);
  const auto add = [&](const char* name, const char* description, int (*run)(const SegmentQueryOptions&)) {
    CLI::App* app = program.AddTo(segments, name, description, [options, run] {
      Check(*options);
      return run(*options);
    });
    AddClientOptions(app, *options);
    return app;
  };

  CLI::App* get = add("get", "All segments of a user, with reasons.", &QuerySegmentsGet);
  get->add_option("--user", options->users, "the user's id; repeat for more, in one call")->required();

  add("list", "All segments and their sizes.", &QuerySegmentsList);

  CLI::App* describe = add("describe", "What is known of a segment.", &QuerySegmentsDescribe);
  AddSegmentFlags(describe, *options);

  CLI::App* members =
      add("members", "The users of a segment, an id a line; with --json an object a line.", &QuerySegmentsMembers);
  AddSegmentFlags(members, *options);
  members->add_option("--n", options->n, "the first so many; default: all");

  CLI::App* assign =
      add("assign", "Where somebody who did this, or has these features, would be.", &QuerySegmentsAssign);
  assign->add_option("--user", options->user, "whose events they are: the stored ones count as well");
  assign->add_option("--events", options->events,
                     "a file of JSON lines with item_id, type, time and value; -: standard input");
  assign->add_option("--reference", options->reference,
                     "a time to look back from; default: the later of the version's and the last of the events");
  assign->add_flag("--only-these-events", options->only_these_events, "the stored events do not count");
  assign->add_option("--feature", options->values, "NAME=VALUE, in place of events; repeat for more");

  CLI::App* rows = add("export", "The users of a segment, or all, with what a message to them needs, as a table.",
                       &QuerySegmentsExport);
  AddSegmentFlags(rows, *options);
  rows->add_option("--feature", options->features, "a feature to have in each row; repeat for more; '*': all");
  rows->add_option("--attribute", options->attributes,
                   "an attribute of users, such as their address; repeat for more; '*': all");
  rows->add_option("--format", options->format, "csv or jsonl; default: as --out ends, else csv")
      ->check(CLI::IsMember({"csv", "jsonl"}));
  rows->add_option("--out", options->out, "the file to make; default: standard output");
  rows->add_flag("--overwrite", options->overwrite, "replace the file if it is there");
}

}  // namespace kindred
