#include "host/shop/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <system_error>

#include "host/shop/shop.h"
#include "host/shop/shop_calendar.h"
#include "host/shop/shop_event_file.h"
#include "host/shop/shop_events.h"
#include "host/shop/shop_files.h"
#include "host/shop/text_file.h"
#include "host/store/new_folder.h"
#include "kernels/cpu/parallel.h"
#include "kernels/error.h"

namespace kindred {
namespace fs = std::filesystem;
namespace {

constexpr const char* kEventsFile = "events.csv";
constexpr const char* kItemsFile = "items.csv";
constexpr const char* kUsersFile = "users.csv";
constexpr const char* kTruthFile = "truth.json";
constexpr const char* kDuplicatesFile = "truth_duplicates.csv";
constexpr const char* kBotsFile = "truth_bots.csv";
constexpr const char* kMissingFile = "truth_missing.csv";
constexpr std::array kFiles = {kEventsFile,     kItemsFile, kUsersFile,  kTruthFile,
                               kDuplicatesFile, kBotsFile,  kMissingFile};

constexpr int64_t kMaxDays = 3650;

/// Throws kAlreadyExists unless everything in the folder is a file that is written here.
void CheckReplaceable(const fs::path& path) {
  std::error_code error;
  for (const std::string& name : NamesIn(path, error)) {
    if (std::find(kFiles.begin(), kFiles.end(), name) == kFiles.end())
      throw Error(ErrorCode::kAlreadyExists,
                  fmt::format("'{}' holds '{}', which was not generated: not overwritten", path.string(), name));
  }
  if (error) throw Error(ErrorCode::kIo, fmt::format("cannot list '{}': {}", path.string(), error.message()));
}

void Check(const GenerateOptions& options) {
  const auto expect = [](const char* what, auto found, auto least, auto largest) {
    if (!(found >= least && found <= largest))
      throw Error(ErrorCode::kUsage, fmt::format("{} is {}; expected {} to {}", what, found, least, largest));
  };
  constexpr int64_t kOne = 1, kLargestIndex = std::numeric_limits<int32_t>::max();
  expect("the number of users", options.n_users, kOne, kLargestIndex);
  expect("the number of items", options.n_items, kOne, kLargestIndex);
  expect("the number of events", options.n_events, kOne, kMostGeneratedEvents);
  expect("the number of days", options.n_days, kOne, kMaxDays);
  expect("the part of cold items", options.cold_items, 0.0, kMostPlanted);
  expect("the part of duplicates", options.duplicates, 0.0, kMostPlanted);
  expect("the part of bots", options.bots, 0.0, kMostPlanted);
  expect("the part of missing values", options.missing, 0.0, kMostPlanted);
  std::error_code ignored;
  if (!fs::exists(options.out, ignored) || fs::is_empty(options.out, ignored)) return;
  if (!options.overwrite)
    throw Error(ErrorCode::kAlreadyExists,
                fmt::format("'{}' is there already; --overwrite replaces a generated shop", options.out.string()));
  CheckReplaceable(options.out);
}

int64_t PartOf(int64_t n, double part) {
  return static_cast<int64_t>(part * static_cast<double>(n));
}

int64_t Sum(const nlohmann::json& missing) {
  int64_t sum = 0;
  for (const nlohmann::json& file : missing)
    for (const nlohmann::json& column : file) sum += column.get<int64_t>();
  return sum;
}

/// The options that make the bytes.
nlohmann::json Asked(const GenerateOptions& options) {
  return {{"n_users", options.n_users},       {"n_items", options.n_items}, {"n_events", options.n_events},
          {"n_days", options.n_days},         {"seed", options.seed},       {"cold_items", options.cold_items},
          {"duplicates", options.duplicates}, {"bots", options.bots},       {"missing", options.missing}};
}

}  // namespace

nlohmann::json Generate(const GenerateOptions& options) {
  Check(options);
  NewFolder folder(options.out);
  ThreadPool pool(options.n_threads);
  const auto in_folder = [&](const char* name) { return folder.path() / name; };
  const ShopCalendar calendar(options.n_days, options.seed);
  const Shop shop({.n_users = options.n_users,
                   .n_items = options.n_items,
                   .n_bots = PartOf(options.n_users, options.bots),
                   .n_cold_items = PartOf(options.n_items, options.cold_items),
                   .seed = options.seed},
                  calendar);

  TextFile missing_file(in_folder(kMissingFile)), duplicate_file(in_folder(kDuplicatesFile));
  TextFile event_file(in_folder(kEventsFile));
  missing_file.Print("file,line,column\n");
  duplicate_file.Print("event_id,line\n");
  event_file.Write(kEventsHeader);
  nlohmann::json missing;
  missing[kItemsFile] = WriteItems(shop, options.missing, in_folder(kItemsFile), missing_file);
  missing[kUsersFile] = WriteUsers(shop, calendar, options.missing, in_folder(kUsersFile), missing_file);
  const ShopEvents events(shop, calendar, options.n_events, options.duplicates, options.seed);
  const EventFileCounts counts = WriteEventFile(shop, events, options.missing, pool, kEventsFile, event_file,
                                                duplicate_file, missing_file, [&](int64_t n) {
                                                  if (options.progress) options.progress(n, options.n_events);
                                                });
  for (size_t column = 0; column < kEventsOptional.size(); ++column)
    missing[kEventsFile][kEventsOptional[column]] = counts.missing[column];
  for (TextFile* file : {&missing_file, &duplicate_file, &event_file}) file->Finish();
  WriteBots(shop, counts, in_folder(kBotsFile));
  const nlohmann::json planted = {{"n_cold_items", shop.cold_items().size()},
                                  {"n_bots", shop.bots().size()},
                                  {"n_bot_events", counts.n_bot_events},
                                  {"n_duplicates", counts.n_duplicates},
                                  {"missing", missing}};
  WriteTruth(shop, calendar, {{"seed", options.seed}, {"asked", Asked(options)}, {"planted", planted}},
             in_folder(kTruthFile));
  folder.Commit(options.overwrite, CheckReplaceable);

  nlohmann::json report = Asked(options);
  report.update(planted);
  report.erase("missing");
  report.update({{"out", options.out.string()}, {"missing", options.missing}, {"n_missing", Sum(missing)}});
  return report;
}

}  // namespace kindred
