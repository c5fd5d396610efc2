#include "host/shop/shop.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "host/data/random.h"

namespace kindred {
namespace {

constexpr double kZipfExponent = 0.8;
constexpr double kActivitySpread = 0.8;
constexpr double kArrivalTime = 0.8;  // the part of all events in which users come for the first time
constexpr double kArrivalPower = 0.8;
constexpr double kOwnBrand = 0.8;     // of items: a brand of their style
constexpr double kNewItems = 0.08;    // of items: released while events happen
constexpr double kNewItemTime = 0.8;  // within this part of the days
constexpr double kOldestItem = 3 * 365.0 * ShopCalendar::kDaySeconds;

// Streams of random numbers, one a purpose.
enum Stream : uint64_t { kItemKind = 1, kItemOrder, kItemPrice, kItemBrand, kItemRelease, kTaste, kActivity, kBots };

}  // namespace

Shop::Shop(const ShopOptions& options, const ShopCalendar& calendar) : options_(options) {
  MakeItems(calendar);
  MakeUsers();
}

void Shop::MakeItems(const ShopCalendar& calendar) {
  const auto stream = [&](Stream purpose) { return RandomBits(options_.seed, purpose); };
  items_.resize(static_cast<size_t>(options_.n_items));
  std::vector<int32_t> order(items_.size());
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[RandomBits(stream(kItemOrder), i) % i]);
  bestseller_ = order[0];
  cold_items_.assign(order.end() - options_.n_cold_items, order.end());
  std::sort(cold_items_.begin(), cold_items_.end());

  std::vector<double> weights(order.size());
  for (size_t i = 0; i + cold_items_.size() < order.size(); ++i)
    weights[static_cast<size_t>(order[i])] = std::pow(static_cast<double>(i) + 3, -kZipfExponent);
  popularity_ = WeightedChoice(weights);

  buckets_.resize(kShopCategories * kShopStyles);
  std::array<int32_t, kShopCategories> numbers{};
  std::array<int32_t, kShopCategories * kShopStyles> places{};
  std::vector<std::vector<double>> bucket_weights(buckets_.size());
  for (size_t i = 0; i < items_.size(); ++i) {
    const uint64_t bits = RandomBits(stream(kItemKind), i);
    const size_t category = bits % kShopCategories, style = (bits >> 32) % kShopStyles;
    const size_t bucket = category * kShopStyles + style;
    Item& item = items_[i];
    item.category = static_cast<int8_t>(category);
    item.style = static_cast<int8_t>(style);
    item.number = ++numbers[category];
    item.place = places[bucket]++;
    const double brand = RandomUniform(stream(kItemBrand), i);
    item.brand =
        static_cast<int8_t>(brand < kOwnBrand ? (static_cast<double>(style) + brand / kOwnBrand) * kStyleBrands
                                              : (brand - kOwnBrand) / (1 - kOwnBrand) * kShopStyles * kStyleBrands);
    const double price =
        kCategories[category].price * kStyles[style].price * std::exp(0.4 * RandomNormal(stream(kItemPrice), i));
    item.cents = static_cast<int32_t>(std::max(1.0, std::round(price))) * 100 - 10;
    const double release = RandomUniform(stream(kItemRelease), i);
    const bool is_new = release < kNewItems && static_cast<int64_t>(i) != bestseller_;
    item.released =
        static_cast<int32_t>(is_new ? release / kNewItems * kNewItemTime * static_cast<double>(calendar.n_seconds())
                                    : -1 - kOldestItem * RandomUniform(stream(kItemRelease), i + items_.size()));
    if (weights[i] == 0) continue;
    buckets_[bucket].items.push_back(static_cast<int32_t>(i));
    bucket_weights[bucket].push_back(weights[i]);
  }
  for (const int32_t item : cold_items_)
    items_[static_cast<size_t>(item)].released = static_cast<int32_t>(calendar.n_seconds());
  for (size_t b = 0; b < buckets_.size(); ++b)
    if (!buckets_[b].items.empty()) buckets_[b].choice = WeightedChoice(bucket_weights[b]);
}

void Shop::MakeUsers() {
  const uint64_t taste = RandomBits(options_.seed, kTaste), activity = RandomBits(options_.seed, kActivity);
  users_.resize(static_cast<size_t>(options_.n_users));
  std::vector<double> weights(users_.size());
  for (size_t u = 0; u < users_.size(); ++u) {
    const auto uniform = [&](uint64_t i) { return RandomUniform(taste, u * 8 + i); };
    User& user = users_[u];
    const size_t n_groups = uniform(0) < 0.4 ? 1 : uniform(0) < 0.85 ? 2 : 3;
    std::array<int8_t, kShopGroups> groups;
    std::iota(groups.begin(), groups.end(), int8_t{0});
    float total = 0;
    for (size_t g = 0; g < n_groups; ++g) {
      const auto other = static_cast<size_t>(uniform(g + 1) * static_cast<double>(kShopGroups - g));
      std::swap(groups[g], groups[g + other]);
      user.groups[g] = {groups[g], g == 0 ? 1.0f : static_cast<float>(0.3 + 0.5 * uniform(g + 3))};
      total += user.groups[g].weight;
    }
    for (Membership& membership : user.groups) membership.weight /= total;
    user.style = static_cast<int8_t>(uniform(6) * static_cast<double>(kShopStyles));
    weights[u] = std::exp(kActivitySpread * RandomNormal(activity, u));
  }
  ChooseBots();
  for (const int32_t bot : bots_) weights[static_cast<size_t>(bot)] = 0;
  activity_ = WeightedChoice(weights);
}

void Shop::ChooseBots() {
  // One of each of equal ranges, which leave out the first user: somebody has to be there when nobody else is.
  const auto bound = [&](int64_t b) { return 1 + b * (options_.n_users - 1) / options_.n_bots; };
  const uint64_t stream = RandomBits(options_.seed, kBots);
  for (int64_t b = 0; b < options_.n_bots; ++b) {
    const auto length = static_cast<double>(bound(b + 1) - bound(b));
    const auto at = static_cast<int64_t>(length * RandomUniform(stream, static_cast<uint64_t>(b)));
    bots_.push_back(static_cast<int32_t>(bound(b) + at));
    users_[static_cast<size_t>(bots_.back())].bot = true;
  }
}

std::string Shop::UserId(int64_t user) const {
  return fmt::format("u{:0{}}", user + 1, kUserDigits);
}

std::string Shop::ItemId(int64_t item) const {
  const Item& entry = items_[static_cast<size_t>(item)];
  return fmt::format("{}-{:0{}}", kCategories[static_cast<size_t>(entry.category)].prefix, entry.number, kItemDigits);
}

double Shop::Debut(int64_t user) const {
  return kArrivalTime * std::pow(static_cast<double>(user) / static_cast<double>(options_.n_users), 1 / kArrivalPower);
}

int64_t Shop::Arrived(double part) const {
  const double users = std::pow(std::min(part / kArrivalTime, 1.0), kArrivalPower);
  return std::clamp(static_cast<int64_t>(std::ceil(users * static_cast<double>(options_.n_users))), int64_t{1},
                    options_.n_users);
}

int64_t Shop::DrawItem(size_t category, size_t style, double uniform) const {
  const Bucket& bucket = buckets_[category * kShopStyles + style];
  return bucket.items.empty() ? popularity_.Draw(uniform)
                              : bucket.items[static_cast<size_t>(bucket.choice.Draw(uniform))];
}

}  // namespace kindred
