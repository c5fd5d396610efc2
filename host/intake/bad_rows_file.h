// The file of the lines that were no events: a table of file, line, reason and text, tab-separated.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "host/intake/event_reader.h"
#include "host/store/files.h"

namespace kindred {

/// Rows are kept in an unnamed file until Stage; the file itself appears with Publish, whole.
/// Every call throws kIo with the system's reason.
class BadRowsFile {
 public:
  explicit BadRowsFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~BadRowsFile();
  BadRowsFile(const BadRowsFile&) = delete;
  BadRowsFile& operator=(const BadRowsFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Whether something is in the file's place. Throws kAlreadyExists where that is not such a file.
  bool CheckPlace() const;

  void Add(const BadRow& row);
  /// Writes and syncs everything under a temporary name, behind what is in the file's place where that is to be kept:
  /// what may still fail is the rename.
  void Stage(bool keep_rows = false);
  void Publish();

 private:
  void Spill();

  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty until Stage
  std::string pending_;
  Descriptor spool_;
  int64_t spooled_ = 0;
};

}  // namespace kindred
