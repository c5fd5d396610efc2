#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "host/data_report/calendar.h"
#include "host/data_report/data_figures.h"

namespace kindred {
namespace {

constexpr int64_t kDaysAround = 14;       // a day is compared with the days so near before and behind
constexpr double kUnusual = 5;            // times as many events as the median of them
constexpr int64_t kUnusualEvents = 100;   // and no fewer than these
constexpr size_t kUnusualDays = 10;       // named in a report
constexpr int64_t kMiddlePerMille = 998;  // of the events lie in the report's "middle"

class TimeCounter {
 public:
  TimeCounter(const Dataset& dataset, int64_t now)
      : events_(dataset.events()),
        n_types_(events_.types.empty() ? 1 : std::min(dataset.event_types().size(), kMaxEventTypes)),
        now_(now) {
    int64_t first = std::numeric_limits<int64_t>::max(), last = std::numeric_limits<int64_t>::min();
    for (const int64_t time : events_.times) {
      if (!HasDate(time)) continue;
      first = std::min(first, time);
      last = std::max(last, time);
      ++n_;
    }
    if (n_ == 0) return;
    first_day_ = DayOf(first);
    first_week_ = WeekOfDay(first_day_);
    days_.resize(static_cast<size_t>(DayOf(last) - first_day_ + 1), 0);
    row_of_week_.resize(static_cast<size_t>(WeekOfDay(DayOf(last)) - first_week_ + 1), -1);
    first_of_item_.resize(static_cast<size_t>(dataset.items().size()), std::numeric_limits<int64_t>::max());
  }

  nlohmann::json Figures() {
    Count();
    nlohmann::json out = {
        {"n_without_date", events_.size() - n_},
        {"n_in_future", n_in_future_},
        {"n_in_1970", n_in_1970_},
        {"whole_days", whole_days_},
        {"n_days", n_days()},
        {"n_days_with_events", std::count_if(days_.begin(), days_.end(), [](auto n) { return n > 0; })},
        {"median_day", nullptr},
        {"middle", nullptr},
        {"unusual_days", UnusualDays()},
        {"weekday_hours", weekday_hours_},
        {"weeks", Weeks()}};
    if (n_ == 0) return out;
    const int64_t beside = n_ * (1000 - kMiddlePerMille) / 2000;
    out["median_day"] = DateText(DayOfEvent(n_ / 2));
    out["middle"] = {DateText(DayOfEvent(beside)), DateText(DayOfEvent(n_ - 1 - beside))};
    return out;
  }

 private:
  struct Week {
    int64_t n_new_users = 0;
    int64_t n_new_items = 0;
  };

  int64_t n_days() const { return static_cast<int64_t>(days_.size()); }

  size_t RowOf(int64_t week) {
    int32_t& row = row_of_week_[static_cast<size_t>(week - first_week_)];
    if (row < 0) {
      row = static_cast<int32_t>(weeks_.size());
      weeks_.emplace_back();
      by_type_.resize(by_type_.size() + n_types_, 0);
    }
    return static_cast<size_t>(row);
  }

  void Count() {
    for (int64_t user = 0; user < events_.n_users(); ++user) {
      bool is_new = true;
      for (int64_t at = events_.indptr[user]; at < events_.indptr[user + 1]; ++at) {
        if (!HasDate(events_.times[at])) continue;
        CountEvent(at, std::exchange(is_new, false));
      }
    }
    for (const int64_t time : first_of_item_)
      if (time != std::numeric_limits<int64_t>::max()) ++weeks_[RowOf(WeekOfDay(DayOf(time)))].n_new_items;
  }

  void CountEvent(int64_t at, bool is_first_of_user) {
    const int64_t time = events_.times[at], day = DayOf(time), rest = time - day * kSecondsOfDay;
    const size_t row = RowOf(WeekOfDay(day));
    ++days_[static_cast<size_t>(day - first_day_)];
    ++by_type_[row * n_types_ + (events_.types.empty() ? 0 : events_.types[at])];
    ++weekday_hours_[static_cast<size_t>(WeekdayOf(day))][static_cast<size_t>(rest / 3600)];
    weeks_[row].n_new_users += is_first_of_user;
    int64_t& first = first_of_item_[static_cast<size_t>(events_.items[at])];
    first = std::min(first, time);
    n_in_future_ += time > now_;
    n_in_1970_ += day >= 0 && day < 365;
    whole_days_ = whole_days_ && rest == 0;
  }

  /// The day of the event that is so many events behind the first.
  int64_t DayOfEvent(int64_t position) const {
    size_t day = 0;
    for (; position >= days_[day]; ++day) position -= days_[day];
    return first_day_ + static_cast<int64_t>(day);
  }

  nlohmann::json UnusualDays() const {
    struct Day {
      int64_t day, n_events, around;
    };
    std::vector<Day> found;
    std::vector<int64_t> around;
    for (int64_t day = 0; day < n_days(); ++day) {
      const int64_t n = days_[static_cast<size_t>(day)];
      if (n < kUnusualEvents) continue;
      around.clear();
      for (int64_t at = std::max<int64_t>(day - kDaysAround, 0); at <= std::min(day + kDaysAround, n_days() - 1); ++at)
        if (at != day && days_[static_cast<size_t>(at)] > 0) around.push_back(days_[static_cast<size_t>(at)]);
      if (around.empty()) continue;
      const auto middle = around.begin() + static_cast<int64_t>((around.size() - 1) / 2);
      std::nth_element(around.begin(), middle, around.end());
      if (static_cast<double>(n) >= kUnusual * static_cast<double>(*middle)) found.push_back({day, n, *middle});
    }
    std::stable_sort(found.begin(), found.end(), [](const Day& a, const Day& b) { return a.n_events > b.n_events; });
    nlohmann::json out = nlohmann::json::array();
    for (size_t i = 0; i < std::min(found.size(), kUnusualDays); ++i)
      out.push_back({{"day", DateText(first_day_ + found[i].day)},
                     {"n_events", found[i].n_events},
                     {"median_around", found[i].around}});
    return out;
  }

  nlohmann::json Weeks() const {
    nlohmann::json out = nlohmann::json::array();
    for (size_t week = 0; week < row_of_week_.size(); ++week) {
      if (row_of_week_[week] < 0) continue;
      const auto row = static_cast<size_t>(row_of_week_[week]);
      const int64_t index = first_week_ + static_cast<int64_t>(week);
      const std::vector<int64_t> of_types(by_type_.begin() + static_cast<int64_t>(row * n_types_),
                                          by_type_.begin() + static_cast<int64_t>((row + 1) * n_types_));
      int64_t n_events = 0;
      for (const int64_t n : of_types) n_events += n;
      out.push_back({{"week", IsoWeekText(index)},
                     {"monday", DateText(MondayOfWeek(index))},
                     {"n_events", n_events},
                     {"n_new_users", weeks_[row].n_new_users},
                     {"n_new_items", weeks_[row].n_new_items}});
      if (!events_.types.empty()) out.back()["by_type"] = of_types;
    }
    return out;
  }

  const EventsView& events_;
  size_t n_types_;
  int64_t now_;
  int64_t n_ = 0;  // events with a date
  int64_t first_day_ = 0, first_week_ = 0;
  std::vector<int64_t> days_;         // events of each day from the first
  std::vector<int32_t> row_of_week_;  // of each week from the first; -1: no events
  std::vector<Week> weeks_;
  std::vector<int64_t> by_type_;  // weeks x types
  std::vector<int64_t> first_of_item_;
  std::array<std::array<int64_t, 24>, 7> weekday_hours_{};
  int64_t n_in_future_ = 0, n_in_1970_ = 0;
  bool whole_days_ = true;
};

}  // namespace

nlohmann::json TimeFigures(const Dataset& dataset, int64_t now) {
  if (dataset.events().times.empty()) return nullptr;
  return TimeCounter(dataset, now).Figures();
}

}  // namespace kindred
