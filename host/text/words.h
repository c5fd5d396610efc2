// Words of a text as features: lower case, in any of the usual scripts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kindred {

/// Longer words, in bytes, are no words.
inline constexpr size_t kLongestWord = 64;

/// The words of UTF-8 text in their order, as often as they come: runs of letters and digits, with Latin, Greek and
/// Cyrillic letters in lower case. Of scripts that are written without spaces (Han, Kana, Thai, Lao, Khmer, Myanmar)
/// a run gives its pairs of characters one after the other, or the one it has. What is no UTF-8 parts words.
std::vector<std::string> Words(std::string_view text);

}  // namespace kindred
