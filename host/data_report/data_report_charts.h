// The charts of a data report (host/data_report/data_report.h).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace kindred {

/// Events by type, and new users and items, by week; by month or year where there are too many weeks. Weeks far off
/// all others are left out, which `note` then says. There must be weeks.
std::string VolumeChartsHtml(const nlohmann::json& report, std::string* note);
/// Events by weekday and hour, or by weekday where times are whole days.
std::string WeekdayChartHtml(const nlohmann::json& times);
/// How many users and items have so many events or more.
std::string TailChartHtml(const nlohmann::json& report);

}  // namespace kindred
