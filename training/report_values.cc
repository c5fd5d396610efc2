#include "training/report_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "host/report/format.h"
#include "host/text/text.h"

namespace kindred {

using nlohmann::json;

namespace {

constexpr size_t kMaxTextBytes = 4096;

}  // namespace

std::string TextOf(const json& value) {
  if (value.is_null()) return "";
  return Printable(
      value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, json::error_handler_t::replace),
      kMaxTextBytes);
}

std::string TextOf(const json& from, std::string_view name) {
  return TextOf(Member(from, name));
}

std::string CountOf(const json& from, std::string_view name) {
  const double value = NumberOf(from, name);
  return std::isfinite(value) && std::fabs(value) < 1e18 ? CountText(std::llround(value)) : "";
}

std::string MetricText(double value) {
  return std::isfinite(value) ? fmt::format("{:.4f}", value) : "";
}

std::string PartText(double part) {
  return std::isfinite(part) ? PercentText(part) : "";
}

std::string IntervalText(const json& interval) {
  const double low = NumberOf(interval, "low"), high = NumberOf(interval, "high");
  return std::isfinite(low) && std::isfinite(high) ? fmt::format("{:.4f} to {:.4f}", low, high) : "";
}

std::string MetricLabel(std::string_view name) {
  const size_t at = name.find("_at_");
  std::string label(name.substr(0, at));
  if (label == "ndcg" || label == "map" || label == "mrr")
    std::transform(label.begin(), label.end(), label.begin(), [](unsigned char c) { return std::toupper(c); });
  if (label == "exposure_gini") label = "exposure Gini";
  std::replace(label.begin(), label.end(), '_', ' ');
  return at == name.npos ? label : fmt::format("{}@{}", label, name.substr(at + 4));
}

int64_t ListLength(const json& report) {
  const double k = NumberOf(Member(report, "evaluation"), "k");
  return std::isfinite(k) && std::fabs(k) < 1e9 ? std::llround(k) : 0;
}

std::string AtK(const json& report, std::string_view metric) {
  return fmt::format("{}_at_{}", metric, ListLength(report));
}

}  // namespace kindred
