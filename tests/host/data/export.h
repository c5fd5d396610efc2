// Reads a text as an export and keeps what came of it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "host/data/event_reader.h"
#include "kernels/error.h"
#include "tests/support/temporary_folder.h"

namespace kindred {

struct OwnedEvent {
  std::string user, item, type = {};
  float value = 1;
  int64_t time = 0;

  bool operator==(const OwnedEvent&) const = default;
};

inline void PrintTo(const OwnedEvent& event, std::ostream* out) {
  *out << testing::PrintToString(event.user) << " " << testing::PrintToString(event.item) << " " << event.type << " "
       << event.value << " " << event.time;
}

struct Export {
  std::vector<OwnedEvent> events;
  std::vector<BadRow> bad_rows;
  EventReaderSummary summary;
};

inline Export ReadFiles(const std::vector<std::string>& paths, const EventReaderOptions& options) {
  Export out;
  EventSink sink;
  sink.event = [&](const Event& e) {
    out.events.push_back({std::string(e.user), std::string(e.item), std::string(e.type), e.value, e.time});
  };
  sink.bad_row = [&](const BadRow& row) { out.bad_rows.push_back(row); };
  out.summary = ReadEvents(paths, options, sink);
  EXPECT_EQ(out.summary.n_events, static_cast<int64_t>(out.events.size()));
  EXPECT_EQ(out.summary.n_bad_rows, static_cast<int64_t>(out.bad_rows.size()));
  return out;
}

inline Export ReadText(std::string_view text, const EventReaderOptions& options = {},
                       const std::string& name = "events.csv") {
  const TemporaryFolder folder;
  return ReadFiles({folder.Write(name, text)}, options);
}

/// The error that reading gives.
inline Error ErrorOf(std::string_view text, const EventReaderOptions& options = {},
                     const std::string& name = "events.csv") {
  try {
    ReadText(text, options, name);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return {ErrorCode::kUsage, ""};
}

}  // namespace kindred
