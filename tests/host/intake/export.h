// Reads a text as an export and keeps what came of it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "host/intake/event_reader.h"
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
  std::vector<std::string> ids;
  std::vector<BadRow> bad_rows;
  EventReaderSummary summary;
};

inline Export ReadFilesOn(int n_threads, const std::vector<std::string>& paths, EventReaderOptions options) {
  std::map<int64_t, Export> blocks;
  std::mutex mutex;
  std::vector<BadRow> bad_rows;
  EventSink sink;
  sink.events = [&](const EventBatch& batch) {
    const std::lock_guard lock(mutex);
    Export& block = blocks[batch.block];
    for (size_t e = 0; e < batch.users.size(); ++e) {
      OwnedEvent event{std::string(batch.users[e]), std::string(batch.items[e])};
      if (!batch.types.empty()) event.type = batch.types[e];
      if (!batch.values.empty()) event.value = batch.values[e];
      if (!batch.times.empty()) event.time = batch.times[e];
      block.events.push_back(std::move(event));
      if (!batch.ids.empty()) block.ids.emplace_back(batch.ids[e]);
    }
  };
  sink.bad_row = [&](const BadRow& row) { bad_rows.push_back(row); };
  options.n_threads = n_threads;
  Export out;
  out.summary = ReadEvents(paths, options, sink);
  out.bad_rows = std::move(bad_rows);
  for (auto& [number, block] : blocks) {
    std::move(block.events.begin(), block.events.end(), std::back_inserter(out.events));
    std::move(block.ids.begin(), block.ids.end(), std::back_inserter(out.ids));
  }
  EXPECT_EQ(out.summary.n_events, static_cast<int64_t>(out.events.size()));
  EXPECT_EQ(out.summary.n_bad_rows, static_cast<int64_t>(out.bad_rows.size()));
  EXPECT_EQ(out.summary.n_rows, out.summary.n_events + out.summary.n_bad_rows + out.summary.n_filtered);
  return out;
}

/// Reads on one thread and on three, which must give the same.
inline Export ReadFiles(const std::vector<std::string>& paths, const EventReaderOptions& options) {
  Export one = ReadFilesOn(1, paths, options);
  const Export three = ReadFilesOn(3, paths, options);
  EXPECT_EQ(one.events, three.events);
  EXPECT_EQ(one.ids, three.ids);
  EXPECT_EQ(one.bad_rows.size(), three.bad_rows.size());
  for (size_t i = 0; i < std::min(one.bad_rows.size(), three.bad_rows.size()); ++i) {
    EXPECT_EQ(one.bad_rows[i].Message(), three.bad_rows[i].Message());
    EXPECT_EQ(one.bad_rows[i].text, three.bad_rows[i].text);
  }
  return one;
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
