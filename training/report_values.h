// Members of a report that may be there or not (host/text/json_values.h), and names and numbers as people read them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "host/text/json_values.h"

namespace kindred {

/// A text as it is, other values as JSON; "" for null. Always UTF-8.
std::string TextOf(const nlohmann::json& value);
std::string TextOf(const nlohmann::json& from, std::string_view name);

/// "1,234"; "" where the member is no number.
std::string CountOf(const nlohmann::json& from, std::string_view name);
/// Four decimals, as metrics are compared; "" for NaN.
std::string MetricText(double value);
/// A part of 1 in percent; "" for NaN.
std::string PartText(double part);
/// "0.131 to 0.149"; "" where an end is NaN.
std::string IntervalText(const nlohmann::json& interval);
/// "ndcg_at_20" as "NDCG@20".
std::string MetricLabel(std::string_view name);

/// The k of the report's metrics; 0 where nothing was evaluated.
int64_t ListLength(const nlohmann::json& report);
/// "ndcg" as "ndcg_at_20".
std::string AtK(const nlohmann::json& report, std::string_view metric);

}  // namespace kindred
