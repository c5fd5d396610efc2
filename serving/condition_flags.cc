#include "serving/condition_flags.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/client.h"
#include "serving/event_exclusions.h"

namespace kindred {

void AddConditionFlags(CLI::App* app, ConditionFlags& flags) {
  app->add_option("--scenario", flags.scenario,
                  "a preset of the server's --scenarios; what is said here goes before it");
  app->add_option(
      "--filter", flags.filter,
      "a condition on attributes of items, such as 'in_stock and price < 50'; also user.NAME, context.NAME");
  app->add_option("--context", flags.context,
                  "NAME=VALUE, which filters read as context.NAME; VALUE is JSON, or else a text; repeat for more");
  app->add_option("--candidates", flags.candidates, "rank only this item; repeat for more");
  app->add_option(
      "--exclude-event", flags.exclude_events,
      "leave out items by such an event, in place of the whole history: TYPE (or '*': any), or TYPE:WINDOW, as "
      "buy:30d; '*:0' leaves out nothing; repeat for more");
  app->add_option("--exclude-item", flags.exclude_items, "leave out this item; repeat for more");
}

void AddContext(const std::string& flag, v1::RecommendRequest* request) {
  const size_t equals = flag.find('=');
  if (equals == std::string::npos || equals == 0)
    throw Error(ErrorCode::kUsage, fmt::format("--context '{}': expected NAME=VALUE", Printable(flag)));
  google::protobuf::Value& value = (*request->mutable_context())[flag.substr(0, equals)];
  const std::string text = flag.substr(equals + 1);
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_null())
    value.set_null_value(google::protobuf::NULL_VALUE);
  else if (json.is_boolean())
    value.set_bool_value(json.get<bool>());
  else if (json.is_number())
    value.set_number_value(json.get<double>());
  else
    value.set_string_value(json.is_string() ? json.get<std::string>() : text);
}

void SetConditions(const ConditionFlags& flags, v1::RecommendRequest* request) {
  const auto expect_utf8 = [](const char* flag, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) ExpectUtf8(flag, text);
  };
  expect_utf8("--scenario", {flags.scenario});
  expect_utf8("--filter", {flags.filter});
  expect_utf8("--context", flags.context);
  expect_utf8("--candidates", flags.candidates);
  expect_utf8("--exclude-event", flags.exclude_events);
  expect_utf8("--exclude-item", flags.exclude_items);
  request->set_scenario(flags.scenario);
  request->set_filter(flags.filter);
  for (const std::string& one : flags.context) AddContext(one, request);
  for (const std::string& item : flags.candidates) request->add_candidates(item);
  for (const std::string& item : flags.exclude_items) request->add_exclude_items(item);
  for (const std::string& one : flags.exclude_events) {
    try {
      *request->add_exclude_events() = ParseEventExclusion(one);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("--exclude-event '{}': {}", Printable(one), error.what()));
    }
  }
}

}  // namespace kindred
