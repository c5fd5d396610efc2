// A table of items with a column of each type and values that are not there, for tests of conditions.
#pragma once

#include <deque>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "host/data/attribute_arrays.h"
#include "host/data/attribute_table.h"

namespace kindred {

/// Columns "price" (number), "category", "tags", "title" (text), "in_stock" (boolean) and "released" (time), with
/// random values from a seed; about one in five is missing.
class SmallItems {
 public:
  explicit SmallItems(int64_t n_items, uint64_t seed = 1) : random_(seed), n_items_(n_items) {
    const auto rows = [&](AttributeType type, const auto& add) {
      AttributeArrays& arrays = arrays_.emplace_back();
      arrays.type = type;
      if (type == AttributeType::kTags) arrays.indptr.push_back(0);
      for (int64_t i = 0; i < n_items; ++i) add(arrays, random_() % 5 == 0);
      return &arrays;
    };
    const auto dictionary = [](AttributeArrays& arrays, std::initializer_list<const char*> texts) {
      arrays.offsets.push_back(0);
      for (const std::string_view text : texts) AddText(text, arrays);
    };
    rows(AttributeType::kNumber, [&](AttributeArrays& to, bool missing) {
      to.numbers.push_back(missing ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(random_() % 100));
    });
    dictionary(*rows(AttributeType::kCategory,
                     [&](AttributeArrays& to, bool missing) {
                       to.codes.push_back(missing ? kMissingCode : static_cast<int32_t>(random_() % 3));
                     }),
               {"shoes", "bags", "hats"});
    dictionary(*rows(AttributeType::kTags,
                     [&](AttributeArrays& to, bool missing) {
                       for (int32_t code = 0; code < 3; ++code)
                         if (!missing && random_() % 2 == 0) to.codes.push_back(code);
                       to.indptr.push_back(std::ssize(to.codes));
                     }),
               {"sale", "new", "red"});
    arrays_.emplace_back().offsets.push_back(0);
    for (int64_t i = 0; i < n_items; ++i)
      AddText(random_() % 5 == 0 ? "" : "item " + std::to_string(random_() % 10), arrays_.back());
    rows(AttributeType::kBoolean, [&](AttributeArrays& to, bool missing) {
      to.booleans.push_back(missing ? kMissingBoolean : static_cast<uint8_t>(random_() % 2));
    });
    rows(AttributeType::kTime, [&](AttributeArrays& to, bool missing) {
      to.times.push_back(missing ? kMissingInteger : 1'700'000'000 + static_cast<int64_t>(random_() % 100) * 86400);
    });
  }

  /// Valid while this is.
  AttributeTable table() const {
    static constexpr const char* kNames[] = {"price", "category", "tags", "title", "in_stock", "released"};
    std::vector<AttributeColumn> columns;
    for (size_t k = 0; k < arrays_.size(); ++k) columns.push_back(arrays_[k].View(kNames[k], "items.csv"));
    return {n_items_, std::move(columns)};
  }

 private:
  static void AddText(std::string_view text, AttributeArrays& to) {
    to.bytes.insert(to.bytes.end(), text.begin(), text.end());
    to.offsets.push_back(std::ssize(to.bytes));
  }

  std::mt19937_64 random_;
  int64_t n_items_;
  std::deque<AttributeArrays> arrays_;
};

}  // namespace kindred
