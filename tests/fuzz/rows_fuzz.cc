// Any bytes as a file of one format (FUZZ_FORMAT) and one name (FUZZ_FILE): refused with an error, or read as rows and
// bad rows that do not depend on the blocks.
//
// Input: one byte for the size of the blocks, then the file.
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "host/intake/cell_text.h"
#include "host/intake/row_source.h"
#include "host/text/text.h"
#include "kernels/error.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

void Expect(bool holds) {
  if (!holds) std::abort();
}

struct Read : RowSink {
  std::string rows, bad_rows, error;

  void Rows(const RowBatch& batch) override {
    Expect(batch.n_rows > 0 && batch.n_rows <= kMaxBatchRows);
    std::string buffer;
    for (int64_t row = 0; row < batch.n_rows; ++row) {
      rows += std::to_string(batch.lines[static_cast<size_t>(row)]);
      for (const Column& column : batch.columns) {
        const std::string_view cell = CellText(column, row, buffer);
        Expect(IsUtf8(cell));
        rows += "\t" + EscapeTsv(cell);
      }
      if (!batch.texts.empty()) rows += "\t" + EscapeTsv(batch.texts[static_cast<size_t>(row)]);
      rows += "\n";
    }
  }
  void Bad(BadRow row) override {
    Expect(row.line > 0 && !row.kind.empty() && !row.reason.empty() && IsUtf8(row.kind) && IsUtf8(row.reason));
    bad_rows += std::to_string(row.line) + "\t" + row.reason + "\t" + EscapeTsv(row.text) + "\n";
  }
};

Read ReadFile(const std::string& path, size_t block_bytes) {
  Read read;
  try {
    const auto source =
        OpenRows(path, {.format = InputFormat::FUZZ_FORMAT, .block_bytes = block_bytes, .max_line_bytes = 300});
    std::vector<int> all(source->columns().size());
    std::iota(all.begin(), all.end(), 0);
    for (const ColumnInfo& column : source->columns()) Expect(IsUtf8(column.name));
    source->Select(all);
    while (const auto block = source->Next()) source->Parse(*block, read);
    Expect(source->Finish().sha256.size() == 64);
  } catch (const Error& error) {
    read.error = error.what();
    Expect(IsUtf8(read.error) && !read.error.empty());
  }
  return read;
}

void Run(std::string_view input) {
  static const TemporaryFolder folder;
  if (input.empty()) return;
  const std::string path = folder.Write(FUZZ_FILE, input.substr(1));
  const Read read = ReadFile(path, 1 << 14), again = ReadFile(path, static_cast<unsigned char>(input[0]));
  Expect(read.error.empty() == again.error.empty());
  if (!read.error.empty()) return;  // how much comes before it does depend on the blocks
  Expect(read.rows == again.rows && read.bad_rows == again.bad_rows);
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
