// Events of a user from a file, for `kindred query segments assign`.
//
// JSON lines: an object a line, `{"item_id": "A1", "type": "buy", "time": "2011-12-09T10:00:00Z", "value": 39.9}`.
// Times are ISO 8601 or unix seconds; what is not there is not set. Empty lines are passed over.
#pragma once

#include <istream>
#include <string>
#include <vector>

#include "kindred/v1/segments.pb.h"

namespace kindred {

/// Of a file, or of standard input ("-"). Throws kIo and kNotFound as ReadFile does, and kInvalidArgument with the
/// file, the line, what was found and what was expected.
std::vector<v1::UserEvent> ReadEventFile(const std::string& path);
/// The same of a text; `name` stands for it in messages.
std::vector<v1::UserEvent> ParseEvents(std::istream& text, const std::string& name);

}  // namespace kindred
