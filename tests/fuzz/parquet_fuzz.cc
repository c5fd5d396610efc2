// Any bytes as a Parquet file: refused with an error, or read as rows that do not depend on the size of the blocks.
//
// Input: the file, whose first and last four bytes are made those of a Parquet file.
#include <cstdlib>
#include <string>

#include "host/intake/row_source.h"
#include "host/text/text.h"
#include "kernels/error.h"
#include "tests/host/intake/rows.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

constexpr int64_t kMaxRows = 10000;  // a footer can promise any number of rows of a few bytes

void Expect(bool holds) {
  if (!holds) std::abort();
}

struct Read {
  std::string error;
  RowCollector rows;
  bool whole = true;
};

Read ReadFile(const std::string& path, size_t block_bytes) {
  Read read;
  ReadOptions options;
  options.format = InputFormat::kParquet;
  options.block_bytes = block_bytes;
  try {
    const std::unique_ptr<RowSource> source = OpenParquet(path, options);
    source->Select(AllColumns(*source));
    while (const std::unique_ptr<RowBlock> block = source->Next()) {
      source->Parse(*block, read.rows);
      if (static_cast<int64_t>(read.rows.rows.size()) > kMaxRows) {
        read.whole = false;
        break;
      }
    }
    source->Finish();
  } catch (const Error& error) {
    read.error = error.what();
    Expect(IsUtf8(read.error));
  }
  for (const BadRow& row : read.rows.bad) Expect(row.line > 0 && IsUtf8(row.reason) && IsUtf8(row.kind));
  return read;
}

void Run(std::string input) {
  static const TemporaryFolder folder;
  if (input.size() >= 12) input.replace(0, 4, "PAR1").replace(input.size() - 4, 4, "PAR1");
  const std::string path = folder.Write("f.parquet", input);
  const Read read = ReadFile(path, size_t{1} << 20), again = ReadFile(path, 1);
  if (!read.error.empty() || !again.error.empty() || !read.whole) return;
  Expect(read.rows.rows == again.rows.rows && read.rows.bad.size() == again.rows.bad.size());
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
