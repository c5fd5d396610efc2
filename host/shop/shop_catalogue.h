// What the files of the make-believe shop say of its items and users, in words that go with what was planted.
#pragma once

#include <cstdint>
#include <string>

#include "host/shop/shop.h"
#include "host/shop/shop_calendar.h"

namespace kindred {

/// Nine of ten tags of a style are the item's own; the rest, and what goes with anything, is noise.
struct ItemText {
  std::string name;      // no other item has it
  std::string category;  // and style show in the tags and the description
  std::string brand;
  std::string tags;  // with '|' between
  std::string description;
  int margin = 0;  // part of the price, in hundredths
  bool in_stock = true;
};

/// Costs about 2 microseconds.
ItemText DescribeItem(const Shop& shop, int64_t item);

struct UserText {
  std::string country;
  std::string age_group;  // as the first taste group's people are
  std::string device;     // as people of that age use
  int64_t signed_up = 0;  // unix seconds; before the user's first event
};

UserText DescribeUser(const Shop& shop, const ShopCalendar& calendar, int64_t user);

}  // namespace kindred
