// Checksums of stored files: SHA-256 for identity, XXH3-64 of each block for fast verification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kindred {

/// A file's blocks: each has its own XXH3-64. The last one may be shorter.
inline constexpr int64_t kChecksumBlockBytes = int64_t{1} << 20;

/// Lower-case hex, 64 characters.
std::string Sha256(std::string_view data);

/// XXH3-64 of a block as 16 characters of lower-case hex (the canonical, big-endian form of `xxhsum -H3`).
std::string Xxh3Hex(std::span<const std::byte> block);

/// Both checksums of a file that comes in pieces of any length.
class FileChecksum {
 public:
  FileChecksum();
  ~FileChecksum();

  void Add(std::span<const std::byte> piece);
  /// Ends the file; nothing may be added after.
  void Finish();

  int64_t bytes() const { return bytes_; }
  const std::string& sha256() const { return sha256_; }
  const std::vector<std::string>& blocks() const { return blocks_; }

 private:
  struct State;

  std::unique_ptr<State> state_;
  int64_t bytes_ = 0;
  std::string sha256_;
  std::vector<std::string> blocks_;
};

}  // namespace kindred
