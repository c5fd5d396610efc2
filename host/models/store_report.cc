#include "host/models/store_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <system_error>
#include <vector>

#include "host/models/model.h"
#include "host/models/other_versions.h"
#include "host/store/artifact.h"
#include "host/text/text.h"

namespace kindred {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

/// Members that differ between any two versions and say nothing of how they were made.
constexpr std::array<std::string_view, 11> kNoSettings = {
    "/created_at",        "/seconds",     "/epochs",     "/backend/memory",
    "/backend/reason",    "/gate",        "/evaluation", "/last_version",
    "/peak_memory_bytes", "/checkpoints", "/plan"};

/// What of a version of segments says how it was made: the rest of its manifest is what was found.
constexpr std::array<std::string_view, 8> kSegmentSettings = {
    "/algorithm", "/dataset/", "/declared/", "/kindred_version", "/reference", "/rules/", "/seed", "/thresholds/"};

/// The names in a folder, in order. Throws kIo, and kNotFound where it is not there.
std::vector<std::string> SortedNames(const fs::path& folder) {
  std::error_code error;
  std::vector<std::string> names = NamesIn(folder, error);
  if (error == std::errc::no_such_file_or_directory)
    throw Error(ErrorCode::kNotFound, fmt::format("there is no store at '{}'", folder.string()));
  if (error) throw Error(ErrorCode::kIo, fmt::format("cannot list '{}': {}", folder.string(), error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

/// What a call gives, or null with the reason it failed for in `problems`.
template <class Call>
json Try(json& problems, const Call& call) {
  try {
    return call();
  } catch (const Error& error) {
    problems.push_back(error.what());
    return nullptr;
  }
}

json LabelsOf(const std::map<std::string, int64_t>& labels, int64_t version) {
  json names = json::array();
  for (const auto& [label, named] : labels)
    if (named == version) names.push_back(label);
  return names;
}

json VersionRow(const ModelStore& store, const std::string& model, int64_t version) {
  json row = {
      {"version", version}, {"bytes", FolderBytes(store.VersionPath(model, version))}, {"problems", json::array()}};
  const json manifest =
      Try(row["problems"], [&] { return Artifact::ReadManifest(store.VersionPath(model, version), kModelKind); });
  for (const char* key : {"created_at", "kindred_version", "algorithm", "metrics"})
    row[key] = manifest.is_object() ? manifest.value(key, json()) : json();
  return row;
}

/// What CURRENT and the labels name, and what is wrong with them.
struct Names {
  json current;
  std::map<std::string, int64_t> labels;
  json problems = json::array();
};

Names NamesOf(const ModelStore& store, const std::string& model, const std::vector<int64_t>& versions) {
  Names names;
  const auto check = [&](const std::string& what, int64_t named) {
    if (!std::binary_search(versions.begin(), versions.end(), named))
      names.problems.push_back(fmt::format("{} names version {}, which is not there", what, named));
  };
  names.current = Try(names.problems, [&] { return json(store.Current(model)); });
  if (names.current.is_number()) check("CURRENT", names.current.get<int64_t>());
  Try(names.problems, [&] { return json(names.labels = store.Labels(model)); });
  for (const auto& [label, version] : names.labels) check("label " + label, version);
  return names;
}

json ModelReport(const ModelStore& store, const std::string& model) {
  const std::vector<int64_t> versions = store.Versions(model);
  const Names names = NamesOf(store, model, versions);
  json report = {{"model", model},
                 {"current", names.current},
                 {"labels", names.labels},
                 {"problems", names.problems},
                 {"versions", json::array()},
                 {"others", json::array()}};
  for (const int64_t version : versions) {
    json row = VersionRow(store, model, version);
    row["current"] = names.current == version;
    row["labels"] = LabelsOf(names.labels, version);
    report["versions"].push_back(std::move(row));
  }
  for (const std::string& name : SortedNames(store.ModelPath(model)))
    if (!store.IsPart(model, name)) report["others"].push_back(Printable(name));
  return report;
}

/// The manifest's members by path, "objective.regularization", without files and what is no setting.
std::map<std::string, json> Settings(json manifest) {
  manifest.erase("files");
  const bool of_segments = manifest.value("algorithm", json()) == kSegmentsAlgorithm;
  std::map<std::string, json> settings;
  const json flat = manifest.flatten();
  for (const auto& [path, value] : flat.items()) {
    const auto under = [&](std::string_view part) { return path.starts_with(part); };
    if (of_segments ? std::ranges::none_of(kSegmentSettings, under) : std::ranges::any_of(kNoSettings, under)) continue;
    std::string name = path.substr(1);
    std::replace(name.begin(), name.end(), '/', '.');
    settings[name] = value;
  }
  return settings;
}

json Changes(const json& before, const json& now) {
  std::map<std::string, std::pair<json, json>> both;
  for (const auto& [name, value] : Settings(before)) both[name].first = value;
  for (const auto& [name, value] : Settings(now)) both[name].second = value;
  json changes = json::array();
  for (const auto& [name, values] : both)
    if (values.first != values.second)
      changes.push_back({{"setting", name}, {"before", values.first}, {"now", values.second}});
  return changes;
}

}  // namespace

json StoreReport(const ModelStore& store, const std::string& model) {
  json report = {{"store", store.root().string()}, {"models", json::array()}, {"others", json::array()}};
  if (!model.empty()) {
    store.CheckHas(model);
    report["models"].push_back(ModelReport(store, model));
    return report;
  }
  const std::vector<std::string> models = store.Models();
  for (const std::string& name : SortedNames(store.root())) {
    if (std::binary_search(models.begin(), models.end(), name))
      report["models"].push_back(ModelReport(store, name));
    else
      report["others"].push_back(Printable(name));
  }
  return report;
}

json VersionReport(const ModelStore& store, const std::string& model, int64_t version) {
  const fs::path path = store.VersionPath(model, version);
  json manifest = Artifact::ReadManifest(path, kModelKind);
  json report = {{"model", model},
                 {"version", version},
                 {"path", path.string()},
                 {"files", json::object()},
                 {"previous", nullptr},
                 {"problems", json::array()},
                 {"bytes", FolderBytes(store.VersionPath(model, version))}};
  const std::vector<int64_t> versions = store.Versions(model);
  const Names names = NamesOf(store, model, versions);
  report["current"] = names.current == version;
  report["labels"] = LabelsOf(names.labels, version);
  report["problems"] = names.problems;
  const auto place = std::lower_bound(versions.begin(), versions.end(), version);
  if (place != versions.begin()) {
    const int64_t before = *(place - 1);
    report["previous"] = {{"version", before}};
    report["previous"]["changes"] = Try(report["problems"], [&] {
      return Changes(Artifact::ReadManifest(store.VersionPath(model, before), kModelKind), manifest);
    });
  }
  for (const auto& [name, entry] : manifest["files"].items())
    report["files"][name] = entry.is_object() ? entry.value("bytes", json()) : json();
  manifest.erase("files");
  report["manifest"] = std::move(manifest);
  return report;
}

json NameProblems(const ModelStore& store, const std::string& model) {
  return NamesOf(store, model, store.Versions(model)).problems;
}

json VerifyReport(const ModelStore& store, const std::string& model, int64_t version, const VersionOpener& open) {
  json report = {{"version", version}, {"bytes", FolderBytes(store.VersionPath(model, version))}};
  json& damages = report["damages"] = json::array();
  try {
    damages = Artifact::DamagedFiles(store.VersionPath(model, version), kModelKind);
    if (damages.empty()) open(store, model, version);
  } catch (const Error& error) {
    damages.push_back(error.what());
  }
  return report;
}

}  // namespace kindred
