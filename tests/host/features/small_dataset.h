// A dataset of random events of random users, with attributes, on disk.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "host/data/dataset_writer.h"
#include "tests/support/attributes.h"

namespace kindred {

/// Times are whole tens of minutes of the 100 days before kLast, so that many are equal and windows have events at
/// their edges. Users are "u0", "u1", ...; items "i0", ...: of each, attributes of every type with values missing.
class SmallDataset {
 public:
  static constexpr int64_t kLast = 1'600'000'200, kItems = 40, kStep = 600;

  struct Parts {
    bool times = true, types = true, attributes = true;
  };

  static std::shared_ptr<const Dataset> Write(const std::filesystem::path& path, uint32_t seed,
                                              const std::vector<int64_t>& n_events) {
    return Write(path, seed, n_events, Parts());
  }
  static std::shared_ptr<const Dataset> Write(const std::filesystem::path& path, uint32_t seed,
                                              const std::vector<int64_t>& n_events, const Parts& parts) {
    std::mt19937 random(seed);
    const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
    EventTable table;
    std::vector<int32_t> items;
    std::vector<float> values;
    std::vector<int64_t> times;
    std::vector<uint8_t> types;
    table.indptr = {0};
    table.type_names = {"view", "cart", "buy"};
    for (size_t user = 0; user < n_events.size(); ++user) {
      table.users.Intern("u" + std::to_string(user));
      const size_t begin = times.size();
      for (int64_t e = 0; e < n_events[user]; ++e) {
        items.push_back(static_cast<int32_t>(below(kItems)));
        values.push_back(static_cast<float>(below(9)) * .3f);
        times.push_back(kLast - (below(4) == 0 ? below(100 * 144) : below(300)) * kStep);
        types.push_back(static_cast<uint8_t>(below(3)));
      }
      std::sort(times.begin() + static_cast<int64_t>(begin), times.end());
      table.indptr.push_back(static_cast<int64_t>(times.size()));
    }
    for (int64_t item = 0; item < kItems; ++item) table.items.Intern("i" + std::to_string(item));
    table.event_items = Copy(items);
    table.values = Copy(values);
    if (parts.times) table.times = Copy(times);
    if (parts.types) table.types = Copy(types);
    if (!parts.types) table.type_names = {};
    table.type_counts.assign(table.type_names.size(), 1);
    table.n_event_items = kItems;
    const int64_t n_users = static_cast<int64_t>(n_events.size());
    TestAttributes of_items = ItemAttributes(seed), of_users = UserAttributes(n_users);
    DatasetAttributes attributes;
    if (parts.attributes) attributes = {of_items.table(), of_users.table()};
    WriteDataset(path, std::move(table), attributes, nlohmann::json::object(), false);
    return Dataset::Open(path);
  }

 private:
  template <class T>
  static Array<T> Copy(const std::vector<T>& values) {
    Array<T> copy(static_cast<int64_t>(values.size()));
    std::copy(values.begin(), values.end(), copy.data());
    return copy;
  }

  static TestAttributes ItemAttributes(uint32_t seed) {
    std::mt19937 random(seed + 1);
    std::vector<double> prices;
    std::vector<uint8_t> sale;
    std::vector<int32_t> categories;
    std::vector<std::vector<int32_t>> tags;
    std::vector<std::string> titles;
    for (int64_t item = 0; item < kItems; ++item) {
      prices.push_back(random() % 5 == 0 ? std::nan("") : static_cast<double>(random() % 100) - 10);
      sale.push_back(static_cast<uint8_t>(random() % 3));
      categories.push_back(static_cast<int32_t>(random() % 6) - 1);
      tags.emplace_back();
      for (int32_t tag = 0; tag < 4; ++tag)
        if (random() % 3 == 0) tags.back().push_back(tag);
      titles.push_back("title " + std::to_string(item));
    }
    TestAttributes attributes(kItems);
    attributes.Numbers("price", prices).Booleans("sale", sale).Texts("title", titles);
    attributes.Categories("category", categories, {"shoes", "bags", "hats", "\xff\xfe", "coats"});
    attributes.Tags("tags", tags, {"red", "green", "blue", "new"});
    return attributes;
  }

  static TestAttributes UserAttributes(int64_t n_users) {
    std::vector<double> ages;
    std::vector<uint8_t> vip;
    std::vector<int64_t> joined;
    for (int64_t user = 0; user < n_users; ++user) {
      ages.push_back(user % 4 == 3 ? std::nan("") : static_cast<double>(20 + user));
      vip.push_back(static_cast<uint8_t>(user % 3));
      joined.push_back(user % 5 == 4 ? std::numeric_limits<int64_t>::min() : kLast - user % 1000 * 86400);
    }
    TestAttributes attributes(n_users);
    attributes.Numbers("age", ages).Booleans("vip", vip).Times("joined", joined);
    return attributes;
  }
};

}  // namespace kindred
