// Numbers and times as exports write them.
#pragma once

#include <cstdint>
#include <string_view>

namespace kindred {

/// A finite decimal number >= 0 ("3", "0.5", "1e3"), rounded to float32. Returns nullptr, or what is wrong.
const char* ParseValue(std::string_view text, float* value);

/// Unix seconds ("1511539200", "1511539200.25"), or an ISO 8601 date ("2017-11-24") or date and time of day
/// ("2017-11-24T16:00", "2017-11-24 16:00:00.25+01:00"; 'Z' or no offset is UTC) of the years 1 to 9999.
/// Parts of a second are dropped (downwards). Returns nullptr, or what is wrong; numbers that can only be
/// milli-, micro- or nanoseconds are called so.
const char* ParseTime(std::string_view text, int64_t* seconds);

}  // namespace kindred
