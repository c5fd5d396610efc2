// A file of an export as a stream of its text: as it is stored, or unpacked where it is gzip or zstd.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/intake/unpacker.h"
#include "host/store/checksum.h"
#include "host/store/files.h"

namespace kindred {

class InputFile {
 public:
  /// Opens a file or a pipe; "-" is standard input. It is gzip or zstd where its name ends in .gz or .zst, or its
  /// first bytes are theirs. Throws kNotFound or kIo.
  explicit InputFile(const std::string& path);

  const std::string& path() const { return path_; }
  /// Bytes of the file as it is stored: all of them (0 for a pipe and for "-"), and those read so far.
  int64_t size() const { return size_; }
  int64_t stored_bytes() const { return checksum_.bytes(); }

  /// Up to n > 0 bytes of the text; 0 at its end. Throws kIo, kCorrupt where packed data is cut short or damaged,
  /// saying how many bytes of it were read, or kUnsupported. What is not packed is read to its place directly.
  size_t Read(char* to, size_t n);

  /// SHA-256 of the file as it is stored. Call once, when all of it is read.
  std::string Sha256();

 private:
  /// What read(2) gives, up to n bytes; 0 at the end of the file.
  size_t ReadStored(char* to, size_t n);
  /// Fills `raw_` anew; false at the end of the file.
  bool Refill();
  size_t ReadUnpacked(char* to, size_t n);
  std::string_view Raw() const { return {raw_.data() + raw_at_, raw_end_ - raw_at_}; }

  std::string path_;
  Descriptor descriptor_;
  int64_t size_ = 0;
  FileChecksum checksum_;
  std::vector<char> raw_;
  size_t raw_at_ = 0;
  size_t raw_end_ = 0;
  std::unique_ptr<Unpacker> unpacker_;  // null: the text is stored as it is
};

}  // namespace kindred
