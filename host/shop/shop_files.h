// The files about the make-believe shop beside its events: items, users, and the truth.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "host/shop/shop.h"
#include "host/shop/shop_calendar.h"
#include "host/shop/shop_event_file.h"
#include "host/shop/text_file.h"

namespace kindred {

/// How many values of a column were left empty.
using MissingCounts = std::map<std::string, int64_t>;

/// `item_id,name,category,price,margin,brand,tags,in_stock,released,description`. Of brand, tags and description each
/// is missing at the rate, which goes to `missing_file` as `file,line,column`.
MissingCounts WriteItems(const Shop& shop, double missing_rate, const std::filesystem::path& path,
                         TextFile& missing_file);
/// `user_id,country,age_group,device,signed_up`. All but the first and the last are missing at the rate.
MissingCounts WriteUsers(const Shop& shop, const ShopCalendar& calendar, double missing_rate,
                         const std::filesystem::path& path, TextFile& missing_file);
/// user_id,n_events
void WriteBots(const Shop& shop, const EventFileCounts& counts, const std::filesystem::path& path);
/// What was planted: `head`, then groups, seasons, sales, cold items, and every item and user.
void WriteTruth(const Shop& shop, const ShopCalendar& calendar, const nlohmann::json& head,
                const std::filesystem::path& path);

}  // namespace kindred
