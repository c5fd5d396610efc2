#include "host/text/words.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "host/text/text.h"

namespace kindred {
namespace {

struct Range {
  char32_t first, last;
};

bool IsIn(char32_t c, const Range* begin, const Range* end) {
  const Range* range = std::upper_bound(begin, end, c, [](char32_t x, const Range& r) { return x < r.first; });
  return range != begin && c <= (range - 1)->last;
}

// Beyond ASCII: spaces, punctuation, symbols, controls and private use.
constexpr Range kNoLetters[] = {
    {0x80, 0xa9},     {0xab, 0xb4},     {0xb6, 0xb9},     {0xbb, 0xbf},       {0xd7, 0xd7},       {0xf7, 0xf7},
    {0x2c2, 0x2df},   {0x55a, 0x55f},   {0x589, 0x58a},   {0x5be, 0x5be},     {0x5f3, 0x5f4},     {0x600, 0x60f},
    {0x61b, 0x61f},   {0x66a, 0x66d},   {0x6d4, 0x6d4},   {0x964, 0x965},     {0xe3f, 0xe3f},     {0xe4f, 0xe4f},
    {0xe5a, 0xe5b},   {0x104a, 0x104f}, {0x1680, 0x1680}, {0x17d4, 0x17db},   {0x2000, 0x206f},   {0x2070, 0x209c},
    {0x20a0, 0x20cf}, {0x2100, 0x2bff}, {0x2e00, 0x2e7f}, {0x3000, 0x3004},   {0x3008, 0x3020},   {0x3030, 0x3030},
    {0x30a0, 0x30a0}, {0x30fb, 0x30fb}, {0xe000, 0xf8ff}, {0xfe00, 0xfe6f},   {0xfeff, 0xff0f},   {0xff1a, 0xff20},
    {0xff3b, 0xff40}, {0xff5b, 0xff65}, {0xffe0, 0xffff}, {0x1f000, 0x1faff}, {0xe0000, 0x10ffff}};

constexpr Range kWithoutSpaces[] = {{0xe01, 0xe4e},   {0xe80, 0xeff},   {0x1000, 0x1049},  {0x1050, 0x109f},
                                    {0x1780, 0x17d3}, {0x3005, 0x3007}, {0x3041, 0x30ff},  {0x3400, 0x9fff},
                                    {0xf900, 0xfaff}, {0xff66, 0xff9f}, {0x20000, 0x3ffff}};

/// The code point that the text begins with and its bytes; 0 bytes where it begins with none.
size_t Decode(std::string_view text, char32_t* c) {
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(text[at]); };
  const size_t n = CharacterBytes(text, 0);
  *c = n < 2 ? byte(0) : byte(0) & (0xff >> (n + 1));
  for (size_t at = 1; at < n; ++at) *c = *c << 6 | (byte(at) & 0x3f);
  return n;
}

void Append(char32_t c, std::string* to) {
  if (c < 0x80) {
    to->push_back(static_cast<char>(c));
    return;
  }
  const int n = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;  // bytes that follow
  constexpr unsigned kLead[] = {0, 0xc0, 0xe0, 0xf0};
  to->push_back(static_cast<char>(kLead[n] | c >> (6 * n)));
  for (int at = n - 1; at >= 0; --at) to->push_back(static_cast<char>(0x80 | (c >> (6 * at) & 0x3f)));
}

bool IsLetterOrDigit(char32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return !IsIn(c, std::begin(kNoLetters), std::end(kNoLetters));
}

char32_t Lower(char32_t c) {
  if (c >= 'A' && c <= 'Z') return c + 0x20;
  if (c < 0xc0 || c >= 0x530) return c;
  if (c <= 0xde) return c == 0xd7 ? c : c + 0x20;
  if (c == 0x130) return 'i';
  if (c == 0x178) return 0xff;
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)) return c % 2 == 1 ? c + 1 : c;
  if ((c >= 0x100 && c <= 0x177) || (c >= 0x1de && c <= 0x1ef) || (c >= 0x1f8 && c <= 0x21f) ||
      (c >= 0x222 && c <= 0x233) || (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) || c >= 0x4d0)
    return c % 2 == 0 && c != 0x138 ? c + 1 : c;
  if (c == 0x386) return 0x3ac;
  if (c >= 0x388 && c <= 0x38a) return c + 0x25;
  if (c == 0x38c) return 0x3cc;
  if (c == 0x38e || c == 0x38f) return c + 0x3f;
  if (c >= 0x391 && c <= 0x3ab && c != 0x3a2) return c + 0x20;
  if (c == 0x3c2) return 0x3c3;  // the sigma that ends a word
  if (c >= 0x400 && c <= 0x40f) return c + 0x50;
  if (c >= 0x410 && c <= 0x42f) return c + 0x20;
  return c;
}

}  // namespace

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;     // of letters with spaces between words
  std::string last;     // the character before, of a run without spaces
  size_t n_of_run = 0;  // characters of that run
  const auto end_word = [&] {
    if (!word.empty() && word.size() <= kLongestWord) words.push_back(word);
    word.clear();
  };
  const auto end_run = [&] {
    if (n_of_run == 1) words.push_back(last);
    n_of_run = 0;
  };
  while (!text.empty()) {
    char32_t c = 0;
    const size_t n_bytes = Decode(text, &c);
    text.remove_prefix(std::max<size_t>(n_bytes, 1));
    if (n_bytes == 0 || !IsLetterOrDigit(c)) {
      end_word();
      end_run();
    } else if (IsIn(c, std::begin(kWithoutSpaces), std::end(kWithoutSpaces))) {
      end_word();
      std::string character;
      Append(c, &character);
      if (n_of_run++ > 0) words.push_back(last + character);
      last = character;
    } else {
      end_run();
      Append(Lower(c), &word);
    }
  }
  end_word();
  end_run();
  return words;
}

}  // namespace kindred
