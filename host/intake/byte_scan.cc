#include "host/intake/byte_scan.h"

#include <algorithm>

namespace kindred {

int64_t CountByte(std::string_view text, char byte) {
  int64_t n = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(at + 255, text.size());  // what a byte can count
    uint8_t part = 0;
    for (; at < end; ++at) part = static_cast<uint8_t>(part + (text[at] == byte));
    n += part;
  }
  return n;
}

}  // namespace kindred
