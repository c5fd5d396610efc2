#include "host/data_report/data_report_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "host/data_report/calendar.h"
#include "host/report/chart.h"
#include "host/report/format.h"
#include "host/report/page.h"
#include "host/report/style.h"
#include "host/text/field_values.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int64_t kMostWeeks = 270, kMostMonths = 300;  // bars that can still be told apart
constexpr int64_t kLabelledWeeks = 10;                  // with their dates
constexpr size_t kMostTicks = 8;
constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr const char* kWeekdays[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

int64_t DayOfText(const json& date) {
  int64_t seconds = 0;
  ParseTime(date.get_ref<const std::string&>(), &seconds);
  return DayOf(seconds);
}

/// Months since the year 0.
int64_t MonthOfDay(int64_t day) {
  const CivilDate date = DateOfDay(day);
  return 12 * int64_t{date.year} + date.month - 1;
}

/// The bars over time: weeks, or the months or years that have their Thursdays.
class TimeBins {
 public:
  TimeBins(int64_t first_week, int64_t last_week) : first_week_(first_week) {
    const int64_t n_weeks = last_week - first_week + 1;
    const int64_t n_months = MonthOfDay(Thursday(last_week)) - MonthOfDay(Thursday(first_week)) + 1;
    unit_ = n_weeks <= kMostWeeks ? kWeek : n_months <= kMostMonths ? kMonth : kYear;
    n_ = Bin(last_week) + 1;
  }

  int64_t n() const { return n_; }
  const char* unit() const { return unit_ == kWeek ? "week" : unit_ == kMonth ? "month" : "year"; }
  int64_t Bin(int64_t week) const { return Number(week) - Number(first_week_); }

  std::vector<std::string> Labels() const {
    std::vector<std::string> labels;
    for (int64_t bin = 0; bin < n_; ++bin) {
      const int64_t number = Number(first_week_) + bin;
      labels.push_back(unit_ == kWeek ? fmt::format("{}, from {}", IsoWeekText(number), DateText(MondayOfWeek(number)))
                       : unit_ == kMonth ? MonthText(number)
                                         : fmt::format("{}", number));
    }
    return labels;
  }

  /// Months or years, so far apart that no more than kMostTicks are there.
  std::vector<BarTick> Ticks() const {
    std::vector<BarTick> ticks;
    if (unit_ == kWeek && n_ <= kLabelledWeeks) {
      for (int64_t bin = 0; bin < n_; ++bin) {
        const CivilDate monday = DateOfDay(MondayOfWeek(first_week_ + bin));
        ticks.push_back({static_cast<size_t>(bin), fmt::format("{} {}", monday.day, kMonths[monday.month - 1])});
      }
      return ticks;
    }
    for (const int64_t step : {1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400, 6000, 12000, 24000}) {
      ticks.clear();
      int64_t last = -1;
      for (int64_t bin = 0; bin < n_; ++bin) {
        const int64_t month = MonthOfBin(bin);
        if (std::exchange(last, month) == month || month % step != 0) continue;
        ticks.push_back({static_cast<size_t>(bin), step % 12 == 0 ? fmt::format("{}", month / 12) : MonthText(month)});
      }
      if (ticks.size() <= kMostTicks) break;
    }
    return ticks;
  }

 private:
  enum Unit { kWeek, kMonth, kYear };

  static int64_t Thursday(int64_t week) { return MondayOfWeek(week) + 3; }
  static std::string MonthText(int64_t month) { return fmt::format("{} {}", kMonths[month % 12], month / 12); }
  /// The bin's own number: of a week, a month, a year.
  int64_t Number(int64_t week) const {
    if (unit_ == kWeek) return week;
    return unit_ == kMonth ? MonthOfDay(Thursday(week)) : MonthOfDay(Thursday(week)) / 12;
  }
  int64_t MonthOfBin(int64_t bin) const {
    const int64_t number = Number(first_week_) + bin;
    return unit_ == kWeek ? MonthOfDay(Thursday(number)) : unit_ == kMonth ? number : 12 * number;
  }

  int64_t first_week_;
  Unit unit_ = kWeek;
  int64_t n_ = 0;
};

struct NumberedWeek {
  int64_t week;
  const json* figures;
};

/// The weeks to draw: all, or those around the middle of the events where others are far off.
std::vector<NumberedWeek> DrawnWeeks(const json& times, std::string* note) {
  const int64_t first = DayOfText(times["middle"][0]), last = DayOfText(times["middle"][1]);
  const bool all = 3 * (last - first + 1) >= times["n_days"].get<int64_t>();
  std::vector<NumberedWeek> weeks;
  int64_t n_left_out = 0;
  for (const json& week : times["weeks"]) {
    const int64_t number = WeekOfDay(DayOfText(week["monday"]));
    if (all || (number >= WeekOfDay(first) && number <= WeekOfDay(last)))
      weeks.push_back({number, &week});
    else
      n_left_out += week["n_events"].get<int64_t>();
  }
  if (n_left_out > 0)
    *note = fmt::format("{} events whose times are far off these are not drawn.", CountText(n_left_out));
  return weeks;
}

/// Series by type: all of them, or the most frequent ones and the sum of the others.
std::vector<ChartSeries> TypeSeries(const json& types, const std::vector<NumberedWeek>& weeks, const TimeBins& bins) {
  const size_t n_types = std::max<size_t>(types.size(), 1);
  std::vector<size_t> order(n_types);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return types[a]["n_events"].get<int64_t>() > types[b]["n_events"].get<int64_t>();
  });
  const bool with_others = n_types > kNumberOfColours;
  std::vector<ChartSeries> series;
  std::vector<size_t> series_of(n_types);
  for (size_t i = 0; i < n_types; ++i) {
    const bool is_other = with_others && i + 1 >= kNumberOfColours;
    series_of[order[i]] = is_other ? kNumberOfColours - 1 : i;
    if (is_other && series.size() == kNumberOfColours) continue;
    series.push_back({is_other        ? "other types"
                      : types.empty() ? "events"
                                      : types[order[i]]["name"].get<std::string>(),
                      std::vector<double>(static_cast<size_t>(bins.n()), 0)});
  }
  for (const auto& [week, figures] : weeks) {
    const auto bin = static_cast<size_t>(bins.Bin(week));
    const auto by_type = figures->find("by_type");
    if (by_type == figures->end()) series[0].values[bin] += (*figures)["n_events"].get<double>();
    for (size_t type = 0; by_type != figures->end() && type < by_type->size(); ++type)
      series[series_of[type]].values[bin] += (*by_type)[type].get<double>();
  }
  return series;
}

}  // namespace

std::string VolumeChartsHtml(const json& report, std::string* note) {
  const std::vector<NumberedWeek> weeks = DrawnWeeks(report["times"], note);
  const TimeBins bins(weeks.front().week, weeks.back().week);
  BarChart chart = {fmt::format("Events by {}", bins.unit()), bins.unit(), bins.Labels(), bins.Ticks(),
                    TypeSeries(report["event_types"], weeks, bins)};
  const std::string events = BarChartHtml(chart);
  std::vector<std::string> arrivals;
  for (const auto& [what, member] : {std::pair("users", "n_new_users"), {"items", "n_new_items"}}) {
    chart.title = fmt::format("New {} by {}", what, bins.unit());
    chart.series = {{fmt::format("new {}", what), std::vector<double>(static_cast<size_t>(bins.n()), 0)}};
    for (const auto& [week, figures] : weeks)
      chart.series[0].values[static_cast<size_t>(bins.Bin(week))] += (*figures)[member].get<double>();
    arrivals.push_back(BarChartHtml(chart));
  }
  return events + BesideHtml(arrivals);
}

std::string WeekdayChartHtml(const json& times) {
  const std::vector<std::string> weekdays(std::begin(kWeekdays), std::end(kWeekdays));
  const auto hours = times["weekday_hours"].get<std::vector<std::vector<double>>>();
  if (times["whole_days"].get<bool>()) {
    BarChart chart = {"Events by weekday", "weekday", weekdays, {}, {{"events", {}}}};
    for (size_t day = 0; day < weekdays.size(); ++day) {
      chart.ticks.push_back({day, weekdays[day]});
      chart.series[0].values.push_back(std::accumulate(hours[day].begin(), hours[day].end(), 0.0));
    }
    return BarChartHtml(chart);
  }
  HeatMap map = {"Events by weekday and hour", "hour of the day, UTC", weekdays, {}, hours, 3};
  for (int hour = 0; hour < 24; ++hour) map.columns.push_back(fmt::format("{}", hour));
  return HeatMapHtml(map);
}

std::string TailChartHtml(const json& report) {
  LineChart chart = {"Share that has so many events or more", "events", "share", {}, {}, {}, true};
  for (const char* side : {"users", "items"}) {
    LineSeries line = {side, {}};
    for (const json& point : report[side]["tail"])
      line.points.emplace_back(point[0].get<double>(),
                               point[1].get<double>() / report[std::string("n_") + side].get<double>());
    chart.series.push_back(std::move(line));
  }
  chart.x_text = [](double x) { return ShortText(x); };
  chart.y_text = [](double y) { return PercentText(y); };
  return LineChartHtml(chart);
}

}  // namespace kindred
