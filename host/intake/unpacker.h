// Compressed streams, unpacked as they come.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "kernels/error.h"

namespace kindred {

/// What one step took from its input and gave to its output.
struct Unpacked {
  size_t taken = 0;
  size_t given = 0;
  std::string wrong = {};  // why it cannot go on; empty: nothing is wrong
  ErrorCode code = ErrorCode::kCorrupt;
};

class Unpacker {
 public:
  virtual ~Unpacker() = default;

  /// "gzip" or "zstd".
  virtual const char* name() const = 0;
  /// Goes on with `from`, which is the rest of what was not taken and more, or empty where there is no more.
  virtual Unpacked Unpack(std::span<const char> from, std::span<char> to) = 0;
  /// Whether the data may end behind what was taken: at least one member (frame) is there, and all are whole.
  virtual bool MayEnd() const = 0;
};

/// By the name (.gz, .zst) or the first bytes of a file; null where it is neither.
/// A .gz may hold several members, and zeros may pad its end; a .zst several frames, and frames to skip.
std::unique_ptr<Unpacker> MakeUnpacker(std::string_view path, std::string_view first_bytes);

/// The path without .gz or .zst.
std::string_view WithoutPacking(std::string_view path);

}  // namespace kindred
