// What changes while serving: one SQLite database, DIR/state.sqlite3, of one server at a time. docs/formats.md has its
// tables.
//
// It is a write-ahead log with synchronous=FULL: what a Transaction has committed is on the disk, and survives a killed
// process and a machine that loses its power; what it has not is gone whole. The database is made beside its place and
// renamed, so that one which is there is never half made. Others may read it meanwhile (`sqlite3 ... .backup`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "host/store/file_lock.h"
#include "host/store/files.h"

struct sqlite3;
struct sqlite3_stmt;

namespace kindred {

/// Of the tables; a database of a newer program is refused.
inline constexpr int kStateSchema = 1;

/// An open database. Not thread-safe. What it, its statements and its transactions throw is kCorrupt where the file is
/// damaged, kOutOfMemory, and else kIo; it names the file and has SQLite's own text.
class StateDatabase {
 public:
  /// Makes the folder and the database where there are none, and looks through all of a database that is there: one
  /// pass over the file. Throws kAlreadyExists where another process has it, naming it, kUnsupported for one of a newer
  /// program, and kCorrupt for what is no state of Kindred's.
  explicit StateDatabase(const std::filesystem::path& folder);
  ~StateDatabase();
  StateDatabase(const StateDatabase&) = delete;
  StateDatabase& operator=(const StateDatabase&) = delete;

  /// Another connection to the same one, which reads what this one has committed and never waits for it: for another
  /// thread. This one outlives it.
  std::unique_ptr<StateDatabase> NewReader() const;

  const std::filesystem::path& path() const { return path_; }
  /// Statements without a result, separated by ';'.
  void Run(const char* sql);

 private:
  friend class Statement;

  struct Reader {};
  StateDatabase(const StateDatabase& of, Reader);

  void Open();
  void Connect(int mode);
  void CheckSize();
  void CheckSchema();
  [[noreturn]] void Throw(const char* doing) const;

  const std::filesystem::path folder_, path_;
  const std::optional<FileLock> lock_;  // not of a reader
  sqlite3* database_ = nullptr;
};

enum class StoredType { kNull, kInteger, kReal, kText, kBlob };

/// One statement with '?' for its parameters, kept for many uses. The database outlives it.
class Statement {
 public:
  Statement(StateDatabase& database, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // The parameters of the next run, counted from 1. Texts must live until it is over.
  Statement& Bind(int at, int64_t value);
  Statement& Bind(int at, double value);
  Statement& Bind(int at, std::string_view value);
  Statement& BindNull(int at);

  /// The next row, if there is one. After the last the statement can be run again.
  bool Next();
  /// Runs to the end; how many rows were changed.
  int64_t Run();
  /// For one that was left before its last row.
  void Reset();

  // The row's columns, counted from 0. A value of another type is converted. A text is valid until Next.
  StoredType TypeOf(int column) const;
  int64_t Integer(int column) const;
  double Real(int column) const;
  std::string_view Text(int column) const;

 private:
  StateDatabase& database_;
  sqlite3_stmt* statement_ = nullptr;
};

/// All or nothing.
class Transaction {
 public:
  explicit Transaction(StateDatabase& database);
  ~Transaction();  // undoes what was not committed
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// Returns once it is on the disk. Where it throws, nothing was changed.
  void Commit();

 private:
  StateDatabase& database_;
  bool open_ = true;
};

}  // namespace kindred
