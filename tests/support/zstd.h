// One zstd frame, for tests of what reads them. Link PkgConfig::zstd.
#pragma once

#include <zstd.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace kindred {

inline std::string Zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  if (ZSTD_isError(size)) throw std::runtime_error("zstd");
  out.resize(size);
  return out;
}

}  // namespace kindred
