// What the make-believe shop sells, in words: the same in every shop.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace kindred {

constexpr size_t kShopCategories = 16;
constexpr size_t kShopStyles = 4;
constexpr size_t kStyleBrands = 6;
constexpr size_t kShopGroups = 10;
constexpr size_t kAgeGroups = 6;
constexpr size_t kDevices = 3;

/// Demand rises to `height` times the usual around a day of the year, as a bell with this standard deviation.
struct Season {
  int month = 1;
  int day = 1;
  double height = 1;  // 1: no season
  double width_days = 1;
};

struct ShopCategory {
  const char* name;
  const char* prefix;
  double price;   // a typical one
  double margin;  // a typical one, as a part of the price
  Season season;
  std::array<const char*, 8> nouns;
  std::array<const char*, 4> tags;
  std::array<const char*, 3> uses;
};

struct ShopStyle {
  const char* name;
  double price;  // a factor
  std::array<const char*, 6> colours;
  std::array<const char*, kStyleBrands> brands;
  std::array<const char*, 5> tags;
  std::array<const char*, 3> looks;
};

struct TasteGroup {
  const char* name;
  std::array<double, kShopCategories> likes;  // of each category
  std::array<double, kAgeGroups> ages;        // how many of its people are of each
};

struct Country {
  const char* code;
  double users;
};

extern const std::array<ShopCategory, kShopCategories> kCategories;
extern const std::array<ShopStyle, kShopStyles> kStyles;
extern const std::array<TasteGroup, kShopGroups> kGroups;
extern const std::array<const char*, kAgeGroups> kAges;
extern const std::array<const char*, kDevices> kDeviceNames;
extern const std::array<std::array<double, kDevices>, kAgeGroups> kDevicesByAge;
extern const std::array<Country, 10> kCountries;
extern const std::array<const char*, 5> kVariants;
extern const std::array<const char*, 6> kOccasions;  // tags that go with anything

}  // namespace kindred
