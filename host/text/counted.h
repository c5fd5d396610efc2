// Numbers of things, for messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kindred {

/// "1 item", "2 items": of words whose plural is regular.
inline std::string Counted(int64_t n, std::string_view what) {
  return std::to_string(n).append(1, ' ').append(what).append(n == 1 ? "" : "s");
}

}  // namespace kindred
