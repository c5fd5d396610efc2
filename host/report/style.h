// The style sheet of report pages.
#pragma once

#include <string_view>

namespace kindred {

/// Series of charts have the classes s0 to s7; kNumberOfColours of them can be told apart.
inline constexpr int kNumberOfColours = 8;

extern const std::string_view kPageStyle;

}  // namespace kindred
