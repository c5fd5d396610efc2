// What happens in the make-believe shop: sessions of its users, and what is wrong with an export of them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "host/shop/shop.h"
#include "host/shop/shop_calendar.h"

namespace kindred {

enum class ShopEventType : uint8_t { kView, kCart, kBuy };

struct ShopEvent {
  int64_t id = 0;       // from 1; a duplicate has that of its original
  int64_t session = 0;  // from 1; not every number is there
  int32_t second = 0;   // counted from day 0
  int32_t user = 0;
  int32_t item = 0;
  int32_t cents = 0;  // the price at that time
  ShopEventType type = ShopEventType::kView;
  int8_t quantity = 1;
  bool duplicate = false;
  bool bot = false;
};

/// All events in slices of equally many, each made from the seed and its number alone, by any thread.
///
/// Users come in sessions: views within a mood (a category their taste groups like, more so in its season and on sale,
/// mostly in their style), some put into the cart and some of those bought. A bot views anything, every second or two,
/// for as long as a slice has events for it. A duplicate repeats an event of its slice, behind all of the same second.
///
/// The events of a slice begin within its time, but sessions go on into the time of slices behind it.
class ShopEvents {
 public:
  static constexpr int64_t kSliceEvents = 8192;  // at most
  /// Bots take this many times the events of other users, but at most this part of all.
  static constexpr double kBotActivity = 30, kMostBotEvents = 0.3;

  /// `duplicates` is the part of all events that repeat one, at most 0.5. Shop and calendar are kept.
  ShopEvents(const Shop& shop, const ShopCalendar& calendar, int64_t n_events, double duplicates, uint64_t seed);

  int64_t n_slices() const { return n_slices_; }
  /// The second where the slice's time begins; of n_slices(), the end of all days.
  int32_t FirstSecond(int64_t slice) const;
  /// Replaces `events` by those of the slice, in order of time. None is at or behind the end of all days.
  void Make(int64_t slice, std::vector<ShopEvent>& events) const;

 private:
  struct Range {
    int64_t first = 0;
    int64_t end = 0;
    int64_t size() const { return end - first; }
  };
  class Slice;

  /// What falls on a slice of so many, evenly.
  Range Share(int64_t total, int64_t slice) const;
  double PartAt(int64_t slice) const;

  const Shop& shop_;
  const ShopCalendar& calendar_;
  uint64_t seed_;
  int64_t n_slices_;
  int64_t n_events_;
  int64_t n_duplicates_;
  int64_t n_bot_events_;
  int64_t n_bot_runs_;
  std::vector<std::array<double, kShopCategories>> moods_;  // [n_days * n_groups] cumulative
  std::vector<double> appetite_;                            // [n_days * n_groups] demand for what the group likes
  std::vector<double> most_appetite_;                       // [n_days]
};

}  // namespace kindred
