// Rows of an export, whatever its format: what every reader gives, and everything that takes exports in reads.
//
// A source is read block by block by one thread at a time (bytes, unpacking, where records end); blocks are cut into
// batches of rows by many (fields, numbers). Everything that is counted, refused or kept is in the order of the input,
// whatever the threads do.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/expression/column.h"

namespace kindred {

enum class InputFormat : uint8_t {
  kCsv,           // fields between commas (or another delimiter); RFC 4180 quotes
  kTsv,           // fields between tabs, no quotes
  kJsonLines,     // an object a line
  kAdjacency,     // `user item item ...` a line, separated by blanks
  kMatrixMarket,  // a coordinate matrix of users x items
  kNpz,           // a SciPy sparse matrix (CSR, CSC or COO) of users x items
  kParquet,
  kSql,  // the rows of a query
};

/// "csv", "tsv", "jsonl", "adjacency", "matrix-market", "npz", "parquet", "sql".
const char* NameOf(InputFormat format);
/// Throws kUsage naming these.
InputFormat ParseInputFormat(std::string_view name);

enum class Encoding : uint8_t {
  kUtf8,    // other bytes are bad rows
  kLatin1,  // converted to UTF-8
  kBytes,   // taken as they are
};

/// "utf-8", "latin-1" or "bytes".
const char* NameOf(Encoding encoding);

struct ReadOptions {
  InputFormat format = InputFormat::kCsv;
  char delimiter = '\0';  // kCsv, kTsv; '\0': the usual one
  bool header = true;     // kCsv, kTsv; without one, columns are called "1", "2", ...
  Encoding encoding = Encoding::kUtf8;
  std::string database = {};  // kSql: a libpq connection string or URI

  size_t block_bytes = size_t{4} << 20;
  /// Longer lines (and quoted fields over several lines) are bad rows.
  size_t max_line_bytes = size_t{64} << 20;
};

/// A row that cannot be used.
struct BadRow {
  std::string file;
  int64_t line = 0;    // 1 is the first; of a quoted field over several lines, the first of them
  std::string reason;  // what was found and what was expected, with the column
  std::string kind;    // the reason without what was found: to count by
  std::string text;    // the row as it came; the beginning of one that is too long

  /// "FILE: line N: REASON"
  std::string Message() const;
};

/// Some rows of a source, in order.
struct RowBatch {
  int64_t n_rows = 0;
  std::span<const Column> columns = {};  // those selected, in that order
  std::span<const int64_t> lines = {};   // [n_rows] each row's number in its file: line, or row of a table; from 1
  std::span<const std::string_view> texts = {};  // [n_rows] each row as it came; empty where the format is no text
};

/// Takes what a block holds. Views are valid during the call.
class RowSink {
 public:
  virtual ~RowSink() = default;
  /// Batches come in order; rows of at most kMaxBatchRows.
  virtual void Rows(const RowBatch& batch) = 0;
  /// A row that is none by the rules of the format; in order among themselves.
  virtual void Bad(BadRow row) = 0;
};

inline constexpr int64_t kMaxBatchRows = 2048;

/// Rows that are parsed apart from others: what it holds is the source's own.
struct RowBlock {
  virtual ~RowBlock() = default;
  int64_t first_line = 1;  // the number of its first row
};

/// What was read, for manifests.
struct SourceInfo {
  std::string path;
  int64_t bytes = 0;   // as stored; 0 where that has no meaning
  std::string sha256;  // likewise; of a query, its text's
};

/// One file or query. Errors name the file, and the line, column or array: kNotFound, kIo, kCorrupt (cut short,
/// damaged), kInvalidArgument (no header, a name twice), kUnsupported (not in this build).
class RowSource {
 public:
  virtual ~RowSource() = default;

  virtual const std::string& path() const = 0;
  /// All columns there are, by the time the source is open. Views live as long as the source.
  virtual std::span<const ColumnInfo> columns() const = 0;
  /// Which of them batches have, in this order, each at most once. Call once, before the first Next.
  virtual void Select(std::span<const int> columns) = 0;

  /// The next block, or null at the end. One thread at a time.
  virtual std::unique_ptr<RowBlock> Next() = 0;
  /// Many threads at once, each with a block (and a sink) of its own.
  virtual void Parse(RowBlock& block, RowSink& sink) const = 0;

  /// Bytes read so far, and in all (0: not known); for progress.
  virtual int64_t bytes_read() const = 0;
  virtual int64_t bytes_total() const = 0;
  /// Once Next has given null; blocks may still be parsed.
  virtual SourceInfo Finish() = 0;
};

/// Opens one input: a file, "-" for standard input, or the text of a query.
std::unique_ptr<RowSource> OpenRows(const std::string& input, const ReadOptions& options);

/// By format; OpenRows calls these.
std::unique_ptr<RowSource> OpenDelimited(const std::string& path, const ReadOptions& options);
std::unique_ptr<RowSource> OpenAdjacency(const std::string& path, const ReadOptions& options);
std::unique_ptr<RowSource> OpenJsonLines(const std::string& path, const ReadOptions& options);
std::unique_ptr<RowSource> OpenMatrixMarket(const std::string& path, const ReadOptions& options);
std::unique_ptr<RowSource> OpenNpz(const std::string& path, const ReadOptions& options);
std::unique_ptr<RowSource> OpenParquet(const std::string& path, const ReadOptions& options);
std::unique_ptr<RowSource> OpenQuery(const std::string& query, const ReadOptions& options);

}  // namespace kindred
