#include "serving/rule_flags.h"

#include <fmt/format.h>

#include <charconv>

#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/client.h"

namespace kindred {
namespace {

std::string_view Trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') + 1 - first);
}

[[noreturn]] void Refuse(std::string_view text, const char* expected) {
  throw Error(ErrorCode::kUsage, fmt::format("'{}': expected {}", Printable(text), expected));
}

/// A whole text as a number.
template <class Number>
bool Read(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

/// What is before the last '=' and behind it.
std::pair<std::string_view, std::string_view> Split(std::string_view text, const char* expected) {
  const size_t equals = text.rfind('=');
  if (equals == std::string_view::npos) Refuse(text, expected);
  return {Trimmed(text.substr(0, equals)), Trimmed(text.substr(equals + 1))};
}

/// parse(text), where an error gets the flag's name.
template <class Parse>
auto OfFlag(const char* flag, const std::string& text, const Parse& parse) {
  ExpectUtf8(flag, text);
  try {
    return parse(text);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{} {}", flag, error.what()));
  }
}

std::pair<std::string, int32_t> ParseCap(std::string_view text) {
  constexpr const char* kExpected = "ATTRIBUTE=K with a whole number K, such as brand=2";
  const auto [attribute, number] = Split(text, kExpected);
  int32_t most = 0;
  if (attribute.empty() || !Read(number, &most)) Refuse(text, kExpected);
  return {std::string(attribute), most};
}

}  // namespace

void AddRuleFlags(CLI::App* app, RuleFlags& flags) {
  app->add_option("--boost", flags.boosts,
                  "FILTER=FACTOR: items for which the filter is true count so many times as much; repeat for more");
  app->add_option("--min-score", flags.min_score, "leave out items with a lower score");
  app->add_option("--promote", flags.promotions,
                  "NAME:FILTER=20% (at least this part of the answer) or NAME:FILTER=3 (the first places): items for "
                  "which the filter is true get places; repeat for more");
  app->add_option("--max-per", flags.caps,
                  "ATTRIBUTE=K: at most K items with the same value of the attribute; repeat for more");
  app->add_option("--diversity", flags.diversity,
                  "0 to 1: how much items that are unlike each other count, against their scores");
}

v1::Boost ParseBoost(std::string_view text) {
  constexpr const char* kExpected = "FILTER=FACTOR with a number, such as on_sale=1.5";
  const auto [filter, number] = Split(text, kExpected);
  float factor = 0;
  if (filter.empty() || !Read(number, &factor)) Refuse(text, kExpected);
  v1::Boost boost;
  boost.set_filter(std::string(filter));
  boost.set_factor(factor);
  return boost;
}

v1::Promotion ParsePromotion(std::string_view text) {
  constexpr const char* kExpected = "NAME:FILTER=20% or NAME:FILTER=3, such as ours:brand == \"ours\"=20%";
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) Refuse(text, kExpected);
  const std::string_view name = Trimmed(text.substr(0, colon));
  auto [filter, amount] = Split(text.substr(colon + 1), kExpected);
  v1::Promotion promotion;
  promotion.set_name(std::string(name));
  promotion.set_filter(std::string(filter));
  float percent = 0;
  int32_t slots = 0;
  if (amount.ends_with('%') && Read(Trimmed(amount.substr(0, amount.size() - 1)), &percent))
    promotion.set_percent(percent);
  else if (Read(amount, &slots))
    promotion.set_slots(slots);
  else
    Refuse(text, kExpected);
  if (name.empty() || filter.empty()) Refuse(text, kExpected);
  return promotion;
}

void SetRules(const RuleFlags& flags, v1::RecommendRequest* request) {
  for (const std::string& text : flags.boosts) *request->add_boosts() = OfFlag("--boost", text, &ParseBoost);
  for (const std::string& text : flags.promotions)
    *request->add_promotions() = OfFlag("--promote", text, &ParsePromotion);
  if (flags.min_score) request->set_min_score(*flags.min_score);
  if (flags.diversity) request->mutable_diversity()->set_strength(*flags.diversity);
  for (const std::string& text : flags.caps) {
    const auto [attribute, most] = OfFlag("--max-per", text, &ParseCap);
    if (!request->mutable_diversity()->mutable_max_per_attribute()->insert({attribute, most}).second)
      throw Error(ErrorCode::kUsage, fmt::format("--max-per: '{}' is there twice", Printable(attribute)));
  }
}

}  // namespace kindred
