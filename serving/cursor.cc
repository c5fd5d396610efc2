#include "serving/cursor.h"

#include <fmt/format.h>

#include <charconv>

#include "host/store/checksum.h"

namespace kindred {
namespace {

constexpr size_t kLong = 16, kShort = 8;  // characters of a number of 64 and of 32 bits

/// Exactly what "{:0nx}" prints of a number that is not negative.
template <class Number>
bool ParseHex(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, 16);
  return error == std::errc() && end == text.data() + text.size() && *number >= 0 &&
         fmt::format("{:0{}x}", *number, text.size()) == text;
}

}  // namespace

std::string ChecksumOf(std::string_view bytes) {
  return Xxh3Hex(std::as_bytes(std::span(bytes)));
}

std::string ToText(const Cursor& cursor) {
  const std::string text =
      fmt::format("{:016x}{}{}{}{:08x}", cursor.version, cursor.model, cursor.request, cursor.items, cursor.n_before);
  return text + ChecksumOf(text).substr(0, kShort);
}

std::optional<Cursor> ParseCursor(std::string_view text) {
  constexpr size_t kLength = 4 * kLong + 2 * kShort;
  if (text.size() != kLength) return {};
  const std::string_view body = text.substr(0, kLength - kShort);
  if (ChecksumOf(body).substr(0, kShort) != text.substr(body.size())) return {};
  Cursor cursor;
  if (!ParseHex(body.substr(0, kLong), &cursor.version) || !ParseHex(body.substr(4 * kLong), &cursor.n_before))
    return {};
  if (cursor.n_before < 1 || cursor.n_before >= kMaxDepth) return {};
  cursor.model = body.substr(kLong, kLong);
  cursor.request = body.substr(2 * kLong, kLong);
  cursor.items = body.substr(3 * kLong, kLong);
  return cursor;
}

}  // namespace kindred
