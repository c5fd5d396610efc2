// A make-believe shop as files: what `kindred generate` does.
//
//   events.csv            kEventsHeader (shop_event_file.h); in order of time; `prepare` reads it as it is
//   items.csv, users.csv  attributes that go with what was planted
//   truth.json            what was planted: taste groups, seasons, sales, items without events, and for every user
//                         and item its groups, style, category; and how much of the following
//   truth_duplicates.csv  event_id,line of every line of events.csv that repeats one before it
//   truth_bots.csv        user_id,n_events of users that are programs
//   truth_missing.csv     file,line,column of every value that was left out
//
// docs/formats.md describes them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

namespace kindred {

struct GenerateOptions {
  std::filesystem::path out;
  int64_t n_users = 2000;
  int64_t n_items = 800;
  int64_t n_events = 60000;  // lines of events.csv, duplicates and bots included
  int64_t n_days = 120;
  uint64_t seed = 1;
  double cold_items = 0.02;   // part of the items: have no events
  double duplicates = 0.005;  // part of the events: repeat a line
  double bots = 0.001;        // part of the users; see ShopEvents for what they do
  double missing = 0.02;      // part of the values of each column that may lack some
  /// 0: one a core.
  int n_threads = 0;
  /// Replaces a folder that holds nothing but such files.
  bool overwrite = false;
  /// Events written so far, and in all; may be empty.
  std::function<void(int64_t, int64_t)> progress;
};

inline constexpr int64_t kMostGeneratedEvents = 1'000'000'000'000;
inline constexpr double kMostPlanted = 0.5;  // of the four parts above

/// Writes the files; the folder appears whole or not at all. The same options give the same bytes, on any number of
/// threads. Parts of counts are rounded down. Returns a report: the options that make the bytes, and "n_cold_items",
/// "n_bots", "n_bot_events", "n_duplicates", "n_missing".
///
/// Throws kUsage for counts below 1 (or days above 3650) and parts that are none, kAlreadyExists for a folder in the
/// way, kIo.
/// Memory: the shop (see shop.h) and about 80 MiB; it does not depend on the number of events.
nlohmann::json Generate(const GenerateOptions& options);

}  // namespace kindred
