// The lines of an export, of any length up to a limit, with their numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/data/input_file.h"

namespace kindred {

/// Lines end with LF or CRLF, the last one also with the file. A UTF-8 byte order mark is skipped.
/// Memory: the buffer, and up to twice the longest text.
class LineReader {
 public:
  enum class Status {
    kLine,
    kTooLong,  // text() is the beginning of a line of more than `max_bytes`; the rest is skipped
    kEnd,
  };

  LineReader(InputFile& file, size_t buffer_bytes, size_t max_bytes);

  /// Moves to the next line. Throws as InputFile does, and kInvalidArgument for UTF-16.
  Status Next();
  /// Lengthens the text by the line that follows (a quoted field went over its line's end).
  /// False, and no change, at the end of the file or where the text would pass `max_bytes`.
  bool Extend();
  /// Takes all Extends since Next back: the lines come again.
  void KeepFirstLine();

  /// Without the last line break. Valid until the next call.
  std::string_view text() const { return too_long_ ? std::string_view(head_) : std::string_view(Begin(), length_); }
  /// The number of the text's first line; 1 is the first of the file.
  int64_t line() const { return line_; }
  const std::string& path() const { return file_.path(); }
  /// Whether Extend would fail for the end of the file rather than for the limit.
  bool AtEnd() const { return ended_ && begin_ + next_ == end_; }

 private:
  const char* Begin() const { return buffer_.data() + begin_; }
  /// Reads on behind `end_`; false at the end of the file.
  bool Fill();
  void SkipByteOrderMark();
  /// Finds where the line that starts at `from` ends and takes it into the text; false: too long.
  bool TakeLine(size_t from);
  void SkipLine();

  InputFile& file_;
  size_t max_bytes_;
  std::vector<char> buffer_;
  size_t begin_ = 0;  // of the text, in the buffer
  size_t end_ = 0;    // of what was read
  bool started_ = false;
  bool ended_ = false;

  // Relative to begin_, for the buffer may move.
  size_t length_ = 0;
  size_t next_ = 0;
  size_t first_length_ = 0;
  size_t first_next_ = 0;

  int64_t line_ = 0;
  int64_t n_lines_ = 1;
  bool too_long_ = false;
  std::string head_;
};

}  // namespace kindred
