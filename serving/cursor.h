// Where the next page of a list begins, as the text that a client hands back. No gRPC types.
//
// A page is the end of the list of all pages so far, ranked again: nothing is remembered of what was shown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kindred {

/// Lists end here, over all pages: what a page costs grows with its place.
inline constexpr int32_t kMaxDepth = 10000;

struct Cursor {
  int64_t version = 0;   // of the model
  std::string model;     // ChecksumOf what a version is, and is not by its number alone
  std::string request;   // ChecksumOf all that decides the list,
  std::string items;     // and of the items that its conditions left, as these change with attributes and time
  int32_t n_before = 0;  // items on earlier pages, 1 .. kMaxDepth - 1
};

/// 80 characters of lower-case hex, a checksum of the others among them.
std::string ToText(const Cursor& cursor);
/// Nothing for a text that ToText does not make. A client can make one that it was not given: it will learn nothing.
std::optional<Cursor> ParseCursor(std::string_view text);

/// 16 characters of lower-case hex.
std::string ChecksumOf(std::string_view bytes);

}  // namespace kindred
