#include "host/shop/shop_events.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "host/data/random.h"

namespace kindred {
namespace {

constexpr double kBestseller = 0.08;      // of views: anything popular
constexpr double kMoodChange = 0.2;       // of views: another category
constexpr double kFavouriteStyle = 0.75;  // of views, beside what chance gives
constexpr double kNextView = 0.78;
constexpr double kIntoCart = 0.16;
constexpr double kCheckout = 0.55;  // of sessions with something in the cart
constexpr int kMaxViews = 30;
constexpr int kMaxTries = 8;

/// Random numbers one after another.
class Dice {
 public:
  Dice(uint64_t seed, uint64_t stream) : seed_(RandomBits(seed, stream)) {}
  double Uniform() { return RandomUniform(seed_, counter_++); }
  bool Chance(double probability) { return Uniform() < probability; }
  int64_t Below(int64_t n) { return static_cast<int64_t>(Uniform() * static_cast<double>(n)); }

 private:
  uint64_t seed_;
  uint64_t counter_ = 0;
};

/// total * part / n without overflow, rounded down.
int64_t Portion(int64_t total, int64_t part, int64_t n) {
  return total / n * part + total % n * part / n;
}

}  // namespace

/// One slice while it is made.
class ShopEvents::Slice {
 public:
  Slice(const ShopEvents& all, int64_t slice, std::vector<ShopEvent>& events)
      : all_(all),
        shop_(all.shop_),
        slice_(slice),
        first_second_(all.FirstSecond(slice)),
        last_second_(static_cast<int32_t>(all.calendar_.n_seconds()) - 1),
        lines_(all.Share(all.n_events_, slice)),
        duplicates_(all.Share(all.n_duplicates_, slice)),
        dice_(all.seed_, kStreams + static_cast<uint64_t>(slice)),
        events_(events) {}

  void Make() {
    events_.clear();
    const Range bots = all_.Share(all_.n_bot_events_, slice_);
    AddHumans(lines_.size() - duplicates_.size() - bots.size());
    AddBots(bots.size());
    Sort();
  }

 private:
  static constexpr uint64_t kStreams = 1000;

  void AddHumans(int64_t n_events) {
    const double first = all_.PartAt(slice_), end = all_.PartAt(slice_ + 1);
    // Newcomers first, so that everybody is seen, and none of them takes the place of the others.
    const Range newcomers = {slice_ == 0 ? 0 : shop_.Arrived(first), shop_.Arrived(end)};
    for (int64_t user = newcomers.first; user < newcomers.end && Size() < n_events; ++user)
      if (!shop_.users()[static_cast<size_t>(user)].bot)
        AddSession(user, shop_.Debut(user), std::max<int64_t>(n_events - (newcomers.end - user - 1), Size() + 1));
    while (Size() < n_events) {
      const double part = first + (end - first) * dice_.Uniform();
      const auto second = static_cast<int64_t>(all_.calendar_.TimeAt(part));
      AddSession(DrawUser(std::min(second / ShopCalendar::kDaySeconds, all_.calendar_.n_days() - 1), part), part,
                 n_events);
    }
  }

  /// Whoever has an appetite for what is in demand is more likely to come.
  int64_t DrawUser(int64_t day, double part) {
    const int64_t n_arrived = shop_.Arrived(part);
    int64_t user = shop_.DrawUser(n_arrived, dice_.Uniform());
    for (int tries = 1; tries < kMaxTries; ++tries) {
      if (dice_.Uniform() * all_.most_appetite_[static_cast<size_t>(day)] < Appetite(day, user)) break;
      user = shop_.DrawUser(n_arrived, dice_.Uniform());
    }
    return user;
  }

  double Appetite(int64_t day, int64_t user) const {
    double sum = 0;
    for (const Shop::Membership& membership : shop_.users()[static_cast<size_t>(user)].groups)
      sum += membership.weight * all_.appetite_[At(day, membership.group)];
    return sum;
  }

  /// A category the user is in the mood for.
  size_t DrawCategory(int64_t day, const Shop::User& user, double appetite) {
    size_t g = 0;
    for (double left = dice_.Uniform() * appetite; g < 2 && user.groups[g + 1].weight > 0; ++g) {
      left -= user.groups[g].weight * all_.appetite_[At(day, user.groups[g].group)];
      if (left < 0) break;
    }
    const auto& mood = all_.moods_[At(day, user.groups[g].group)];
    const double target = dice_.Uniform() * mood.back();
    size_t category = 0;
    while (category + 1 < kShopCategories && mood[category] <= target) ++category;
    return category;
  }

  /// Something that is already sold, of the category and style where it can be.
  int64_t DrawItem(size_t category, size_t style, int32_t second) {
    for (int tries = 0; tries < kMaxTries; ++tries) {
      const bool anything = dice_.Chance(kBestseller) || 2 * tries >= kMaxTries;
      const double uniform = dice_.Uniform();
      const int64_t item = anything ? shop_.DrawItem(uniform) : shop_.DrawItem(category, style, uniform);
      if (shop_.items()[static_cast<size_t>(item)].released <= second) return item;
    }
    return shop_.bestseller();
  }

  int32_t Clamped(double second) const { return std::clamp(static_cast<int32_t>(second), first_second_, last_second_); }

  void AddSession(int64_t user, double part, int64_t max_events) {
    const Shop::User& taste = shop_.users()[static_cast<size_t>(user)];
    double second = all_.calendar_.TimeAt(part);
    const int64_t day = Clamped(second) / ShopCalendar::kDaySeconds;
    const double appetite = Appetite(day, user);
    ++n_sessions_;
    const auto add = [&](int64_t item, ShopEventType type, int quantity) {
      if (Size() < max_events) Add(user, item, Clamped(second), type, quantity);
      second += 5 + 90 * dice_.Uniform();
    };

    size_t category = DrawCategory(day, taste, appetite);
    cart_.clear();
    for (int views = 0; views < kMaxViews; ++views) {
      if (dice_.Chance(kMoodChange)) category = DrawCategory(day, taste, appetite);
      const auto style = dice_.Chance(kFavouriteStyle) ? static_cast<size_t>(taste.style)
                                                       : static_cast<size_t>(dice_.Below(kShopStyles));
      const int64_t item = DrawItem(category, style, Clamped(second));
      add(item, ShopEventType::kView, 1);
      if (dice_.Chance(kIntoCart)) {
        cart_.push_back({item, DrawQuantity()});
        add(item, ShopEventType::kCart, cart_.back().quantity);
      }
      if (!dice_.Chance(kNextView)) break;
    }
    if (!cart_.empty() && dice_.Chance(kCheckout))
      for (const CartLine& line : cart_) add(line.item, ShopEventType::kBuy, line.quantity);
  }

  int DrawQuantity() {
    const double uniform = dice_.Uniform();
    return uniform < 0.85 ? 1 : uniform < 0.95 ? 2 : 3;
  }

  void AddBots(int64_t n_events) {
    // Runs of all slices go through the bots in turn.
    const Range runs = all_.Share(all_.n_bot_runs_, slice_);
    const double first = all_.PartAt(slice_), end = all_.PartAt(slice_ + 1);
    const auto n_bots = static_cast<int64_t>(shop_.bots().size());
    for (int64_t run = runs.first; run < runs.end; ++run) {
      const int32_t bot = shop_.bots()[static_cast<size_t>(run % n_bots)];
      double second = all_.calendar_.TimeAt(first + (end - first) * dice_.Uniform());
      const int64_t at = run - runs.first;
      const int64_t n_views = Portion(n_events, at + 1, runs.size()) - Portion(n_events, at, runs.size());
      if (n_views > 0) ++n_sessions_;
      for (int64_t view = 0; view < n_views; ++view) {
        Add(bot, DrawAnyItem(Clamped(second)), Clamped(second), ShopEventType::kView, 1);
        second += 0.5 + 1.5 * dice_.Uniform();
      }
    }
  }

  int64_t DrawAnyItem(int32_t second) {
    const auto n_items = static_cast<int64_t>(shop_.items().size());
    for (int tries = 0; tries < kMaxTries; ++tries) {
      const int64_t item = dice_.Below(n_items);
      if (shop_.items()[static_cast<size_t>(item)].released <= second) return item;
    }
    return shop_.bestseller();
  }

  int64_t Size() const { return static_cast<int64_t>(events_.size()); }

  void Add(int64_t user, int64_t item, int32_t second, ShopEventType type, int quantity) {
    const Shop::Item& entry = shop_.items()[static_cast<size_t>(item)];
    const int discount =
        all_.calendar_.Discount(second / ShopCalendar::kDaySeconds, static_cast<size_t>(entry.category));
    ShopEvent event;
    event.session = n_sessions_;
    event.second = second;
    event.user = static_cast<int32_t>(user);
    event.item = static_cast<int32_t>(item);
    event.cents = static_cast<int32_t>(int64_t{entry.cents} * (100 - discount) / 100);
    event.type = type;
    event.quantity = static_cast<int8_t>(quantity);
    event.bot = shop_.users()[static_cast<size_t>(user)].bot;
    events_.push_back(event);
  }

  /// By time, with ids, and with duplicates behind the events of the same second.
  void Sort() {
    std::vector<uint64_t> order(events_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint64_t>(events_[i].second) << 32 | i;
    std::sort(order.begin(), order.end());

    // Ids count events that are no duplicates. A session has an event at least, so that they serve for sessions too.
    const int64_t first_id = 1 + lines_.first - duplicates_.first;
    const int64_t n_events = Size(), n_copies = duplicates_.size();
    std::vector<ShopEvent> sorted, copies;
    sorted.reserve(static_cast<size_t>(lines_.size()));
    int64_t copy = 0;
    const auto draw_copied = [&] {
      if (copy == n_copies) return n_events;
      const double place = (static_cast<double>(copy) + dice_.Uniform()) / static_cast<double>(n_copies);
      return static_cast<int64_t>(place * static_cast<double>(n_events));
    };
    int64_t copied = draw_copied();
    for (int64_t i = 0; i < n_events; ++i) {
      ShopEvent event = events_[order[static_cast<size_t>(i)] & 0xffffffff];
      if (!copies.empty() && copies.back().second != event.second) {
        sorted.insert(sorted.end(), copies.begin(), copies.end());
        copies.clear();
      }
      event.id = first_id + i;
      event.session += first_id - 1;
      sorted.push_back(event);
      event.duplicate = true;
      for (; copied == i; copied = draw_copied()) {
        copies.push_back(event);
        ++copy;
      }
    }
    sorted.insert(sorted.end(), copies.begin(), copies.end());
    events_.swap(sorted);
  }

  static size_t At(int64_t day, int8_t group) {
    return static_cast<size_t>(day) * kShopGroups + static_cast<size_t>(group);
  }

  struct CartLine {
    int64_t item;
    int quantity;
  };

  const ShopEvents& all_;
  const Shop& shop_;
  int64_t slice_;
  int32_t first_second_;
  int32_t last_second_;
  Range lines_;
  Range duplicates_;
  Dice dice_;
  int64_t n_sessions_ = 0;
  std::vector<ShopEvent>& events_;
  std::vector<CartLine> cart_;
};

ShopEvents::ShopEvents(const Shop& shop, const ShopCalendar& calendar, int64_t n_events, double duplicates,
                       uint64_t seed)
    : shop_(shop),
      calendar_(calendar),
      seed_(seed),
      n_slices_((n_events + kSliceEvents - 1) / kSliceEvents),
      n_events_(n_events),
      n_duplicates_(static_cast<int64_t>(duplicates * static_cast<double>(n_events))) {
  const auto n_bots = static_cast<int64_t>(shop.bots().size());
  const double bots = static_cast<double>(n_bots) / static_cast<double>(shop.users().size());
  n_bot_events_ = static_cast<int64_t>(std::min(kBotActivity * bots, kMostBotEvents) * static_cast<double>(n_events));
  n_bot_runs_ = n_bots == 0 ? 0 : std::min(std::max(n_bots, n_slices_), n_bot_events_);
  for (int64_t day = 0; day < calendar.n_days(); ++day) {
    for (const TasteGroup& group : kGroups) {
      std::array<double, kShopCategories> mood;
      for (size_t c = 0; c < kShopCategories; ++c) mood[c] = group.likes[c] * calendar.Demand(day, c);
      std::partial_sum(mood.begin(), mood.end(), mood.begin());
      appetite_.push_back(mood.back() / std::accumulate(group.likes.begin(), group.likes.end(), 0.0));
      moods_.push_back(mood);
    }
    most_appetite_.push_back(*std::max_element(appetite_.end() - kShopGroups, appetite_.end()));
  }
}

ShopEvents::Range ShopEvents::Share(int64_t total, int64_t slice) const {
  return {Portion(total, slice, n_slices_), Portion(total, slice + 1, n_slices_)};
}

double ShopEvents::PartAt(int64_t slice) const {
  return static_cast<double>(Share(n_events_, slice).first) / static_cast<double>(n_events_);
}

int32_t ShopEvents::FirstSecond(int64_t slice) const {
  return static_cast<int32_t>(calendar_.TimeAt(PartAt(slice)));
}

void ShopEvents::Make(int64_t slice, std::vector<ShopEvent>& events) const {
  Slice(*this, slice, events).Make();
}

}  // namespace kindred
