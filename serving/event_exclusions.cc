#include "serving/event_exclusions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/data/event_weighting.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {

v1::EventExclusion ParseEventExclusion(std::string_view text) {
  v1::EventExclusion exclusion;
  const size_t colon = text.rfind(':');
  const std::string_view event = text.substr(0, colon);
  if (event.empty())
    throw Error(
        ErrorCode::kUsage,
        fmt::format("'{}' names no type of event; expected TYPE or TYPE:WINDOW, such as buy:30d", Printable(text)));
  if (event != "*") exclusion.set_event(std::string(event));
  if (colon == std::string_view::npos) return exclusion;
  const std::string_view window = text.substr(colon + 1);
  exclusion.set_within_seconds(window == "0" ? 0
                                             : static_cast<int64_t>(std::ceil(std::min(ParseDuration(window), 1e15))));
  return exclusion;
}

}  // namespace kindred
