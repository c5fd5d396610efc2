#include "host/shop/shop_catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "host/data/random.h"

namespace kindred {
namespace {

constexpr uint64_t kItemStream = 50, kNameStream = 51, kUserStream = 52;
constexpr double kStyleNamed = 0.85;  // of items: the style's name is a tag
constexpr double kOwnStyleTag = 0.9;  // of the other tags of a style
constexpr double kSecondUse = 0.5;    // of items: another tag of the category
constexpr double kOccasion = 0.3;
constexpr double kInStock = 0.95;
constexpr double kOldUsers = 0.2;  // of users: signed up in the year before day 0

/// Random numbers of one item or user.
class Traits {
 public:
  Traits(uint64_t seed, uint64_t stream, int64_t index)
      : seed_(RandomBits(seed, stream)), next_(static_cast<uint64_t>(index) * 32) {}
  double Uniform() { return RandomUniform(seed_, next_++); }
  template <class Choices>
  const auto& OneOf(const Choices& choices) {
    return choices[static_cast<size_t>(Uniform() * static_cast<double>(std::size(choices)))];
  }
  /// An index, by weight.
  template <class Weights>
  size_t ByWeight(const Weights& weights) {
    double total = 0;
    for (const double weight : weights) total += weight;
    double left = Uniform() * total;
    size_t i = 0;
    while (i + 1 < std::size(weights) && left >= weights[i]) left -= weights[i++];
    return i;
  }

 private:
  uint64_t seed_;
  uint64_t next_;
};

/// The words of an item's name: nouns and colours in a shuffled order, then variants, then numbers.
struct NameWords {
  const char* colour;
  const char* noun;
  std::string variant;
};

NameWords NameOf(const Shop::Item& item, uint64_t seed) {
  const ShopCategory& category = kCategories[static_cast<size_t>(item.category)];
  const ShopStyle& style = kStyles[static_cast<size_t>(item.style)];
  const size_t n_plain = category.nouns.size() * style.colours.size();
  const size_t round = static_cast<size_t>(item.place) / n_plain;
  // Steps of 29 visit all 48 places, for both are coprime; the start depends on the shop.
  const uint64_t bucket = static_cast<uint64_t>(item.category) * kShopStyles + static_cast<uint64_t>(item.style);
  const size_t start = RandomBits(RandomBits(seed, kNameStream), bucket) % n_plain;
  const size_t place = (start + 29 * (static_cast<size_t>(item.place) % n_plain)) % n_plain;
  NameWords words = {style.colours[place / category.nouns.size()], category.nouns[place % category.nouns.size()],
                     kVariants[round % kVariants.size()]};
  if (round >= kVariants.size()) words.variant += fmt::format(" no. {}", round / kVariants.size() + 1);
  return words;
}

std::string TagsOf(const Shop::Item& item, Traits& traits) {
  const ShopCategory& category = kCategories[static_cast<size_t>(item.category)];
  const ShopStyle& style = kStyles[static_cast<size_t>(item.style)];
  std::string tags;
  const auto add = [&](std::string_view tag) {
    if (!tags.empty()) tags += '|';
    tags += tag;
  };
  const bool named = traits.Uniform() < kStyleNamed;
  if (named) add(style.name);
  const ShopStyle& shown = traits.Uniform() < kOwnStyleTag ? style : traits.OneOf(kStyles);
  const std::string_view look = shown.tags[1 + static_cast<size_t>(traits.Uniform() * 4)];  // 0 is the style's name
  add(look);
  const auto use = static_cast<size_t>(traits.Uniform() * static_cast<double>(category.tags.size()));
  add(category.tags[use]);
  const auto step = 1 + static_cast<size_t>(traits.Uniform() * static_cast<double>(category.tags.size() - 1));
  if (traits.Uniform() < kSecondUse) add(category.tags[(use + step) % category.tags.size()]);
  const std::string_view occasion = traits.OneOf(kOccasions);
  if (traits.Uniform() < kOccasion) add(occasion);
  return tags;
}

}  // namespace

ItemText DescribeItem(const Shop& shop, int64_t index) {
  const Shop::Item& item = shop.items()[static_cast<size_t>(index)];
  const ShopCategory& category = kCategories[static_cast<size_t>(item.category)];
  const ShopStyle& style = kStyles[static_cast<size_t>(item.style)];
  const auto brand = static_cast<size_t>(item.brand);
  const NameWords name = NameOf(item, shop.options().seed);
  Traits traits(shop.options().seed, kItemStream, index);

  ItemText text;
  text.name = fmt::format("{} {}{}", name.colour, name.noun, name.variant);
  text.category = category.name;
  text.brand = kStyles[brand / kStyleBrands].brands[brand % kStyleBrands];
  text.tags = TagsOf(item, traits);
  const double margin = category.margin + 0.2 * (traits.Uniform() - 0.5);
  text.margin = static_cast<int>(std::round(100 * margin));
  text.in_stock = traits.Uniform() < kInStock;
  const std::string_view look = traits.OneOf(style.looks), use = traits.OneOf(category.uses);
  text.description = fmt::format("{}. {}: {}.", look, text.name, use);
  return text;
}

UserText DescribeUser(const Shop& shop, const ShopCalendar& calendar, int64_t index) {
  const Shop::User& user = shop.users()[static_cast<size_t>(index)];
  Traits traits(shop.options().seed, kUserStream, index);
  static const std::vector<double> country_weights = [] {
    std::vector<double> weights;
    for (const Country& country : kCountries) weights.push_back(country.users);
    return weights;
  }();

  UserText text;
  text.country = kCountries[traits.ByWeight(country_weights)].code;
  const size_t age = traits.ByWeight(kGroups[static_cast<size_t>(user.groups[0].group)].ages);
  text.age_group = kAges[age];
  text.device = kDeviceNames[traits.ByWeight(kDevicesByAge[age])];
  const double before = traits.Uniform() * 365 * ShopCalendar::kDaySeconds;
  const bool old = traits.Uniform() < kOldUsers || user.bot;
  const double second = old ? -before : std::floor(calendar.TimeAt(shop.Debut(index)));
  text.signed_up = ShopCalendar::kFirstSecond + static_cast<int64_t>(std::floor(second)) - 60;
  return text;
}

}  // namespace kindred
