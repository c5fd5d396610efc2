// Ids outside are strings, any bytes; inside they are indices 0, 1, 2, ... in order of first appearance.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/store/artifact.h"

namespace kindred {

/// A finished mapping, both ways, over arrays that somebody else keeps alive (mapped files or a builder).
///   bytes    all ids one after another
///   offsets  [n + 1] where each id starts
///   slots    open addressing with linear probing over XXH3-64(id), a power of two >= 2 n (at least 2); -1 is free
class IdMap {
 public:
  IdMap() = default;
  IdMap(std::span<const uint8_t> bytes, std::span<const int64_t> offsets, std::span<const int32_t> slots)
      : bytes_(bytes), offsets_(offsets), slots_(slots) {}

  /// From the arrays PREFIX_bytes, PREFIX_offsets and PREFIX_slots. Throws kCorrupt where they do not fit
  /// each other; after that no lookup can leave them.
  static IdMap FromArtifact(const Artifact& artifact, const std::string& prefix);
  void AddTo(ArtifactWriter& writer, const std::string& prefix) const;

  int64_t size() const { return offsets_.empty() ? 0 : static_cast<int64_t>(offsets_.size()) - 1; }
  std::string_view Id(int64_t index) const {
    return {reinterpret_cast<const char*>(bytes_.data()) + offsets_[index],
            static_cast<size_t>(offsets_[index + 1] - offsets_[index])};
  }
  /// The index, or -1.
  int32_t Find(std::string_view id) const;
  std::span<const uint8_t> bytes() const { return bytes_; }
  std::span<const int64_t> offsets() const { return offsets_; }

 private:
  std::span<const uint8_t> bytes_;
  std::span<const int64_t> offsets_;
  std::span<const int32_t> slots_;
};

class IdMapBuilder {
 public:
  IdMapBuilder();

  /// Makes room for so many ids in all.
  void Reserve(int64_t n_ids);
  /// The id's index, a new one if it was not there. Throws kUnsupported at 2^31 - 1 ids.
  int32_t Intern(std::string_view id);
  int64_t size() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  /// Valid until the next Intern and while the builder lives.
  IdMap view() const { return {bytes_, offsets_, slots_}; }

 private:
  void Rehash(size_t n_slots);

  std::vector<uint8_t> bytes_;
  std::vector<int64_t> offsets_;
  std::vector<int32_t> slots_;
};

}  // namespace kindred
