// A PostgreSQL server of a test's own.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "tests/support/temporary_folder.h"

namespace kindred {

/// Runs in a temporary folder (initdb, then postgres) and listens on a socket there and on a free port of the loopback
/// interface. It is stopped when this goes, and when the process that runs the test does. Where the test runs as root,
/// the server runs as `postgres` or `nobody`, for it refuses to run as root.
///
/// Its defaults are such that a client that relies on them reads other times and numbers: the time zone is
/// Asia/Tokyo, dates are German, and doubles are rounded to 15 digits. The user `kindred` may do anything, without a
/// password.
///
/// Errors are std::runtime_error, with the end of the server's log.
class PostgresServer {
 public:
  /// On connecting over the loopback interface, the user `locked` must give this password.
  static constexpr const char* kLockedPassword = "correct-horse";

  PostgresServer();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  int port() const { return port_; }
  /// Connection strings for the user `kindred`: over the port, and over the socket.
  std::string uri() const { return "postgresql://kindred@127.0.0.1:" + std::to_string(port_) + "/postgres"; }
  std::string socket() const {
    return "host=" + folder_.path().string() + " port=" + std::to_string(port_) + " user=kindred dbname=postgres";
  }

  /// Runs statements; the first cell of the last one's result, or "".
  std::string Run(const std::string& statements) const;
  /// COPY `target` (a table, or a table and columns) FROM STDIN: CSV with a header. A table's rows come in this
  /// order from a plain SELECT.
  void LoadCsv(const std::string& target, std::string_view csv) const;

  /// Ends the server at once, with all its connections.
  void Kill();

 private:
  /// The child's way to `program`, as the server's user.
  [[noreturn]] void Become(const std::string& program, const char* const* arguments, pid_t parent) const;
  pid_t Start(const std::string& program, std::initializer_list<std::string> arguments) const;
  void Initialize();
  /// False where the port was taken in the meantime.
  bool StartServer();
  [[noreturn]] void Fail(const std::string& what) const;

  TemporaryFolder folder_;
  std::string binaries_;
  uid_t user_ = 0;
  gid_t group_ = 0;
  int port_ = 0;
  pid_t server_ = 0;
};

}  // namespace kindred
