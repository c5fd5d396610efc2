// A file of an export as a stream of its text: as it is stored, or unpacked where it is gzip.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "host/store/checksum.h"
#include "host/store/files.h"

namespace kindred {

class InputFile {
 public:
  /// Opens a file or a pipe. It is gzip where its name ends in .gz or its first bytes are gzip's.
  /// Throws kNotFound or kIo.
  explicit InputFile(const std::string& path);
  ~InputFile();

  const std::string& path() const { return path_; }
  /// Bytes of the file as it is stored: all of them (0 for a pipe), and those read so far.
  int64_t size() const { return size_; }
  int64_t stored_bytes() const { return checksum_.bytes(); }

  /// Up to n > 0 bytes of the text; 0 at its end. Throws kIo, or kCorrupt where a .gz is cut short or damaged,
  /// saying how many bytes of it were read.
  size_t Read(char* to, size_t n);

  /// SHA-256 of the file as it is stored. Call once, when all of it is read.
  std::string Sha256();

 private:
  struct Inflater;

  /// Fills `raw_` anew; false at the end of the file.
  bool Refill();
  size_t Inflate(char* to, size_t n);
  /// Between two members of a .gz: false where no other follows.
  bool StartMember();

  std::string path_;
  Descriptor descriptor_;
  int64_t size_ = 0;
  FileChecksum checksum_;
  std::vector<char> raw_;
  size_t raw_at_ = 0;
  size_t raw_end_ = 0;
  std::unique_ptr<Inflater> inflater_;  // null: the text is stored as it is
};

}  // namespace kindred
