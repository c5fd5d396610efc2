// An artifact: a folder of immutable files under a manifest. Datasets and model versions are artifacts.
//
//   NAME.npy              an array, NumPy format 1.0, C order, little-endian
//   manifest.json         what the artifact is, and for each file its size, its SHA-256 and the XXH3-64 of
//                         each 1 MiB block
//   manifest.json.sha256  the manifest's SHA-256 as `sha256sum -c` reads it
//
// Written to a temporary folder beside its place, every file fsynced, the manifest last, then renamed and
// the parent fsynced: at every moment the artifact is complete or absent. Readers trust nothing before the
// manifest and the blocks of every file verify; then the files stay mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/store/new_folder.h"
#include "host/store/npy.h"
#include "kernels/views.h"

namespace kindred {

/// The manifest's format. A reader refuses a newer one with a message.
inline constexpr int kArtifactFormat = 1;

class ArtifactWriter {
 public:
  /// Starts the folder (host/store/new_folder.h); without Commit nothing stays. `kind` ("dataset", "model") goes
  /// into the manifest. Throws kIo.
  ArtifactWriter(std::filesystem::path path, std::string kind);
  ArtifactWriter(const ArtifactWriter&) = delete;
  ArtifactWriter& operator=(const ArtifactWriter&) = delete;

  /// Writes NAME.npy of the given shape (default: one dimension) and fsyncs it. T: see npy.h.
  template <class T>
  void AddArray(const std::string& name, std::span<const T> values, std::vector<int64_t> shape = {}) {
    if (shape.empty()) shape = {static_cast<int64_t>(values.size())};
    AddBytes(name, NpyHeader(NpyType<T>::kDescr, shape), std::as_bytes(values));
  }
  void AddMatrix(const std::string& name, HostMatrix<const float> values) {
    AddArray<float>(name, values.all(), {values.n_rows, values.n_cols});
  }

  /// Writes the manifest (the given members, plus "format", "kind", "files") and renames the folder to its
  /// place. Where anything but an empty folder is there already: kAlreadyExists, or with `overwrite` an atomic
  /// exchange if it is an artifact of the same kind and nothing else. Throws kIo with the system's reason;
  /// then nothing has changed.
  void Commit(nlohmann::json manifest, bool overwrite = false);

 private:
  void AddBytes(const std::string& name, const std::string& header, std::span<const std::byte> data);

  NewFolder folder_;
  std::string kind_;
  nlohmann::json files_ = nlohmann::json::object();
};

/// Throws kUnsupported where a manifest's `what` ("format", "schema") is newer than those that are known, saying which
/// program made it. `where` names the manifest.
void CheckNotNewer(const nlohmann::json& manifest, const std::string& what, int64_t found, int64_t known,
                   const std::string& where);

/// Throws kAlreadyExists unless what is at `path` is an empty folder, or an artifact of this kind and nothing else.
void CheckReplaceable(const std::filesystem::path& path, const std::string& kind);

class Artifact {
 public:
  /// Verifies and maps; files that the manifest does not list are left alone. Throws kNotFound, kCorrupt
  /// (naming the file, and the block where it differs) or kUnsupported for a newer format or another kind.
  /// Cost: one read of every byte.
  static std::shared_ptr<const Artifact> Open(const std::filesystem::path& path, const std::string& kind);
  /// The manifest, verified by its checksum, of a format that is read; no file is looked at. Throws as Open does.
  static nlohmann::json ReadManifest(const std::filesystem::path& path, const std::string& kind);
  /// What is wrong with each file that the manifest lists: its size, its blocks and its SHA-256; empty where nothing
  /// is. Throws as Open does where the manifest itself is not to be trusted. Cost: one read of every byte.
  static std::vector<std::string> DamagedFiles(const std::filesystem::path& path, const std::string& kind);
  /// The digest that stands beside the manifest at `path`, which tells one artifact from another there; nothing is
  /// verified. Empty where there is none. Throws kIo.
  static std::string RecordedDigest(const std::filesystem::path& path);
  ~Artifact();

  const std::filesystem::path& path() const { return path_; }
  const nlohmann::json& manifest() const { return manifest_; }
  /// SHA-256 of the manifest, hex: the identity of the artifact.
  const std::string& digest() const { return digest_; }
  bool Has(const std::string& name) const { return arrays_.contains(name); }
  /// Bytes of all files.
  int64_t bytes() const { return bytes_; }

  /// The mapped array. Throws kCorrupt where it is missing, of another type or of another dimension.
  template <class T>
  std::span<const T> Array(const std::string& name) const {
    const NpyArray& array = Find(name, NpyType<T>::kDescr, 1);
    return {static_cast<const T*>(array.data), static_cast<size_t>(array.shape[0])};
  }
  template <class T>
  HostMatrix<const T> Matrix(const std::string& name) const {
    const NpyArray& array = Find(name, NpyType<T>::kDescr, 2);
    return {static_cast<const T*>(array.data), array.shape[0], array.shape[1]};
  }

 private:
  struct Mapping;

  Artifact() = default;
  void Map(const std::string& name, const nlohmann::json& entry);
  const NpyArray& Find(const std::string& name, const char* descr, size_t n_dimensions) const;

  std::filesystem::path path_;
  nlohmann::json manifest_;
  std::string digest_;
  int64_t bytes_ = 0;
  std::vector<std::unique_ptr<Mapping>> mappings_;
  std::map<std::string, NpyArray> arrays_;
};

}  // namespace kindred
