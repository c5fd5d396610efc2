// Events as they come from a reader.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace kindred {

/// Some events of a block, column by column. Views are valid during the call that hands them over.
struct EventBatch {
  int64_t block = 0;  // blocks are numbered in the order of the input, from 0; some may be without events
  std::span<const std::string_view> users, items;
  std::span<const std::string_view> types;  // empty where the export has no event column
  std::span<const float> values;            // finite; empty where it has no value column
  std::span<const int64_t> times;           // unix seconds; empty where it has no time column
  std::span<const std::string_view> ids;    // empty where it has no column of event ids

  int64_t size() const { return static_cast<int64_t>(users.size()); }
};

}  // namespace kindred
