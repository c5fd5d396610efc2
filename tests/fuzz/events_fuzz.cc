// Any bytes as an export of one format (FUZZ_FORMAT) in a file of one name (FUZZ_FILE): refused with an error, or
// read as sound events and bad rows that depend neither on the buffer nor, written anew, on how they were written.
//
// Input: one byte for the size of the buffer, then the file.
#include <cmath>
#include <cstdlib>
#include <vector>

#include "host/data/event_reader.h"
#include "host/data/text.h"
#include "kernels/error.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

constexpr size_t kMaxLineBytes = 300;

void Expect(bool holds) {
  if (!holds) std::abort();
}

struct Read {
  std::string error;
  std::vector<std::string> pairs;  // user, item, user, item, ...
  std::string everything;
  EventReaderSummary summary;
};

Read ReadFile(const std::string& path, const EventReaderOptions& options) {
  Read read;
  int64_t n_bad_rows = 0;
  EventSink sink;
  sink.event = [&](const Event& event) {
    Expect(!event.user.empty() && !event.item.empty() && IsUtf8(event.type));
    Expect(std::isfinite(event.value) && event.value >= 0);
    for (const std::string_view id : {event.user, event.item}) read.pairs.emplace_back(id);
    read.everything += EscapeTsv(event.user) + "\t" + EscapeTsv(event.item) + "\t" + EscapeTsv(event.type) + "\t" +
                       std::to_string(event.value) + "\t" + std::to_string(event.time) + "\n";
  };
  sink.bad_row = [&](const BadRow& row) {
    ++n_bad_rows;
    Expect(row.line > 0 && !row.reason.empty() && !row.kind.empty() && IsUtf8(row.reason) && IsUtf8(row.kind));
    read.everything += std::to_string(row.line) + "\t" + row.reason + "\t" + EscapeTsv(row.text) + "\n";
  };
  try {
    read.summary = ReadEvents(std::vector{path}, options, sink);
    Expect(read.summary.n_bad_rows == n_bad_rows);
    Expect(read.summary.n_events * 2 == static_cast<int64_t>(read.pairs.size()));
    if (options.format != EventFormat::kAdjacency)
      Expect(read.summary.n_lines == read.summary.n_events + read.summary.n_bad_rows);
  } catch (const Error& error) {
    read.error = error.what();
    Expect(IsUtf8(read.error));
  }
  return read;
}

void Run(std::string_view input) {
  static const TemporaryFolder folder;
  if (input.empty()) return;
  EventReaderOptions options;
  options.format = EventFormat::FUZZ_FORMAT;
  options.max_line_bytes = kMaxLineBytes;
  options.buffer_bytes = 1 << 14;
  const std::string path = folder.Write(FUZZ_FILE, input.substr(1));
  const Read read = ReadFile(path, options);
  options.buffer_bytes = static_cast<unsigned char>(input[0]);
  const Read again = ReadFile(path, options);
  if (path.ends_with(".gz") && !read.error.empty()) {
    Expect(!again.error.empty());  // how much comes before the damage shows does depend on the buffer
    return;
  }
  Expect(read.error == again.error && read.everything == again.everything);

  std::string csv = "user,item\n";
  for (size_t i = 0; i < read.pairs.size(); i += 2)
    csv += CsvField(read.pairs[i]) + "," + CsvField(read.pairs[i + 1]) + "\n";
  EventReaderOptions plain;
  plain.buffer_bytes = options.buffer_bytes;
  const Read rewritten = ReadFile(folder.Write("rewritten.csv", csv), plain);
  Expect(rewritten.error.empty() && rewritten.pairs == read.pairs && rewritten.summary.n_bad_rows == 0);
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
