// A workload's rows as a picture: SVG that stands alone, and follows the reader's light or dark scheme.
#pragma once

#include <string>

#include "bench/result.h"

namespace kindred {

/// Bars: for each case and measure the median seconds of every program, against the longest of them, and beside each
/// peer our time as a ratio of its; where calls were timed one by one, a dashed line to their 99th percentile. Curve:
/// seconds and peak memory of each program and measure over the size of the cases, all axes logarithmic. Rows without a
/// time are left out; where none is left, the picture says so.
std::string PlotSvg(const Result& result, const WorkloadHead& workload);

}  // namespace kindred
