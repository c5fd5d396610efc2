// A text file in blocks of whole records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "host/data/array.h"
#include "host/intake/input_file.h"
#include "host/intake/record.h"
#include "host/intake/row_source.h"

namespace kindred {

struct TextBlock : RowBlock {
  static constexpr size_t kPaddingBytes = 64;  // zeros behind the text, for those who read it by the vector

  Array<char> bytes;
  size_t begin = 0;
  size_t size = 0;
  bool last = false;  // of its file

  std::string_view text() const { return {bytes.data() + begin, size - begin}; }
};

/// A UTF-8 byte order mark is skipped. Of a line of more than rules.max_bytes that is in no block whole, a little more
/// than max_bytes ends its block; the rest is skipped.
/// Memory: a block, and up to three times the longest record.
class RecordBlocks {
 public:
  RecordBlocks(const std::string& path, const RecordRules& rules, size_t block_bytes);

  const InputFile& file() const { return file_; }
  /// Null at the end. Throws as InputFile does, and kInvalidArgument for UTF-16.
  std::unique_ptr<TextBlock> Next();
  SourceInfo Finish();

 private:
  /// Reads on behind `size`; false at the end of the file.
  bool Fill(TextBlock& block, size_t capacity);
  void SkipByteOrderMark(TextBlock& block) const;
  /// Goes on behind the line that the last block ended in.
  void SkipLine(TextBlock& block);

  InputFile file_;
  RecordRules rules_;
  size_t block_bytes_;
  std::string carry_;
  bool started_ = false;
  bool skip_line_ = false;
  bool ended_ = false;
  int64_t line_ = 1;
};

}  // namespace kindred
