#include "host/intake/row_source.h"

#include <fmt/format.h>

#include <iterator>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr const char* kFormats[] = {"csv", "tsv", "jsonl", "adjacency", "matrix-market", "npz", "parquet", "sql"};

}  // namespace

const char* NameOf(InputFormat format) {
  return kFormats[static_cast<size_t>(format)];
}

const char* NameOf(Encoding encoding) {
  static constexpr const char* kNames[] = {"utf-8", "latin-1", "bytes"};
  return kNames[static_cast<size_t>(encoding)];
}

InputFormat ParseInputFormat(std::string_view name) {
  for (size_t i = 0; i < std::size(kFormats); ++i)
    if (name == kFormats[i]) return static_cast<InputFormat>(i);
  throw Error(ErrorCode::kUsage,
              fmt::format("unknown format '{}'; expected one of {}", Printable(name), fmt::join(kFormats, ", ")));
}

std::string BadRow::Message() const {
  return fmt::format("{}: line {}: {}", Printable(file, 4096), line, reason);
}

std::unique_ptr<RowSource> OpenRows(const std::string& input, const ReadOptions& options) {
  switch (options.format) {
    case InputFormat::kCsv:
    case InputFormat::kTsv:
      return OpenDelimited(input, options);
    case InputFormat::kAdjacency:
      return OpenAdjacency(input, options);
    case InputFormat::kJsonLines:
      return OpenJsonLines(input, options);
    case InputFormat::kMatrixMarket:
      return OpenMatrixMarket(input, options);
    case InputFormat::kNpz:
      return OpenNpz(input, options);
    case InputFormat::kParquet:
      return OpenParquet(input, options);
    case InputFormat::kSql:
      return OpenQuery(input, options);
  }
  throw Error(ErrorCode::kUsage, "no such format");
}

}  // namespace kindred
