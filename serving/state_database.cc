#include "serving/state_database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <memory>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace fs = std::filesystem;
namespace {

constexpr int kBusyMs = 5000;  // for whoever looks at the database meanwhile
constexpr size_t kMaxFound = 500;
constexpr int64_t kSmallestPage = 512;

constexpr const char* kSchema = R"(
  CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT;
  CREATE TABLE item_epoch (epoch INTEGER NOT NULL) STRICT;
  INSERT INTO item_epoch VALUES (0);
  CREATE TABLE item_updates (
    item_id TEXT NOT NULL,
    attribute TEXT NOT NULL,
    kind TEXT NOT NULL,
    value ANY,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (item_id, attribute)
  ) STRICT, WITHOUT ROWID;
)";

ErrorCode CodeOf(int result) {
  switch (result & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kCorrupt;
    case SQLITE_NOMEM:
      return ErrorCode::kOutOfMemory;
    default:
      return ErrorCode::kIo;
  }
}

Error Damaged(const fs::path& path, const std::string& found) {
  return Error(
      ErrorCode::kCorrupt,
      fmt::format("the state '{}' is damaged: {}; put a copy of it back, or move it away to begin without item "
                  "updates",
                  path.string(), Printable(found, kMaxFound)));
}

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};

/// Makes the database, whole and synced, where there is none. Only whoever has the lock does.
void Create(const fs::path& folder, const fs::path& path) {
  const fs::path made = folder / ".state.sqlite3.tmp";
  std::error_code ignored;
  fs::remove(made, ignored);
  fs::remove(made.string() + "-journal", ignored);
  sqlite3* opened = nullptr;
  int result = sqlite3_open_v2(made.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  const std::unique_ptr<sqlite3, Close> database(opened);
  const std::string sql = fmt::format(
      "PRAGMA synchronous=FULL; BEGIN; {} INSERT INTO schema_version VALUES ({}); COMMIT;", kSchema, kStateSchema);
  if (result == SQLITE_OK) result = sqlite3_exec(opened, sql.c_str(), nullptr, nullptr, nullptr);
  if (result != SQLITE_OK)
    throw Error(CodeOf(result), fmt::format("cannot make the state '{}': {}", path.string(), sqlite3_errmsg(opened)));
  fs::rename(made, path, ignored);
  if (ignored) throw Error(ErrorCode::kIo, fmt::format("cannot make '{}': {}", path.string(), ignored.message()));
  SyncFolder(folder);
}

fs::path LockIn(const fs::path& folder) {
  CreateFolders(folder);
  return folder / ".lock";
}

}  // namespace

StateDatabase::StateDatabase(const fs::path& folder)
    : folder_(folder),
      path_(folder / "state.sqlite3"),
      lock_(std::in_place, LockIn(folder), "the state in '" + folder.string() + "' is used", "serve") {
  try {
    Open();
    CheckSize();
    CheckSchema();
  } catch (...) {
    sqlite3_close(database_);
    throw;
  }
}

StateDatabase::StateDatabase(const StateDatabase& of, Reader) : folder_(of.folder_), path_(of.path_) {
  try {
    Connect(SQLITE_OPEN_READONLY);
  } catch (...) {
    sqlite3_close(database_);
    throw;
  }
}

std::unique_ptr<StateDatabase> StateDatabase::NewReader() const {
  return std::unique_ptr<StateDatabase>(new StateDatabase(*this, Reader()));
}

StateDatabase::~StateDatabase() {
  sqlite3_close(database_);
}

void StateDatabase::Open() {
  std::error_code ignored;
  if (fs::symlink_status(path_, ignored).type() == fs::file_type::not_found) Create(folder_, path_);
  int64_t bytes = 0;
  OpenRegularFile(path_, &bytes);
  if (bytes < kSmallestPage) throw Damaged(path_, fmt::format("it has {} bytes", bytes));  // SQLite would begin anew
  Connect(SQLITE_OPEN_READWRITE);
  Statement mode(*this, "PRAGMA journal_mode=WAL");
  if (!mode.Next() || mode.Text(0) != "wal")
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("the file system of '{}' cannot keep a write-ahead log; choose a local one", path_.string()));
}

void StateDatabase::Connect(int mode) {
  const int flags = mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;
  if (sqlite3_open_v2(fs::absolute(path_).c_str(), &database_, flags, nullptr) != SQLITE_OK) Throw("open");
  sqlite3_busy_timeout(database_, kBusyMs);
  Run("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA synchronous=FULL;");
}

/// SQLite takes a page that the file ends in as one that ends with zeros. After a checkpoint no page is elsewhere.
void StateDatabase::CheckSize() {
  Statement checkpoint(*this, "PRAGMA wal_checkpoint(TRUNCATE)");
  if (!checkpoint.Next() || checkpoint.Integer(0) != 0) return;  // somebody reads: it cannot be done now
  checkpoint.Reset();
  Statement pages(*this, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size");
  const int64_t expected = pages.Next() ? pages.Integer(0) : 0;
  int64_t bytes = 0;
  OpenRegularFile(path_, &bytes);
  if (bytes != expected) throw Damaged(path_, fmt::format("it has {} bytes, expected {}", bytes, expected));
}

void StateDatabase::CheckSchema() {
  Statement check(*this, "PRAGMA quick_check(1)");
  if (!check.Next() || check.Text(0) != "ok") throw Damaged(path_, std::string(check.Text(0)));
  check.Reset();
  if (!Statement(*this, "SELECT 1 FROM sqlite_schema WHERE name = 'schema_version'").Next())
    throw Error(ErrorCode::kCorrupt,
                fmt::format("'{}' is no state of Kindred's: it has no table 'schema_version'", path_.string()));
  Statement version(*this, "SELECT version FROM schema_version");
  const int64_t found = version.Next() ? version.Integer(0) : 0;
  if (found > kStateSchema)
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("the state '{}' has schema version {}, and this program knows up to {}; it was written by a "
                    "newer one",
                    path_.string(), found, kStateSchema));
  if (found < 1) throw Damaged(path_, fmt::format("its schema version is {}", found));
}

void StateDatabase::Run(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) Throw("use");
}

void StateDatabase::Throw(const char* doing) const {
  const int result = sqlite3_extended_errcode(database_);
  const std::string text = sqlite3_errmsg(database_);
  if (CodeOf(result) == ErrorCode::kCorrupt) throw Damaged(path_, text);
  throw Error(CodeOf(result), fmt::format("cannot {} the state '{}': {}", doing, path_.string(), text));
}

Statement::Statement(StateDatabase& database, const char* sql) : database_(database) {
  if (sqlite3_prepare_v3(database.database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr) != SQLITE_OK)
    database.Throw("read");
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement& Statement::Bind(int at, int64_t value) {
  if (sqlite3_bind_int64(statement_, at, value) != SQLITE_OK) database_.Throw("use");
  return *this;
}

Statement& Statement::Bind(int at, double value) {
  if (sqlite3_bind_double(statement_, at, value) != SQLITE_OK) database_.Throw("use");
  return *this;
}

Statement& Statement::Bind(int at, std::string_view value) {
  const char* data = value.empty() ? "" : value.data();  // a null pointer would be NULL
  if (sqlite3_bind_text64(statement_, at, data, value.size(), SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK)
    database_.Throw("use");
  return *this;
}

Statement& Statement::BindNull(int at) {
  if (sqlite3_bind_null(statement_, at) != SQLITE_OK) database_.Throw("use");
  return *this;
}

bool Statement::Next() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) {
    Reset();
    return false;
  }
  try {
    database_.Throw(sqlite3_stmt_readonly(statement_) != 0 ? "read" : "write");
  } catch (...) {
    Reset();
    throw;
  }
}

int64_t Statement::Run() {
  while (Next()) continue;
  return sqlite3_changes64(database_.database_);
}

void Statement::Reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

StoredType Statement::TypeOf(int column) const {
  switch (sqlite3_column_type(statement_, column)) {
    case SQLITE_INTEGER:
      return StoredType::kInteger;
    case SQLITE_FLOAT:
      return StoredType::kReal;
    case SQLITE_TEXT:
      return StoredType::kText;
    case SQLITE_BLOB:
      return StoredType::kBlob;
    default:
      return StoredType::kNull;
  }
}

int64_t Statement::Integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

double Statement::Real(int column) const {
  return sqlite3_column_double(statement_, column);
}

std::string_view Statement::Text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text), static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

Transaction::Transaction(StateDatabase& database) : database_(database) {
  database.Run("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.Run("ROLLBACK");
  } catch (const std::exception&) {
    // SQLite has undone it by itself, as after some errors.
  }
}

void Transaction::Commit() {
  database_.Run("COMMIT");
  open_ = false;
}

}  // namespace kindred
