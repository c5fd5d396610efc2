// Texts that were set anew, by place, of which a copy shares those that stay as they are.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace kindred {

/// What was copied once is not to change any more: its copies share its blocks. Cost: of a copy a pointer for each
/// block of places up to the last that had a text; of its first change in a block, the block. Memory: a text, and 16
/// bytes a place in blocks that have had one.
class SharedTexts {
 public:
  using Text = std::shared_ptr<const std::string>;

  SharedTexts() = default;
  SharedTexts(const SharedTexts& other) : blocks_(other.blocks_), is_own_(blocks_.size(), false) {}
  SharedTexts(SharedTexts&&) = default;
  SharedTexts& operator=(SharedTexts&&) = default;

  /// Null where there is none.
  const Text& At(int64_t place) const {
    static const Text kNone;
    const auto block = static_cast<size_t>(place / kPlaces);
    return block < blocks_.size() && blocks_[block] ? (*blocks_[block])[static_cast<size_t>(place % kPlaces)] : kNone;
  }

  /// Null for none.
  void Set(int64_t place, Text text) {
    if (text == At(place)) return;
    const auto block = static_cast<size_t>(place / kPlaces);
    if (block >= blocks_.size()) {
      blocks_.resize(block + 1);
      is_own_.resize(block + 1, false);
    }
    if (!is_own_[block]) {
      blocks_[block] = blocks_[block] ? std::make_shared<Block>(*blocks_[block]) : std::make_shared<Block>();
      is_own_[block] = true;
    }
    (*blocks_[block])[static_cast<size_t>(place % kPlaces)] = std::move(text);
  }

 private:
  static constexpr int64_t kPlaces = 256;
  using Block = std::array<Text, kPlaces>;

  std::vector<std::shared_ptr<Block>> blocks_;
  std::vector<bool> is_own_;  // whether no copy has the block
};

}  // namespace kindred
