// The reports of a model store as text for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace kindred {

/// Of StoreReport: a table for each model.
std::string StoreText(const nlohmann::json& report);
/// Of VersionReport: what the version is, how it came to be, and how it differs from the one before.
std::string VersionText(const nlohmann::json& report);
/// Of VerifyReport, a line and one for each damage.
std::string VerifyText(const std::string& model, const nlohmann::json& report);
/// Of Rollback, SetLabel and RemoveLabel, and Prune.
std::string RollbackText(const nlohmann::json& report);
std::string LabelText(const nlohmann::json& report);
std::string PruneText(const nlohmann::json& report);

}  // namespace kindred
