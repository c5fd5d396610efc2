// Numbers as people read them, and the ticks of axes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kindred {

/// "1,234,567".
std::string CountText(int64_t n);
/// Three significant digits at most: "0.25", "1,235", "12.3"; very large and small ones as "1.2e+20".
std::string NumberText(double value);
/// A part of 1 in percent, three significant digits: "1.66 %", "0.00042 %".
std::string PercentText(double part);
/// For axes: "0", "500", "2.5k", "10M".
std::string ShortText(double value);
/// "1.5 MiB".
std::string BytesText(int64_t bytes);

/// At most about `n` round numbers from 0 to one that is at least `max` (steps of 1, 2 or 5 times a power of ten, and
/// no smaller than 1 for `whole` numbers). Never empty; the last is above 0.
std::vector<double> LinearTicks(double max, int n, bool whole);
/// The same from a round number that is at most `min`; two at least. min <= max, both finite.
std::vector<double> RangeTicks(double min, double max, int n);
/// Powers of ten: the last not above `min`, ..., the first not below `max`; two at least. 0 < min <= max.
std::vector<double> LogTicks(double min, double max);

}  // namespace kindred
