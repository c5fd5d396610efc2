// Finding bytes in text, 64 at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace kindred {

/// Bit i says whether at[i] is a or b. 64 bytes must be readable.
inline uint64_t MatchBytes(const char* at, char a, char b) {
#ifdef __SSE2__
  const __m128i va = _mm_set1_epi8(a), vb = _mm_set1_epi8(b);
  uint64_t mask = 0;
  for (int part = 0; part < 4; ++part) {
    const __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 16 * part));
    const __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(text, va), _mm_cmpeq_epi8(text, vb));
    mask |= static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(hit))) << (16 * part);
  }
  return mask;
#else
  uint64_t mask = 0;
  for (int i = 0; i < 64; ++i) mask |= uint64_t{at[i] == a || at[i] == b} << i;
  return mask;
#endif
}

/// The places of two bytes in a text, in order.
class ByteScan {
 public:
  ByteScan(std::string_view text, char a, char b) : text_(text), a_(a), b_(b) { Load(); }

  /// The next place, or the text's size at its end.
  size_t Next() {
    while (mask_ == 0) {
      at_ += 64;
      if (at_ >= text_.size()) return text_.size();
      Load();
    }
    const size_t place = at_ + static_cast<size_t>(std::countr_zero(mask_));
    mask_ &= mask_ - 1;
    return place;
  }

 private:
  void Load() {
    if (at_ + 64 <= text_.size()) {
      mask_ = MatchBytes(text_.data() + at_, a_, b_);
      return;
    }
    char rest[64] = {};
    const size_t n = text_.size() - at_;
    if (n > 0) std::memcpy(rest, text_.data() + at_, n);
    mask_ = MatchBytes(rest, a_, b_) & ~(n < 64 ? ~uint64_t{0} << n : 0);
  }

  std::string_view text_;
  char a_;
  char b_;
  size_t at_ = 0;
  uint64_t mask_ = 0;
};

/// How often a byte is there. At the speed of memory.
int64_t CountByte(std::string_view text, char byte);

}  // namespace kindred
