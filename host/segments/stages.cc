#include "host/segments/stages.h"

#include <algorithm>

namespace kindred {

std::vector<int32_t> LastValues(const IdMap& users, const IdMap& last_users, std::span<const int32_t> last) {
  std::vector<int32_t> values(static_cast<size_t>(users.size()), -1);
  for (int64_t user = 0; user < users.size(); ++user) {
    const int32_t before = last_users.Find(users.Id(user));
    if (before >= 0) values[static_cast<size_t>(user)] = last[static_cast<size_t>(before)];
  }
  return values;
}

std::vector<int64_t> CountTransitions(const IdMap& last_users, std::span<const int32_t> last, int64_t n_last,
                                      const IdMap& users, std::span<const int32_t> now, int64_t n_now) {
  std::vector<int64_t> counts(static_cast<size_t>((n_last + 1) * (n_now + 1)));
  const auto count = [&](int32_t from, int32_t to) {
    const int64_t row = from < 0 ? n_last : from, column = to < 0 ? n_now : to;
    ++counts[static_cast<size_t>(row * (n_now + 1) + column)];
  };
  const std::vector<int32_t> before = LastValues(users, last_users, last);
  for (size_t user = 0; user < before.size(); ++user) count(before[user], now[user]);
  for (int64_t user = 0; user < last_users.size(); ++user)
    if (last[static_cast<size_t>(user)] >= 0 && users.Find(last_users.Id(user)) < 0)
      count(last[static_cast<size_t>(user)], -1);
  return counts;
}

}  // namespace kindred
