// Any bytes as an export of one format (FUZZ_FORMAT) in a file of one name (FUZZ_FILE): refused with an error, or
// read as sound events and bad rows that depend neither on the blocks and threads nor, written anew, on how they were
// written.
//
// Input: one byte for the size of the blocks, then the file.
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>
#include <vector>

#include "host/intake/event_reader.h"
#include "host/text/text.h"
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
  std::mutex mutex;
  std::map<int64_t, Read> blocks;
  sink.events = [&](const EventBatch& batch) {
    const std::lock_guard lock(mutex);
    Read& block = blocks[batch.block];
    for (size_t e = 0; e < batch.users.size(); ++e) {
      const std::string_view user = batch.users[e], item = batch.items[e];
      const std::string_view type = batch.types.empty() ? std::string_view() : batch.types[e];
      const float value = batch.values.empty() ? 1 : batch.values[e];
      Expect(!user.empty() && !item.empty() && IsUtf8(type) && IsUtf8(user) && IsUtf8(item));
      Expect(std::isfinite(value) && value >= 0);
      for (const std::string_view id : {user, item}) block.pairs.emplace_back(id);
      block.everything += EscapeTsv(user) + "\t" + EscapeTsv(item) + "\t" + EscapeTsv(type) + "\t" +
                          std::to_string(value) + "\t" + std::to_string(batch.times.empty() ? 0 : batch.times[e]) +
                          "\n";
    }
  };
  sink.bad_row = [&](const BadRow& row) {
    ++n_bad_rows;
    Expect(row.line > 0 && !row.reason.empty() && !row.kind.empty() && IsUtf8(row.reason) && IsUtf8(row.kind));
    read.everything += std::to_string(row.line) + "\t" + row.reason + "\t" + EscapeTsv(row.text) + "\n";
  };
  try {
    read.summary = ReadEvents(std::vector{path}, options, sink);
    for (auto& [number, block] : blocks) {
      read.everything += block.everything;
      std::move(block.pairs.begin(), block.pairs.end(), std::back_inserter(read.pairs));
    }
    Expect(read.summary.n_bad_rows == n_bad_rows);
    Expect(read.summary.n_events * 2 == static_cast<int64_t>(read.pairs.size()));
    Expect(read.summary.n_rows == read.summary.n_events + read.summary.n_bad_rows);
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
  options.read.format = InputFormat::FUZZ_FORMAT;
  options.read.max_line_bytes = kMaxLineBytes;
  options.read.block_bytes = 1 << 14;
  const std::string path = folder.Write(FUZZ_FILE, input.substr(1));
  const Read read = ReadFile(path, options);
  options.read.block_bytes = static_cast<unsigned char>(input[0]);
  options.n_threads = 2;
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
  plain.read.block_bytes = options.read.block_bytes;
  const Read rewritten = ReadFile(folder.Write("rewritten.csv", csv), plain);
  Expect(rewritten.error.empty() && rewritten.pairs == read.pairs && rewritten.summary.n_bad_rows == 0);
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
