#include "host/models/store_changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <system_error>
#include <vector>

#include "host/models/model.h"
#include "host/store/new_folder.h"

namespace kindred {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

/// The last of the versions below `version`; 0 where there is none.
int64_t Before(const std::vector<int64_t>& versions, int64_t version) {
  const auto place = std::lower_bound(versions.begin(), versions.end(), version);
  return place == versions.begin() ? 0 : *(place - 1);
}

/// The version a label names; null where there is none, or none that can be read.
json Labelled(const ModelStore& store, const std::string& model, const std::string& label) {
  try {
    const auto labels = store.Labels(model);
    const auto found = labels.find(label);
    return found == labels.end() ? json() : json(found->second);
  } catch (const Error&) {
    return {};
  }
}

/// Why each version that stays does so.
std::map<int64_t, std::vector<std::string>> Kept(const ModelStore& store, const std::string& model,
                                                 const std::vector<int64_t>& versions, int64_t keep) {
  std::map<int64_t, std::vector<std::string>> kept;
  const int64_t current = store.Current(model);
  kept[current].push_back("current");
  if (const int64_t before = Before(versions, current); before > 0) kept[before].push_back("before the current one");
  for (const auto& [label, version] : store.Labels(model)) kept[version].push_back("label " + label);
  const auto n_newest = std::min(keep, static_cast<int64_t>(versions.size()));
  for (auto newest = versions.end() - n_newest; newest != versions.end(); ++newest)
    kept[*newest].push_back("among the newest");
  return kept;
}

/// Folders of versions that were not finished, or not removed to their end, by processes that are no more.
std::vector<std::string> Leftovers(const ModelStore& store, const std::string& model) {
  std::vector<std::string> leftovers;
  std::error_code ignored;
  for (std::string& name : NamesIn(store.ModelPath(model), ignored)) {
    const std::string_view place = PlaceOfTemporary(name);
    if (!place.empty() && place.find_first_not_of("0123456789") == std::string_view::npos &&
        LockAbandoned(store.ModelPath(model) / name).get() >= 0)
      leftovers.push_back(std::move(name));
  }
  std::sort(leftovers.begin(), leftovers.end());
  return leftovers;
}

}  // namespace

void OpenModel(const ModelStore& store, const std::string& model, int64_t version) {
  Model::Open(store, model, version);
}

json Rollback(const ModelStore& store, const std::string& model, const std::string& to, const VersionOpener& open) {
  store.CheckHas(model);
  const ModelLock lock = store.Lock(model, "rollback");
  json from;
  try {
    from = store.Current(model);
  } catch (const Error&) {
    if (to.empty()) throw;  // else a damaged CURRENT is what is put right
  }
  const int64_t version = to.empty() ? Before(store.Versions(model), from.get<int64_t>()) : store.Resolve(model, to);
  if (version == 0)
    throw Error(ErrorCode::kNotFound,
                fmt::format("model '{}' has no version before {}, the current one", model, from.get<int64_t>()));
  open(store, model, version);
  if (from != version) store.SetCurrent(model, version);
  return {{"model", model}, {"from", from}, {"to", version}};
}

json SetLabel(const ModelStore& store, const std::string& model, const std::string& label, const std::string& version) {
  store.CheckHas(model);
  const ModelLock lock = store.Lock(model, "label");
  const json before = Labelled(store, model, label);
  const int64_t number = store.Resolve(model, version);
  store.SetLabel(model, label, number);
  return {{"model", model}, {"label", label}, {"version", number}, {"before", before}};
}

json RemoveLabel(const ModelStore& store, const std::string& model, const std::string& label) {
  store.CheckHas(model);
  const ModelLock lock = store.Lock(model, "label");
  const json before = Labelled(store, model, label);
  store.RemoveLabel(model, label);
  return {{"model", model}, {"label", label}, {"version", nullptr}, {"before", before}};
}

json Prune(const ModelStore& store, const std::string& model, const PruneOptions& options) {
  store.CheckHas(model);
  if (options.keep < 1)
    throw Error(ErrorCode::kInvalidArgument, fmt::format("keep is {}: at least one version stays", options.keep));
  std::optional<ModelLock> lock;
  if (!options.dry_run) lock.emplace(store.Lock(model, "prune"));
  const std::vector<int64_t> versions = store.Versions(model);
  const auto kept = Kept(store, model, versions, options.keep);

  json report = {{"model", model},
                 {"dry_run", options.dry_run},
                 {"kept", json::array()},
                 {"removed", json::array()},
                 {"leftovers", Leftovers(store, model)}};
  int64_t freed = 0;
  for (const int64_t version : versions) {
    if (const auto why = kept.find(version); why != kept.end()) {
      report["kept"].push_back({{"version", version}, {"why", why->second}});
      continue;
    }
    const int64_t bytes = FolderBytes(store.VersionPath(model, version));
    if (!options.dry_run) store.Remove(model, version);
    report["removed"].push_back({{"version", version}, {"bytes", bytes}});
    freed += bytes;
  }
  for (const json& name : report["leftovers"]) {
    const fs::path path = store.ModelPath(model) / name.get<std::string>();
    freed += FolderBytes(path);
    if (!options.dry_run) RemoveAll(path);
  }
  report["bytes"] = freed;
  return report;
}

}  // namespace kindred
