// The events of the make-believe shop as a file, with files of what is wrong with it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "host/shop/shop_events.h"
#include "host/shop/text_file.h"
#include "kernels/cpu/parallel.h"

namespace kindred {

inline constexpr std::string_view kEventsHeader =
    "user_id,item_id,event,value,timestamp,event_id,session_id,price,quantity\n";
inline constexpr std::array kEventsOptional = {"session_id", "price", "quantity"};  // what may be missing

struct EventFileCounts {
  int64_t n_duplicates = 0;
  int64_t n_bot_events = 0;
  std::array<int64_t, kEventsOptional.size()> missing{};
  std::vector<int64_t> bot_events;  // of each bot
};

/// Writes all events in order of time, and those of one second in the order of their slices.
///
///   events      kEventsHeader and a line an event; it is called `name` in the file of missing values
///   duplicates  event_id,line of each line that repeats one before it; 1 is the header's line
///   missing     file,line,column of each field that was left empty: of the optional columns, `missing_rate` of all
///
/// The files have their headers, and are finished by the caller. The bytes do not depend on the pool.
/// Memory: about 60 MiB. Throws kIo.
EventFileCounts WriteEventFile(const Shop& shop, const ShopEvents& events, double missing_rate, ThreadPool& pool,
                               std::string_view name, TextFile& event_file, TextFile& duplicate_file,
                               TextFile& missing_file, const std::function<void(int64_t)>& progress);

}  // namespace kindred
