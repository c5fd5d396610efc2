#include "host/data_report/data_figures.h"

#include <algorithm>
#include <array>
#include <bit>
#include <bitset>
#include <numeric>
#include <utility>

#include "host/data_report/distribution.h"
#include "host/text/text.h"

namespace kindred {
namespace {

constexpr size_t kTop = 20;

/// Events and entries of users, or of items.
struct Degrees {
  explicit Degrees(int64_t n) : events(static_cast<size_t>(n), 0), entries(static_cast<size_t>(n), 0) {}

  std::vector<int64_t> events;
  std::vector<int64_t> entries;
};

nlohmann::json Top(const Degrees& degrees, const IdMap& ids, int64_t n_events) {
  std::vector<int32_t> order(degrees.events.size());
  std::iota(order.begin(), order.end(), 0);
  const size_t n = std::min(order.size(), kTop);
  const auto more = [&](int32_t a, int32_t b) {
    const int64_t of_a = degrees.events[a], of_b = degrees.events[b];
    return of_a != of_b ? of_a > of_b : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<int64_t>(n), order.end(), more);
  nlohmann::json out = nlohmann::json::array();
  for (size_t i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(order[i]);
    out.push_back({{"id", Printable(ids.Id(order[i]))},
                   {"n_events", degrees.events[at]},
                   {"n_entries", degrees.entries[at]},
                   {"share", static_cast<double>(degrees.events[at]) / static_cast<double>(n_events)}});
  }
  return out;
}

/// Ids that exports write where they have none.
nlohmann::json Placeholders(const Degrees& degrees, const IdMap& ids) {
  nlohmann::json out = nlohmann::json::array();
  for (const char* name : {"null", "NULL", "Null", "none", "None", "NONE", "nan", "NaN", "NAN", "n/a", "N/A", "NA",
                           "undefined", "unknown", "Unknown", "UNKNOWN", "\\N", "-", " "})
    if (const int32_t at = ids.Find(name); at >= 0)
      out.push_back({{"id", name}, {"n_events", degrees.events[static_cast<size_t>(at)]}});
  return out;
}

nlohmann::json SideFigures(const Degrees& degrees, const IdMap& ids, int64_t n_events) {
  const Distribution events(degrees.events), entries(degrees.entries);
  return {{"events", events.Quantiles()},
          {"entries", entries.Quantiles()},
          {"n_with_one_event", events.AtLeast(1) - events.AtLeast(2)},
          {"n_with_one_entry", entries.AtLeast(1) - entries.AtLeast(2)},
          {"n_with_half", events.NumberWithHalf()},
          {"top_1_percent_share", events.TopShare(1)},
          {"top_10_percent_share", events.TopShare(10)},
          {"gini", events.Gini()},
          {"tail", events.Tail()},
          {"top", Top(degrees, ids, n_events)},
          {"placeholders", Placeholders(degrees, ids)}};
}

}  // namespace

nlohmann::json DegreeFigures(const Dataset& dataset) {
  const EventsView& events = dataset.events();
  const auto n_items = static_cast<size_t>(dataset.items().size());
  Degrees users(events.n_users()), items(dataset.items().size());
  std::vector<int64_t> last_user(n_items, -1);
  int64_t n_entries = 0;
  for (int64_t user = 0; user < events.n_users(); ++user) {
    const int64_t first = events.indptr[user], last = events.indptr[user + 1];
    int64_t entries = 0;
    for (int64_t at = first; at < last; ++at) {
      const auto item = static_cast<size_t>(events.items[at]);
      const bool is_new = std::exchange(last_user[item], user) != user;
      ++items.events[item];
      items.entries[item] += is_new;
      entries += is_new;
    }
    users.events[user] = last - first;
    users.entries[user] = entries;
    n_entries += entries;
  }
  return {{"n_entries", n_entries},
          {"users", SideFigures(users, dataset.users(), events.size())},
          {"items", SideFigures(items, dataset.items(), events.size())}};
}

nlohmann::json TypeFigures(const Dataset& dataset) {
  const EventsView& events = dataset.events();
  const size_t n_types = std::min(dataset.event_types().size(), kMaxEventTypes);
  const auto n_items = static_cast<size_t>(dataset.items().size());
  std::vector<int64_t> n_events(n_types, 0), n_users(n_types, 0), n_items_of(n_types, 0);
  std::vector<double> sums(n_types, 0);
  std::vector<bool> has_item(n_types * n_items);
  for (int64_t user = 0; !events.types.empty() && user < events.n_users(); ++user) {
    std::bitset<kMaxEventTypes> of_user;
    for (int64_t at = events.indptr[user]; at < events.indptr[user + 1]; ++at) {
      const size_t type = events.types[at];
      ++n_events[type];
      sums[type] += events.values[at];
      of_user.set(type);
      if (const size_t place = type * n_items + static_cast<size_t>(events.items[at]); !has_item[place]) {
        has_item[place] = true;
        ++n_items_of[type];
      }
    }
    for (size_t type = 0; type < n_types; ++type) n_users[type] += of_user[type];
  }
  nlohmann::json out = nlohmann::json::array();
  for (size_t type = 0; type < n_types; ++type)
    out.push_back({{"name", Printable(dataset.event_types()[type])},
                   {"n_events", n_events[type]},
                   {"n_users", n_users[type]},
                   {"n_items", n_items_of[type]},
                   {"mean_value",
                    n_events[type] > 0 ? nlohmann::json(sums[type] / static_cast<double>(n_events[type])) : nullptr}});
  return out;
}

nlohmann::json ValueFigures(const EventsView& events) {
  if (events.size() == 0) return nullptr;
  // Floats >= 0 are in the order of their bits, those below in the opposite one, so two counts of 16 bits each find
  // exact ranks in bounded memory.
  constexpr size_t kHalf = size_t{1} << 16;
  constexpr uint32_t kSign = uint32_t{1} << 31;
  const auto bits = [](float value) {
    const auto plain = std::bit_cast<uint32_t>(value + 0.0f);  // -0 becomes 0
    return (plain & kSign) != 0 ? ~plain : plain | kSign;
  };
  std::vector<int64_t> high(kHalf, 0);
  double sum = 0;
  int64_t n_zero = 0;
  for (const float value : events.values) {
    ++high[bits(value) >> 16];
    sum += value;
    n_zero += value == 0;
  }
  struct Wanted {
    size_t high = 0;
    int64_t rank = 0;  // among the values with these high bits
  };
  std::array<Wanted, kPercentiles.size()> wanted;
  for (size_t i = 0; i < wanted.size(); ++i) {
    Wanted& find = wanted[i];
    find.rank = NearestRank(events.size(), kPercentiles[i].percent);
    for (; find.rank > high[find.high]; ++find.high) find.rank -= high[find.high];
  }
  std::vector<int32_t> table_of(kHalf, -1);
  std::vector<std::vector<int64_t>> low;
  for (const Wanted& find : wanted) {
    if (table_of[find.high] >= 0) continue;
    table_of[find.high] = static_cast<int32_t>(low.size());
    low.emplace_back(kHalf, 0);
  }
  for (const float value : events.values)
    if (const int32_t table = table_of[bits(value) >> 16]; table >= 0) ++low[table][bits(value) & (kHalf - 1)];

  nlohmann::json out = {{"mean", sum / static_cast<double>(events.size())}, {"sum", sum}, {"n_zero", n_zero}};
  for (size_t i = 0; i < wanted.size(); ++i) {
    const std::vector<int64_t>& counts = low[table_of[wanted[i].high]];
    size_t at = 0;
    for (int64_t rank = wanted[i].rank; rank > counts[at]; ++at) rank -= counts[at];
    const auto found = static_cast<uint32_t>(wanted[i].high << 16 | at);
    out[kPercentiles[i].name] = std::bit_cast<float>((found & kSign) != 0 ? found & ~kSign : ~found);
  }
  return out;
}

int64_t RepeatedEvents(const EventsView& events) {
  int64_t n = 0;
  std::vector<uint64_t> keys;
  for (int64_t user = 0; user < events.n_users(); ++user) {
    const int64_t last = events.indptr[user + 1];
    for (int64_t first = events.indptr[user], end = first; first < last; first = end) {
      const auto same_time = [&](int64_t at) {
        return events.times.empty() || events.times[at] == events.times[first];
      };
      while (end < last && same_time(end)) ++end;
      if (end - first == 1) continue;
      keys.clear();
      for (int64_t at = first; at < end; ++at)
        keys.push_back(static_cast<uint64_t>(events.items[at]) << 8 | (events.types.empty() ? 0u : events.types[at]));
      std::sort(keys.begin(), keys.end());
      for (size_t i = 1; i < keys.size(); ++i) n += keys[i] == keys[i - 1];
    }
  }
  return n;
}

std::string RepeatedParts(const nlohmann::json& report) {
  const bool types = !report["event_types"].empty(), times = !report["times"].is_null();
  return types   ? times ? "user, item, type and time" : "user, item and type"
         : times ? "user, item and time"
                 : "user and item";
}

}  // namespace kindred
