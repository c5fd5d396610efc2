// What a model store holds, as JSON (docs/formats.md, "The reports of a store"): for people and for `kindred models`.
// Only manifests are read, and verified by their checksums; what cannot be read is reported, not thrown.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "host/models/store_changes.h"
#include "host/store/model_store.h"

namespace kindred {

/// Every model, or only `model` where that is not empty, with its versions, labels and whatever else lies there.
/// Throws kNotFound where the store or that model is not there, kIo where the store cannot be listed.
nlohmann::json StoreReport(const ModelStore& store, const std::string& model = "");

/// One version: its manifest, and how it differs from the version before it. Throws what Artifact::ReadManifest does.
nlohmann::json VersionReport(const ModelStore& store, const std::string& model, int64_t version);

/// What is wrong with CURRENT and the labels of a model: [text, ...].
nlohmann::json NameProblems(const ModelStore& store, const std::string& model);

/// Every byte of one version against its checksums, and its parts against each other: {"version", "bytes", "damages":
/// [text, ...]}, empty where it is whole. Cost: two reads of every byte.
nlohmann::json VerifyReport(const ModelStore& store, const std::string& model, int64_t version,
                            const VersionOpener& open = OpenModel);

}  // namespace kindred
