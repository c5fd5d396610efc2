// The lines of a block of text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "host/intake/record_blocks.h"
#include "host/intake/row_source.h"

namespace kindred {

/// Goes through the lines of a block, but for the empty ones.
class LineCursor {
 public:
  LineCursor(const TextBlock& block, size_t max_line_bytes)
      : block_(block), next_(block.begin), next_line_(block.first_line), max_line_bytes_(max_line_bytes) {}

  /// False at the end of the block.
  bool Next();
  /// Without the line's end; of one that is too long, the beginning.
  std::string_view text() const { return text_; }
  int64_t line() const { return next_line_ - 1; }
  bool too_long() const { return too_long_; }
  /// Where the next line begins, in the bytes of the block.
  size_t next() const { return next_; }

  /// The line as a bad row: for `kind` and `reason`, or for its length where it is too long.
  BadRow Refused(const std::string& path, std::string kind, std::string reason) const;

 private:
  const TextBlock& block_;
  size_t next_;
  int64_t next_line_;
  size_t max_line_bytes_;
  std::string_view text_;
  bool too_long_ = false;
};

}  // namespace kindred
