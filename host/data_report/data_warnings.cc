#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "host/data_report/calendar.h"
#include "host/data_report/data_figures.h"
#include "host/text/field_values.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr double kLargeShare = 0.05;        // of all events, for one user or item
constexpr double kTimesMean = 10;           // and so many times the mean of all
constexpr double kSetAsideShare = 0.01;     // of the lines
constexpr double kRepeatedShare = 0.01;     // of the events
constexpr double kEventsOfAWeek = 10;       // with fewer on average, a week without is nothing special
constexpr double kValueTimesP99 = 100;      // of the largest value
constexpr double kMissingShare = 0.5;       // of an attribute
constexpr size_t kNamedDays = 3;            // with unusually many events
constexpr double kMiddleOfRange = 1.0 / 3;  // events' middle in a smaller part than this: some times are far off

class WarningList {
 public:
  explicit WarningList(const json& report) : report_(report), n_events_(report["n_events"].get<int64_t>()) {}

  json Take() {
    if (n_events_ > 0) {
      SetAside();
      Times();
      Side("users", "user");
      Side("items", "item");
      Events();
      Attributes();
      GuessedTypes();
    }
    return std::move(out_);
  }

 private:
  template <class... Args>
  void Add(const char* kind, fmt::format_string<Args...> message, Args&&... args) {
    out_.push_back({{"kind", kind}, {"message", fmt::format(message, std::forward<Args>(args)...)}});
  }
  static double Part(int64_t n, int64_t of) { return of > 0 ? static_cast<double>(n) / static_cast<double>(of) : 0; }
  double Percent(int64_t n) const { return 100 * Part(n, n_events_); }
  static int64_t DayOfText(const json& text) {
    int64_t seconds = 0;
    ParseTime(text.get_ref<const std::string&>(), &seconds);
    return DayOf(seconds);
  }

  void SetAside() {
    const json& bad = report_[report_["n_bad_events"].is_number() ? "n_bad_events" : "n_bad_rows"];
    if (!bad.is_number() || !report_["n_rows"].is_number()) return;
    const int64_t n = bad, n_rows = report_["n_rows"];
    if (Part(n, n_rows) > kSetAsideShare)
      Add("bad_rows", "{} of {} rows were bad and set aside ({:.1f} %)", n, n_rows, 100 * Part(n, n_rows));
  }

  void GuessedTypes() {
    for (const json& near : report_["near_types"])
      if (near["before"].is_string() && near["line"].is_number())
        Add("guessed_type", "'{}' of {} was taken for {} until line {} ('{}'): state its type, or read it as text",
            near["column"].get<std::string>(), near["file"].is_string() ? near["file"].get<std::string>() : "a table",
            near["before"].get<std::string>(), near["line"].get<int64_t>(),
            near["text"].is_string() ? near["text"].get<std::string>() : "");
  }

  void Times() {
    const json& times = report_["times"];
    if (times.is_null()) return;
    if (const int64_t n = times["n_without_date"]; n > 0)
      Add("without_date", "{} events have a time outside the years 1 to 9999", n);
    if (times["median_day"].is_null()) return;
    if (const int64_t n = times["n_in_future"]; n > 0)
      Add("in_future", "{} events are later than the dataset was made, the last at {}", n,
          MomentText(report_["time_range"][1]));
    const int64_t median = DayOfText(times["median_day"]);
    if (const int64_t n = times["n_in_1970"]; n > 0 && DateOfDay(median).year > 1970)
      Add("in_1970", "{} events are of 1970, while half of all are later than {}: was a missing time written as 0?", n,
          times["median_day"].get<std::string>());
    if (n_events_ > 1 && report_["time_range"][0] == report_["time_range"][1])
      Add("one_time", "all events have the same time, {}", MomentText(report_["time_range"][0]));
    const json& middle = times["middle"];
    const int64_t n_days = DayOfText(middle[1]) - DayOfText(middle[0]) + 1;
    if (static_cast<double>(n_days) < kMiddleOfRange * times["n_days"].get<double>())
      Add("far_times", "99.8 % of the events lie between {} and {}, in {} of {} days: the others are far off",
          middle[0].get<std::string>(), middle[1].get<std::string>(), n_days, times["n_days"].get<int64_t>());
    EmptyWeeks(times);
    const json& days = times["unusual_days"];
    for (size_t i = 0; i < std::min(days.size(), kNamedDays); ++i)
      Add("unusual_day", "{} has {} events, {:.1f} times the median of the days around it",
          days[i]["day"].get<std::string>(), days[i]["n_events"].get<int64_t>(),
          days[i]["n_events"].get<double>() / days[i]["median_around"].get<double>());
  }

  void EmptyWeeks(const json& times) {
    const json& weeks = times["weeks"];
    if (static_cast<double>(n_events_) < kEventsOfAWeek * static_cast<double>(weeks.size())) return;
    const int64_t first = DayOfText(times["middle"][0]), last = DayOfText(times["middle"][1]);
    int64_t n = 0, longest = 0, after = 0;
    for (size_t i = 1; i < weeks.size(); ++i) {
      const int64_t before = DayOfText(weeks[i - 1]["monday"]), monday = DayOfText(weeks[i]["monday"]);
      if (before + 6 < first || monday > last) continue;  // a gap before or behind the middle
      const int64_t gap = (monday - before) / 7 - 1;
      n += gap;
      if (gap > longest) after = before;
      longest = std::max(longest, gap);
    }
    if (n == 1) Add("empty_weeks", "one week has no events: that of {}", DateText(after + 7));
    if (n > 1)
      Add("empty_weeks", "{} weeks among the others have no events, {} in a row from {}", n, longest,
          DateText(after + 7));
  }

  void Side(const std::string& side, const char* one) {
    const json& figures = report_[side];
    const bool is_user = side == "users";
    const int64_t n = report_["n_" + side];
    for (const json& top : figures["top"]) {
      const auto share = top["share"].get<double>();
      if (share <= std::max(kLargeShare, kTimesMean / static_cast<double>(n))) break;
      Add(is_user ? "large_user" : "large_item", "{} '{}' has {:.1f} % of all events ({})", one,
          top["id"].get<std::string>(), 100 * share, top["n_events"].get<int64_t>());
    }
    for (const json& id : figures["placeholders"])
      Add("placeholder_id", "'{}' is {} {} with {} events: was it meant as a missing one?", id["id"].get<std::string>(),
          is_user ? "a" : "an", one, id["n_events"].get<int64_t>());
    if (const int64_t single = figures["n_with_one_entry"]; n > 1 && 2 * single > n && is_user)
      Add("single_entries", "{} of {} users ({:.0f} %) have only one item: too little to learn from or to test on",
          single, n, 100 * Part(single, n));
  }

  void Events() {
    if (const int64_t n = report_["n_repeated_events"]; Part(n, n_events_) > kRepeatedShare)
      Add("repeated_events", "{} events ({:.1f} %) have the {} of another", n, Percent(n), RepeatedParts(report_));
    const json& values = report_["values"];
    if (const int64_t n = values["n_zero"]; 2 * n > n_events_)
      Add("zero_values", "{} events ({:.0f} %) have the value 0", n, Percent(n));
    const auto largest = values["max"].get<double>(), p99 = values["p99"].get<double>();
    if (p99 > 0 && largest > kValueTimesP99 * p99)
      Add("large_value", "the largest value, {:g}, is {:.0f} times that which 99 % of the events do not exceed ({:g})",
          largest, largest / p99, p99);
  }

  void Attributes() {
    for (const auto& [columns, rows] : {std::pair("item_columns", "n_items"), {"user_columns", "n_users"}}) {
      for (const json& column : report_[columns]) {
        if (!column["n_missing"].is_number() || !column["name"].is_string()) continue;
        const int64_t n = column["n_missing"], of = report_[rows];
        if (Part(n, of) > kMissingShare)
          Add("missing_attributes", "'{}' is missing for {} of {} {}", column["name"].get<std::string>(), n, of,
              std::string(rows) == "n_items" ? "items" : "users");
      }
    }
  }

  const json& report_;
  int64_t n_events_;
  json out_ = json::array();
};

}  // namespace

json DataWarnings(const json& report) {
  return WarningList(report).Take();
}

}  // namespace kindred
