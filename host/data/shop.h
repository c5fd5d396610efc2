// The make-believe shop behind `kindred generate`: what it sells and who buys there.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kindred {

/// Draws an index with a probability proportional to its weight, by inversion.
class WeightedChoice {
 public:
  WeightedChoice() = default;
  explicit WeightedChoice(std::span<const double> weights);

  /// `uniform` in [0, 1). Among the first n only, where n > 0 is given.
  int64_t Draw(double uniform, int64_t n = 0) const;
  /// The part of all weight that indices up to this one have.
  double Share(int64_t index) const { return cumulative_[static_cast<size_t>(index)] / cumulative_.back(); }

 private:
  std::vector<double> cumulative_;
};

/// Items and users drawn from a seed. Items have a category, a style and a popularity (Zipf's law with exponent
/// 0.8 over a random order). A user belongs to one to three taste groups, with weights that sum to 1, prefers one
/// style, and is more or less active (log-normal). Memory: about 100 bytes an item, 40 a user.
class Shop {
 public:
  Shop(int64_t n_users, int64_t n_items, uint64_t seed);

  // The same in every shop.
  static int64_t n_categories();
  static int64_t n_styles();
  static int64_t n_groups();
  static std::string_view CategoryName(int64_t category);
  static std::string_view StyleName(int64_t style);
  static std::string_view GroupName(int64_t group);
  /// How much a taste group likes each category. [n_categories]
  static std::span<const double> GroupLikes(int64_t group);

  struct Item {
    int8_t category = 0;
    int8_t style = 0;
    int32_t number = 0;  // of its category, from 1
    std::string name;
    int32_t cents = 0;
  };
  struct Membership {
    int8_t group = 0;
    float weight = 0;
  };
  struct User {
    Membership groups[3];  // weight 0: no such group
    int8_t style = 0;
  };

  const std::vector<Item>& items() const { return items_; }
  const std::vector<User>& users() const { return users_; }
  const WeightedChoice& activity() const { return activity_; }
  const WeightedChoice& popularity() const { return popularity_; }

  std::string UserId(int64_t user) const;
  std::string ItemId(int64_t item) const;

  /// A category the user is in the mood for: of a group by its weight, then as that group likes them.
  int64_t DrawCategory(const User& user, double group_uniform, double category_uniform) const;
  /// An item of the category and style by popularity; of all items where there is none such.
  int64_t DrawItem(int64_t category, int64_t style, double uniform) const;

 private:
  struct Bucket {
    std::vector<int32_t> items;
    WeightedChoice choice;
  };

  void MakeItems(int64_t n_items, uint64_t seed);
  void MakeUsers(int64_t n_users, uint64_t seed);

  std::vector<Item> items_;
  std::vector<User> users_;
  std::vector<Bucket> buckets_;  // [n_categories * n_styles]
  std::vector<WeightedChoice> likes_;
  WeightedChoice activity_;
  WeightedChoice popularity_;
};

}  // namespace kindred
