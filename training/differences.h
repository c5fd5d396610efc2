// Settings beside those of an earlier run, which must be the same to go on with it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace kindred {

/// A setting for people; null: "nothing".
std::string SettingText(const nlohmann::json* value);

/// "als.seed is 1 in the checkpoint and 2 here" for each member in which two objects differ; `where` stands for
/// "the checkpoint".
std::vector<std::string> Differences(const nlohmann::json& theirs, const nlohmann::json& ours,
                                     const std::string& where);

}  // namespace kindred
