#include "host/intake/record_blocks.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "host/intake/byte_scan.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kLeastBlockBytes = 4;  // a byte order mark and more

}  // namespace

RecordBlocks::RecordBlocks(const std::string& path, const RecordRules& rules, size_t block_bytes)
    : file_(path), rules_(rules), block_bytes_(std::max(block_bytes, kLeastBlockBytes)) {}

bool RecordBlocks::Fill(TextBlock& block, size_t capacity) {
  while (!ended_ && block.size < capacity) {
    const size_t got = file_.Read(block.bytes.data() + block.size, capacity - block.size);
    ended_ = got == 0;
    block.size += got;
  }
  return !ended_;
}

void RecordBlocks::SkipByteOrderMark(TextBlock& block) const {
  const std::string_view start = block.text();
  if (start.starts_with("\xFF\xFE") || start.starts_with("\xFE\xFF"))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is UTF-16; expected UTF-8", Printable(file_.path(), 4096)));
  if (start.starts_with("\xEF\xBB\xBF")) block.begin = 3;
}

void RecordBlocks::SkipLine(TextBlock& block) {
  for (;;) {
    const size_t line_end = block.text().find('\n');
    if (line_end != std::string_view::npos) {
      block.begin += line_end + 1;
      ++block.first_line;
      return;
    }
    block.begin = block.size = 0;
    if (ended_) return;
    Fill(block, block_bytes_);
  }
}

std::unique_ptr<TextBlock> RecordBlocks::Next() {
  auto block = std::make_unique<TextBlock>();
  size_t capacity = carry_.size() + block_bytes_;
  block->bytes = Array<char>(static_cast<int64_t>(capacity + TextBlock::kPaddingBytes));
  std::copy(carry_.begin(), carry_.end(), block->bytes.data());
  block->size = carry_.size();
  carry_.clear();
  block->first_line = line_;

  bool more = Fill(*block, capacity);
  if (!std::exchange(started_, true)) SkipByteOrderMark(*block);
  if (std::exchange(skip_line_, false)) SkipLine(*block);
  for (more = !ended_; more; more = Fill(*block, capacity)) {
    const size_t end = EndOfLastRecord(block->text(), rules_);
    if (end > 0) {
      carry_.assign(block->text().substr(end));
      block->size = block->begin + end;
      break;
    }
    if (block->text().size() > rules_.max_bytes && block->text().find('\n') == std::string_view::npos) {
      skip_line_ = true;
      break;
    }
    capacity = 2 * block->size + block_bytes_;
    Array<char> larger(static_cast<int64_t>(capacity + TextBlock::kPaddingBytes));
    std::copy_n(block->bytes.data(), block->size, larger.data());
    block->bytes = std::move(larger);
  }
  std::fill_n(block->bytes.data() + block->size, TextBlock::kPaddingBytes, '\0');
  block->last = !more;
  line_ = block->first_line + CountByte(block->text(), '\n');
  return block->text().empty() ? nullptr : std::move(block);
}

SourceInfo RecordBlocks::Finish() {
  return {file_.path(), file_.stored_bytes(), file_.Sha256()};
}

}  // namespace kindred
