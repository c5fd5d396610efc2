#include "host/data/shop.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <numeric>
#include <utility>

#include "host/data/random.h"

namespace kindred {
namespace {

constexpr size_t kNouns = 8;
constexpr size_t kColours = 6;

struct CategoryText {
  const char* name;
  const char* prefix;
  double price;  // a typical one
  std::array<const char*, kNouns> nouns;
};

constexpr CategoryText kCategories[] = {
    {"Lighting",
     "LGT",
     49,
     {"desk lamp", "floor lamp", "pendant light", "table lamp", "wall light", "reading light", "lantern", "spotlight"}},
    {"Office",
     "OFF",
     79,
     {"desk", "bookcase", "drawer unit", "monitor stand", "pen holder", "letter tray", "desk mat", "footrest"}},
    {"Seating",
     "SEA",
     129,
     {"armchair", "stool", "dining chair", "bench", "office chair", "rocking chair", "pouf", "footstool"}},
    {"Cookware",
     "COO",
     45,
     {"saucepan", "frying pan", "casserole", "wok", "baking tin", "roasting tray", "stockpot", "griddle"}},
    {"Kitchenware",
     "KIT",
     19,
     {"chopping board", "knife block", "whisk", "ladle", "pepper mill", "mixing bowl", "rolling pin", "colander"}},
    {"Coffee and tea",
     "TEA",
     29,
     {"teapot", "coffee grinder", "mug", "espresso cup", "milk jug", "kettle", "tea caddy", "coffee dripper"}},
    {"Textiles",
     "TEX",
     35,
     {"bath towel", "duvet cover", "pillowcase", "throw", "bathrobe", "cushion", "blanket", "bath mat"}},
    {"Decoration",
     "DEC",
     25,
     {"vase", "picture frame", "wall clock", "mirror", "fruit bowl", "pair of bookends", "candle holder",
      "plant stand"}},
    {"Garden",
     "GAR",
     22,
     {"planter", "watering can", "trowel", "bird feeder", "herb box", "hose reel", "wind chime", "garden stool"}},
    {"Camping",
     "CAM",
     39,
     {"hammock", "picnic blanket", "cool box", "flask", "camping chair", "lunch box", "tarp", "camping stove"}},
    {"Cycling",
     "CYC",
     34,
     {"bicycle bell", "saddle bag", "bar tape", "bicycle basket", "helmet", "pannier", "cycling cape", "pump"}},
    {"Fitness",
     "FIT",
     27,
     {"yoga mat", "dumbbell", "skipping rope", "foam roller", "water bottle", "kettlebell", "balance board",
      "gym bag"}},
    {"Toys",
     "TOY",
     24,
     {"set of blocks", "puzzle", "rocking horse", "toy kitchen", "doll's house", "train set", "stacking tower",
      "ball"}},
    {"Nursery",
     "NUR",
     42,
     {"changing mat", "baby blanket", "night light", "cot mobile", "high chair", "toy chest", "growth chart", "cot"}},
    {"Crafts",
     "CRA",
     18,
     {"yarn bowl", "sewing box", "sketchbook", "paint set", "easel", "embroidery hoop", "pin cushion", "knitting bag"}},
    {"Listening",
     "LIS",
     89,
     {"record stand", "headphone stand", "speaker", "radio", "turntable", "music stand", "ukulele", "metronome"}},
};
constexpr size_t kCategoryCount = std::size(kCategories);

struct StyleText {
  const char* name;
  double price;  // a factor
  std::array<const char*, kColours> colours;
};

constexpr StyleText kStyles[] = {
    {"natural", 1.0, {"Sand", "Moss", "Clay", "Oat", "Driftwood", "Stone"}},
    {"modern", 1.2, {"Black", "Graphite", "White", "Steel", "Chalk", "Smoke"}},
    {"colourful", 0.8, {"Coral", "Mint", "Lemon", "Cobalt", "Raspberry", "Rainbow"}},
    {"classic", 1.4, {"Navy", "Ivory", "Burgundy", "Brass", "Forest", "Tartan"}},
};
constexpr size_t kStyleCount = std::size(kStyles);

constexpr const char* kVariants[] = {"", ", large", ", small", ", deluxe", ", slim"};

struct GroupText {
  const char* name;
  std::array<double, kCategoryCount> likes;
};

// clang-format off
constexpr GroupText kGroups[] = {
    //                  LGT OFF SEA COO KIT TEA TEX DEC GAR CAM CYC FIT TOY NUR CRA LIS
    {"home cooks",     {0,  0,  0,  6,  6,  2,  0,  0,  1,  0,  0,  0,  0,  0,  0,  0}},
    {"home office",    {3,  6,  3,  0,  0,  2,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0}},
    {"nest builders",  {3,  0,  2,  0,  0,  0,  5,  5,  0,  0,  0,  0,  0,  0,  0,  0}},
    {"gardeners",      {0,  0,  1,  0,  0,  1,  0,  1,  7,  1,  0,  0,  0,  0,  0,  0}},
    {"young families", {0,  0,  0,  0,  0,  0,  1,  0,  0,  0,  0,  0,  5,  5,  1,  0}},
    {"outdoor people", {0,  0,  0,  0,  0,  0,  0,  0,  1,  6,  3,  1,  0,  0,  0,  0}},
    {"athletes",       {0,  0,  0,  0,  0,  0,  1,  0,  0,  1,  4,  6,  0,  0,  0,  0}},
    {"makers",         {1,  2,  0,  0,  0,  0,  0,  1,  0,  0,  0,  0,  1,  0,  7,  0}},
    {"listeners",      {1,  0,  2,  0,  0,  1,  0,  0,  0,  0,  0,  0,  0,  0,  0,  7}},
    {"hosts",          {0,  0,  1,  1,  3,  5,  2,  2,  0,  0,  0,  0,  0,  0,  0,  0}},
};
// clang-format on
constexpr size_t kGroupCount = std::size(kGroups);

constexpr double kZipfExponent = 0.8;
constexpr double kActivitySpread = 0.8;

// Streams of random numbers, one a purpose.
enum Stream : uint64_t { kItemKind = 1, kItemOrder, kItemPrice, kUserTaste, kUserActivity, kNames };

/// The k-th name of a category and style: nouns and colours in a shuffled order, then variants, then numbers.
std::string ItemName(int64_t category, int64_t style, int64_t k, uint64_t seed) {
  constexpr int64_t kPlain = kNouns * kColours;
  const int64_t round = k / kPlain;
  // Steps of 29 visit all 48 places, for both are coprime; the start depends on the shop.
  const auto start = static_cast<int64_t>(RandomBits(seed, static_cast<uint64_t>(category * 64 + style)) % kPlain);
  const int64_t place = (start + 29 * (k % kPlain)) % kPlain;
  const auto n_variants = static_cast<int64_t>(std::size(kVariants));
  std::string name =
      fmt::format("{} {}{}", kStyles[style].colours[place / static_cast<int64_t>(kNouns)],
                  kCategories[category].nouns[place % static_cast<int64_t>(kNouns)], kVariants[round % n_variants]);
  if (round >= n_variants) name += fmt::format(" no. {}", round / n_variants + 1);
  return name;
}

}  // namespace

WeightedChoice::WeightedChoice(std::span<const double> weights) : cumulative_(weights.size()) {
  std::partial_sum(weights.begin(), weights.end(), cumulative_.begin());
}

int64_t WeightedChoice::Draw(double uniform, int64_t n) const {
  const auto end = n > 0 ? cumulative_.begin() + n : cumulative_.end();
  const auto found = std::upper_bound(cumulative_.begin(), end - 1, uniform * *(end - 1));
  return found - cumulative_.begin();
}

int64_t Shop::n_categories() {
  return static_cast<int64_t>(kCategoryCount);
}
int64_t Shop::n_styles() {
  return static_cast<int64_t>(kStyleCount);
}
int64_t Shop::n_groups() {
  return static_cast<int64_t>(kGroupCount);
}
std::string_view Shop::CategoryName(int64_t category) {
  return kCategories[category].name;
}
std::string_view Shop::StyleName(int64_t style) {
  return kStyles[style].name;
}
std::string_view Shop::GroupName(int64_t group) {
  return kGroups[group].name;
}
std::span<const double> Shop::GroupLikes(int64_t group) {
  return kGroups[group].likes;
}

Shop::Shop(int64_t n_users, int64_t n_items, uint64_t seed) {
  MakeItems(n_items, seed);
  MakeUsers(n_users, seed);
  for (const GroupText& group : kGroups) likes_.emplace_back(group.likes);
}

void Shop::MakeItems(int64_t n_items, uint64_t seed) {
  const auto stream = [&](Stream purpose) { return RandomBits(seed, purpose); };
  std::vector<int64_t> order(static_cast<size_t>(n_items));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[RandomBits(stream(kItemOrder), i) % i]);

  std::vector<double> weights(order.size());
  for (size_t i = 0; i < order.size(); ++i)
    weights[static_cast<size_t>(order[i])] = std::pow(static_cast<double>(i) + 3, -kZipfExponent);
  popularity_ = WeightedChoice(weights);

  buckets_.resize(kCategoryCount * kStyleCount);
  std::array<int32_t, kCategoryCount> numbers{};
  for (size_t i = 0; i < order.size(); ++i) {
    const uint64_t bits = RandomBits(stream(kItemKind), i);
    Item item;
    item.category = static_cast<int8_t>(bits % kCategoryCount);
    item.style = static_cast<int8_t>((bits >> 32) % kStyleCount);
    item.number = ++numbers[static_cast<size_t>(item.category)];
    Bucket& bucket = buckets_[static_cast<size_t>(item.category) * kStyleCount + static_cast<size_t>(item.style)];
    item.name = ItemName(item.category, item.style, static_cast<int64_t>(bucket.items.size()), stream(kNames));
    const double price = kCategories[item.category].price * kStyles[item.style].price *
                         std::exp(0.4 * RandomNormal(stream(kItemPrice), i));
    item.cents = static_cast<int32_t>(std::max(1.0, std::round(price))) * 100 - 10;
    bucket.items.push_back(static_cast<int32_t>(i));
    items_.push_back(std::move(item));
  }
  for (Bucket& bucket : buckets_) {
    std::vector<double> own;
    for (const int32_t item : bucket.items) own.push_back(weights[static_cast<size_t>(item)]);
    bucket.choice = WeightedChoice(own);
  }
}

void Shop::MakeUsers(int64_t n_users, uint64_t seed) {
  const uint64_t taste = RandomBits(seed, kUserTaste), activity = RandomBits(seed, kUserActivity);
  std::vector<double> weights;
  for (int64_t u = 0; u < n_users; ++u) {
    const auto uniform = [&](uint64_t i) { return RandomUniform(taste, static_cast<uint64_t>(u) * 8 + i); };
    User user;
    const size_t n_groups = uniform(0) < 0.4 ? 1 : uniform(0) < 0.85 ? 2 : 3;
    std::array<int8_t, kGroupCount> groups;
    std::iota(groups.begin(), groups.end(), int8_t{0});
    float total = 0;
    for (size_t g = 0; g < n_groups; ++g) {
      const auto other = static_cast<size_t>(uniform(g + 1) * static_cast<double>(kGroupCount - g));
      std::swap(groups[g], groups[g + other]);
      user.groups[g] = {groups[g], g == 0 ? 1.0f : static_cast<float>(0.3 + 0.5 * uniform(g + 3))};
      total += user.groups[g].weight;
    }
    for (Membership& membership : user.groups) membership.weight /= total;
    user.style = static_cast<int8_t>(uniform(6) * static_cast<double>(kStyleCount));
    users_.push_back(user);
    weights.push_back(std::exp(kActivitySpread * RandomNormal(activity, static_cast<uint64_t>(u))));
  }
  activity_ = WeightedChoice(weights);
}

std::string Shop::UserId(int64_t user) const {
  return fmt::format("u{:05}", user + 1);
}

std::string Shop::ItemId(int64_t item) const {
  const Item& entry = items_[static_cast<size_t>(item)];
  return fmt::format("{}-{:04}", kCategories[entry.category].prefix, entry.number);
}

int64_t Shop::DrawCategory(const User& user, double group_uniform, double category_uniform) const {
  int g = 0;
  for (double left = group_uniform; g < 2 && left >= user.groups[g].weight && user.groups[g + 1].weight > 0; ++g)
    left -= user.groups[g].weight;
  return likes_[static_cast<size_t>(user.groups[g].group)].Draw(category_uniform);
}

int64_t Shop::DrawItem(int64_t category, int64_t style, double uniform) const {
  const Bucket& bucket = buckets_[static_cast<size_t>(category) * kStyleCount + static_cast<size_t>(style)];
  return bucket.items.empty() ? popularity_.Draw(uniform)
                              : bucket.items[static_cast<size_t>(bucket.choice.Draw(uniform))];
}

}  // namespace kindred
