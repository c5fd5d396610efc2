// Foreign bytes in messages, manifests and tables.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace kindred {

/// Bytes of the UTF-8 character at `at` < text.size(); 0 where there is none (RFC 3629: no overlong forms, no
/// surrogates).
size_t CharacterBytes(std::string_view text, size_t at);
bool IsUtf8(std::string_view text);

/// From ISO 8859-1.
std::string Latin1ToUtf8(std::string_view text);
/// Bytes of the printable UTF-8 character that the text begins with; 0 where it begins with none (a control character,
/// other bytes, nothing).
size_t PrintableBytes(std::string_view text);

/// The text for a message or a manifest, always UTF-8: what is no printable UTF-8 as \xNN, and more than
/// `max_bytes` cut to those and "...".
std::string Printable(std::string_view text, size_t max_bytes = 80);

/// The text as one field of a tab-separated line: backslash, tab, line feed and carriage return as \\ \t \n \r,
/// all else as it is. Nothing is lost.
std::string EscapeTsv(std::string_view text);

/// The text as one field of a CSV line: in quotes where RFC 4180 asks for them.
std::string CsvField(std::string_view text);

}  // namespace kindred
