// A dataset of users who have a taste, so that a model has something to find.
#pragma once

#include <filesystem>
#include <string>

#include "host/data/random.h"
#include "tests/support/dataset_writer.h"

namespace kindred {

struct Tastes {
  int n_users = 60;
  int n_events = 12;  // of each user
  int n_groups = 2;   // of items: user u likes those of group u % n_groups
  int n_items = 20;   // in a group
  int n_values = 1;   // an event's value is from 1 to that
  int anything = 0;   // one event in about so many is with any item; 0: none
  uint64_t seed = 1;
  int first_user = 0;
};

/// Users "u0".. (from first_user on) and items "i0".., with a time for each event.
inline void WriteTastes(const std::filesystem::path& path, const Tastes& tastes) {
  DatasetWriter writer;
  for (int user = tastes.first_user; user < tastes.first_user + tastes.n_users; ++user)
    for (int e = 0; e < tastes.n_events; ++e) {
      const uint64_t bits = RandomBits(tastes.seed, static_cast<uint64_t>(user * 100 + e));
      const auto chance = [&](int shift, int n) {
        return static_cast<int>((bits >> shift) % static_cast<uint64_t>(n));
      };
      const bool is_any = tastes.anything > 0 && chance(0, tastes.anything) == 0;
      const int item = is_any ? chance(16, tastes.n_groups * tastes.n_items)
                              : user % tastes.n_groups * tastes.n_items + chance(16, tastes.n_items);
      const std::string user_id = "u" + std::to_string(user), item_id = "i" + std::to_string(item);
      writer.Add({user_id, item_id, {}, static_cast<float>(1 + chance(32, tastes.n_values)), 1000 + e * 10 + user});
    }
  writer.Write(path, true, false, nlohmann::json::object(), false);
}

}  // namespace kindred
