#include "training/split_options.h"

#include <fmt/format.h>

#include "host/cli/command_line.h"
#include "host/text/time_format.h"

namespace kindred {
namespace {

CLI::Validator IsTime() {
  const auto check = [](const std::string& text) {
    int64_t moment = 0;
    const char* wrong = ParseTime(text, &moment);
    return wrong == nullptr ? std::string() : fmt::format("'{}': {}", text, wrong);
  };
  return CLI::Validator(check, "TIME", "time");
}

}  // namespace

SplitOptions SplitFlags::Split(uint64_t seed) const {
  SplitOptions options;
  options.kind = ParseSplitKind(kind);
  options.fraction = fraction;
  options.n = n;
  options.seed = seed;
  if (!time.empty()) {
    ParseTime(time, &options.moment);  // it was checked
    options.has_moment = true;
  }
  return options;
}

nlohmann::json SplitJson(const SplitOptions& split) {
  switch (split.kind) {
    case SplitKind::kRandom:
      return {{"kind", "random"}, {"fraction", split.fraction}, {"seed", split.seed}};
    case SplitKind::kItems:
      return {{"kind", "items"}, {"fraction", split.fraction}, {"seed", split.seed}};
    case SplitKind::kLeaveLastN:
      return {{"kind", "leave-last-n"}, {"n", split.n}};
    case SplitKind::kTime:
      if (split.has_moment) return {{"kind", "time"}, {"fraction", nullptr}, {"from_time", split.moment}};
      return {{"kind", "time"}, {"fraction", split.fraction}};
    case SplitKind::kNone:
      break;
  }
  return {{"kind", "none"}};
}

void AddSplitFlags(CLI::App& app, SplitFlags& flags) {
  app.add_option("--split", flags.kind,
                 "hold out: none, random, leave-last-n, time or items (all interactions of some items)")
      ->check(CLI::IsMember({"none", "random", "leave-last-n", "time", "items"}));
  app.add_option("--holdout-fraction", flags.fraction, "of the pairs (random), the items (items) or the events (time)")
      ->check(Within(1e-9, 1 - 1e-9));
  app.add_option("--holdout-n", flags.n, "items of each user (leave-last-n)")->check(Within(1, 1e9));
  app.add_option("--split-time", flags.time, "hold out what is not before this moment (time)")->check(IsTime());
}

}  // namespace kindred
