#include "training/differences.h"

#include <fmt/format.h>

#include "host/text/text.h"

namespace kindred {
namespace {

using nlohmann::json;

void AddDifferences(const json& theirs, const json& ours, const std::string& name, const std::string& where,
                    std::vector<std::string>& lines) {
  const auto compare = [&](const std::string& key, const json* there, const json* here) {
    const std::string member = name.empty() ? key : name + "." + key;
    if (there != nullptr && here != nullptr && there->is_object() && here->is_object())
      AddDifferences(*there, *here, member, where, lines);
    else if (there == nullptr || here == nullptr || *there != *here)
      lines.push_back(
          fmt::format("{} is {} in {} and {} here", Printable(member), SettingText(there), where, SettingText(here)));
  };
  for (const auto& [key, here] : ours.items()) compare(key, theirs.contains(key) ? &theirs.at(key) : nullptr, &here);
  for (const auto& [key, there] : theirs.items())
    if (!ours.contains(key)) compare(key, &there, nullptr);
}

}  // namespace

std::string SettingText(const json* value) {
  return value == nullptr ? "nothing" : Printable(value->dump(-1, ' ', false, json::error_handler_t::replace));
}

std::vector<std::string> Differences(const json& theirs, const json& ours, const std::string& where) {
  std::vector<std::string> lines;
  AddDifferences(theirs, ours, "", where, lines);
  return lines;
}

}  // namespace kindred
