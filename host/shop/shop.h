// The make-believe shop behind `kindred generate`: what it sells and who buys there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/shop/shop_calendar.h"
#include "host/shop/shop_words.h"
#include "host/shop/weighted_choice.h"

namespace kindred {

struct ShopOptions {
  int64_t n_users = 0;
  int64_t n_items = 0;
  int64_t n_bots = 0;        // of the users; fewer than those
  int64_t n_cold_items = 0;  // of the items; fewer than those
  uint64_t seed = 1;
};

/// Items and users drawn from a seed. Items have a category, a style, a brand and a popularity (Zipf's law with
/// exponent 0.8 over a random order). A user belongs to one to three taste groups, with weights that sum to 1, prefers
/// one style, and is more or less active (log-normal). Users are numbered in the order of their first visits, which are
/// spread over the first four fifths of all events, denser at the start.
/// Memory: about 60 bytes an item, 50 a user.
class Shop {
 public:
  Shop(const ShopOptions& options, const ShopCalendar& calendar);

  struct Item {
    int8_t category = 0;
    int8_t style = 0;
    int8_t brand = 0;      // those of the first style, then of the next, and so on
    int32_t number = 0;    // of its category, from 1
    int32_t place = 0;     // of its category and style, from 0
    int32_t cents = 0;     // without a sale
    int32_t released = 0;  // a second, counted from day 0; of a cold item, the end of all days
  };
  struct Membership {
    int8_t group = 0;
    float weight = 0;
  };
  struct User {
    Membership groups[3];  // weight 0: no such group
    int8_t style = 0;
    bool bot = false;  // has no taste, then
  };

  const ShopOptions& options() const { return options_; }
  const std::vector<Item>& items() const { return items_; }
  const std::vector<User>& users() const { return users_; }
  /// In increasing order.
  const std::vector<int32_t>& bots() const { return bots_; }
  const std::vector<int32_t>& cold_items() const { return cold_items_; }

  std::string UserId(int64_t user) const;
  std::string ItemId(int64_t item) const;
  /// Every id is the number, of at least so many digits, behind the prefix.
  static constexpr int kUserDigits = 5, kItemDigits = 4;

  /// The part of all events before the user's first visit; and how many have come by then, at least one.
  double Debut(int64_t user) const;
  int64_t Arrived(double part) const;

  /// A user who has come, no bot, by activity.
  int64_t DrawUser(int64_t n_arrived, double uniform) const { return activity_.DrawOfFirst(n_arrived, uniform); }
  /// An item by popularity, of the category and style where there is one. Never a cold one.
  int64_t DrawItem(double uniform) const { return popularity_.Draw(uniform); }
  int64_t DrawItem(size_t category, size_t style, double uniform) const;
  /// The most popular one. It has been there from the start.
  int64_t bestseller() const { return bestseller_; }

 private:
  struct Bucket {
    std::vector<int32_t> items;
    WeightedChoice choice;
  };

  void MakeItems(const ShopCalendar& calendar);
  void MakeUsers();
  void ChooseBots();

  ShopOptions options_;
  std::vector<Item> items_;
  std::vector<User> users_;
  std::vector<int32_t> bots_;
  std::vector<int32_t> cold_items_;
  std::vector<Bucket> buckets_;  // [n_categories * n_styles]
  WeightedChoice activity_;
  WeightedChoice popularity_;
  int64_t bestseller_ = 0;
};

}  // namespace kindred
