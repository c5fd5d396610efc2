// A connection to a database that speaks PostgreSQL's protocol, to read the result of one query.
//
// Messages hold what the server says and the SQLSTATE, and where the server is; never what a password could be in.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <string>

#include "kernels/error.h"

namespace kindred {

struct PostgresDeleter {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};
using PostgresResult = std::unique_ptr<PGresult, PostgresDeleter>;

class PostgresConnection {
 public:
  /// Connects as libpq does: `database` is a URI (postgresql://...), "key=value ..." or a database's name, and the
  /// environment (PGHOST, PGPASSWORD, ...), .pgpass and the service file say the rest. Gives up after 10 seconds,
  /// unless connect_timeout or PGCONNECT_TIMEOUT says otherwise.
  /// Throws kInvalidArgument where `database` cannot be read, kIo where there is no connection.
  explicit PostgresConnection(const std::string& database);

  /// "postgresql://host:port/database": no user, no password.
  const std::string& place() const { return place_; }

  /// Sends one statement in a transaction that only reads; Next gives its rows one by one. Times and numbers come
  /// as ISO 8601 in UTC and with all their digits; texts as UTF-8, or as they are in a database without an encoding.
  void Query(const std::string& statement);
  /// A result with one row, or the last one, with none and no error; its columns are those of the query.
  /// Throws kInvalidArgument where the statement is refused, or gives no rows; kIo where the connection is lost or
  /// the server ends. Messages say that `n_rows` rows had come.
  PostgresResult Next(int64_t n_rows);

 private:
  void Run(const char* statements);
  [[noreturn]] void Throw(const PGresult* result, const std::string& when) const;

  std::string place_;
  std::unique_ptr<PGconn, PostgresDeleter> connection_;
};

}  // namespace kindred
