// A text file of a new folder, written in large pieces.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>

#include <cstddef>
#include <filesystem>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "host/store/files.h"

namespace kindred {

class TextFile {
 public:
  /// Throws kIo, as the rest, also where the file is there already.
  explicit TextFile(std::filesystem::path path)
      : path_(std::move(path)), file_(OpenFile(path_, O_WRONLY | O_CREAT | O_EXCL)) {}

  template <class... Args>
  void Print(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(pending_), format, std::forward<Args>(args)...);
    if (pending_.size() >= size_t{1} << 20) Flush();
  }
  /// As it is.
  void Write(std::string_view text) {
    Flush();
    WriteAll(file_, std::as_bytes(std::span(text)), path_);
  }
  void Finish() {
    Flush();
    Sync(file_, path_);
  }

 private:
  void Flush() {
    WriteAll(file_, std::as_bytes(std::span(pending_)), path_);
    pending_.clear();
  }

  std::filesystem::path path_;
  Descriptor file_;
  std::string pending_;
};

}  // namespace kindred
