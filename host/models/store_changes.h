// What is done to published versions: another one made current, old ones removed.
//
// Each takes the model's lock, so that it excludes trainings and itself. Servers take none: they follow CURRENT as
// after any publication, and a version that they have mapped stays readable to them when it is removed.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "host/store/model_store.h"

namespace kindred {

/// Opens a version and checks all of it; throws where it is not whole.
using VersionOpener = std::function<void(const ModelStore& store, const std::string& model, int64_t version)>;
/// Of models. Who has versions of another kind in a store knows how to open them.
void OpenModel(const ModelStore& store, const std::string& model, int64_t version);

/// Makes CURRENT name the version `to` (see ModelStore::Resolve), or where that is empty the last one before it. The
/// version is verified first, every byte. Returns {"model", "from" (null where CURRENT named none), "to"}. Throws
/// kNotFound, kCorrupt or kUnsupported where there is none that could serve, kAlreadyExists, kIo.
nlohmann::json Rollback(const ModelStore& store, const std::string& model, const std::string& to,
                        const VersionOpener& open = OpenModel);

/// Makes a label name the version `version` (see ModelStore::Resolve). Returns {"model", "label", "version", "before"}:
/// the version it named until now, or null. Throws kInvalidArgument, kNotFound, kAlreadyExists, kIo.
nlohmann::json SetLabel(const ModelStore& store, const std::string& model, const std::string& label,
                        const std::string& version);
/// Returns the same, with "version" null. Throws kNotFound where there is no such label.
nlohmann::json RemoveLabel(const ModelStore& store, const std::string& model, const std::string& label);

struct PruneOptions {
  int64_t keep = 1;      // so many of the newest versions stay, at least one
  bool dry_run = false;  // nothing is removed, and no lock taken
};

/// Removes old versions, and what writers left behind that were killed. Besides the newest stay: CURRENT, the version
/// before it, to which Rollback would go, and all that have a label. Returns {"model", "dry_run", "kept": [{"version",
/// "why": [text, ...]}, ...], "removed": [{"version", "bytes"}, ...], "leftovers": [name, ...], "bytes"}: in all,
/// freed. Throws kNotFound, kCorrupt where CURRENT or a label cannot be read, kAlreadyExists, kIo.
nlohmann::json Prune(const ModelStore& store, const std::string& model, const PruneOptions& options);

}  // namespace kindred
