// An artifact on disk whose files can be replaced with checksums that are right: what a reader must refuse by content.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "host/store/checksum.h"
#include "tests/support/temporary_folder.h"

namespace kindred {

class EditableArtifact {
 public:
  static constexpr const char* kManifest = "manifest.json";

  explicit EditableArtifact(std::filesystem::path path)
      : path_(std::move(path)), manifest_(nlohmann::json::parse(Content(path_ / kManifest))) {
    for (const auto& [name, entry] : manifest_["files"].items()) files_.emplace_back(name, Content(path_ / name));
  }

  const std::filesystem::path& path() const { return path_; }
  const nlohmann::json& manifest() const { return manifest_; }
  /// Those that the manifest lists, as they were: name and content.
  const std::vector<std::pair<std::string, std::string>>& files() const { return files_; }

  /// Replaces a file, and makes the manifest say so.
  void Replace(const std::string& name, const std::string& content) const {
    Put(name, content);
    nlohmann::json changed = manifest_;
    FileChecksum checksum;
    checksum.Add(std::as_bytes(std::span(content)));
    checksum.Finish();
    changed["files"][name] = {{"bytes", checksum.bytes()}, {"xxh3_blocks", checksum.blocks()}};
    ReplaceManifest(changed.dump());
  }
  void ReplaceManifest(const std::string& text) const {
    Put(kManifest, text);
    Put("manifest.json.sha256", Sha256(text) + "  manifest.json\n");
  }

  /// `content` with edits of three bytes each: where (16 bits), and what.
  static std::string Edited(std::string content, std::span<const uint8_t> edits) {
    for (size_t at = 0; at + 2 < edits.size(); at += 3)
      content[(edits[at] | size_t{edits[at + 1]} << 8) % content.size()] = static_cast<char>(edits[at + 2]);
    return content;
  }

 private:
  void Put(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
  }

  std::filesystem::path path_;
  nlohmann::json manifest_;
  std::vector<std::pair<std::string, std::string>> files_;
};

}  // namespace kindred
