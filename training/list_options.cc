#include "training/list_options.h"

#include "host/cli/command_line.h"
#include "host/data/event_weighting.h"
#include "kernels/error.h"
#include "training/train_flags.h"

namespace kindred {

void ListFlags::Set(TrainOptions* options) const {
  ListTrainOptions& lists = options->lists;
  const auto set = [&](const char* flag, const auto& given, auto* option, std::initializer_list<std::string_view> of) {
    CheckFlagIsFor(flag, given.has_value(), options->algorithm, of);
    if (given) *option = *given;
  };
  CheckFlagIsFor("--window", window.has_value(), options->algorithm, {"popular", "trending"});
  if (window) lists.window = ParseDuration(*window);
  set("--group-by", group_by, &lists.group_by, {"popular", "latest", "trending"});
  set("--min-group-users", min_group_users, &lists.min_group_users, {"popular", "latest", "trending"});
  set("--group-prior", group_prior, &lists.group_prior, {"popular", "latest", "trending"});
  set("--min-events", min_events, &lists.min_events, {"latest"});
  set("--released", released, &lists.released, {"latest"});
  set("--trend-prior", trend_prior, &lists.trend_prior, {"trending"});
  if (!group_by && (min_group_users || group_prior))
    throw Error(ErrorCode::kUsage, "--min-group-users and --group-prior are of groups, and need --group-by");
}

void AddListFlags(CLI::App& app, ListFlags& flags) {
  app.add_option("--window", flags.window,
                 "how far back events count: 12h, 30d (popular; default: all do), or the time that is compared with as "
                 "much before it (trending; default: 7d)")
      ->check(Accepts(&ParseDuration, "DURATION"));
  app.add_option("--group-by", flags.group_by,
                 "a list for each value of this attribute of users, a category (popular, latest, trending)")
      ->type_name("COLUMN");
  app.add_option("--min-group-users", flags.min_group_users,
                 "groups with fewer users that have events get the list of all users; default: 20")
      ->check(Within(1, INT32_MAX));
  app.add_option("--group-prior", flags.group_prior,
                 "users for whom the list of all users counts in each group's; default: 500")
      ->check(Within(1e-9, 1e12));
  app.add_option("--min-events", flags.min_events,
                 "items with fewer come behind all others (latest); default: 1, with --released 0")
      ->check(Within(0, 1e12));
  app.add_option("--released", flags.released,
                 "an attribute of items, a time: since when they are there (latest); default: their first event")
      ->type_name("COLUMN");
  app.add_option("--trend-prior", flags.trend_prior,
                 "users for whom an item is taken to be as popular as before (trending); default: 10")
      ->check(Within(1, 1e12));
}

}  // namespace kindred
