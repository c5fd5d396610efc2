// Packed output: pieces that are packed each on its own and, one after another, are one packed file.
#pragma once

#include <string>
#include <string_view>

namespace kindred {

enum class Packing { kNone, kGzip, kZstd };

/// By how a file's name ends: ".gz", ".zst".
Packing PackingOf(std::string_view path);
/// "none", "gzip", "zstd"
const char* PackingName(Packing packing);

/// One gzip member (RFC 1952) or zstd frame, at the default level; no time is in it, so equal bytes give equal ones.
/// Throws kOutOfMemory.
std::string Pack(std::string_view bytes, Packing packing);

}  // namespace kindred
