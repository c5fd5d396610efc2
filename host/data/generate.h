// A make-believe shop as files: what `kindred generate` does.
//
//   events.csv   user_id,item_id,event,value,timestamp   in order of time; `prepare` reads it as it is
//   items.csv    item_id,name,category,price
//   truth.json   what was planted: each user's taste groups and style, each item's category and style
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
  int64_t n_events = 60000;
  int64_t n_days = 120;
  uint64_t seed = 1;
  /// Replaces a folder that holds nothing but such files.
  bool overwrite = false;
  /// Events written so far, and in all; may be empty.
  std::function<void(int64_t, int64_t)> progress;
};

/// Writes the three files; the folder appears whole or not at all. The same options give the same bytes.
/// Returns a report ("out", "n_users", "n_items", "n_events", "n_days", "seed").
///
/// Users come in sessions: views within a mood (a category their taste groups like, mostly in their style), some
/// put into the cart (value 3) and some of those bought (5); a view has value 1. Days follow a weekly rhythm and
/// slow growth, hours a daily one; new users arrive over the first four fifths of the time.
///
/// Throws kUsage for counts below 1 (or days above 3650), kAlreadyExists for a folder in the way, kIo.
/// Memory: the shop (see shop.h) and a day's events.
nlohmann::json Generate(const GenerateOptions& options);

}  // namespace kindred
