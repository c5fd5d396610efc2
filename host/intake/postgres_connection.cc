#include "host/intake/postgres_connection.h"

#include <fmt/format.h>

#include <cctype>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "host/text/text.h"

namespace kindred {
namespace {

constexpr const char* kConnectSeconds = "10";
constexpr size_t kMaxMessage = 2000;

struct OptionsDeleter {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

std::string_view View(const char* text) {
  return text != nullptr ? std::string_view(text) : std::string_view();
}

/// What the server or libpq said, on one line.
std::string Said(const char* message) {
  std::string said(View(message));
  while (!said.empty() && std::isspace(static_cast<unsigned char>(said.back()))) said.pop_back();
  for (char& c : said)
    if (c == '\n' || c == '\t') c = ' ';
  return Printable(said, kMaxMessage);
}

/// A part of a URI: reserved characters as %XX.
std::string UriPart(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || std::string_view("-._~").find(c) != std::string_view::npos)
      out += c;
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

std::string PlaceOf(const PGconn* connection) {
  const std::string_view host = View(PQhost(connection));
  const bool ipv6 = host.find(':') != host.npos && !host.starts_with('/');
  return fmt::format("postgresql://{}:{}/{}", ipv6 ? fmt::format("[{}]", host) : UriPart(host),
                     View(PQport(connection)), UriPart(View(PQdb(connection))));
}

/// Throws away libpq's message, which may quote the password that it took for something else.
[[noreturn]] void RefuseDatabase() {
  throw Error(ErrorCode::kInvalidArgument,
              "the database's connection string cannot be read; expected postgresql://user@host:port/database or "
              "'host=... port=... dbname=... user=...' (in a URI, '@', '/', ':', '?' and '%' within a name or a "
              "password are written %40, %2F, %3A, %3F and %25)");
}

/// Parts that libpq would take from the wrong place of a URI whose password has a '@' or '/', and then quote.
void CheckPart(std::string_view keyword, std::string_view value) {
  if ((keyword == "host" || keyword == "dbname") && value.find('@', 1) != value.npos) RefuseDatabase();
  if (keyword == "port" && value.find_first_not_of("0123456789,") != value.npos) RefuseDatabase();
}

/// Server errors by their class (PostgreSQL's documentation, appendix A): what is wrong with the statement, and what
/// went wrong with the server.
ErrorCode CodeOf(std::string_view sqlstate) {
  for (const std::string_view kind : {"08", "40", "53", "54", "55", "57", "58", "F0", "HV", "XX"})
    if (sqlstate.starts_with(kind)) return ErrorCode::kIo;
  return ErrorCode::kInvalidArgument;
}

}  // namespace

PostgresConnection::PostgresConnection(const std::string& database) {
  const bool is_name = !database.empty() && database.find('=') == database.npos &&
                       !database.starts_with("postgresql://") && !database.starts_with("postgres://");
  std::unique_ptr<PQconninfoOption, OptionsDeleter> options;
  if (!is_name) {
    char* message = nullptr;
    options.reset(PQconninfoParse(database.c_str(), &message));
    PQfreemem(message);
    if (options == nullptr) RefuseDatabase();
  }
  std::vector<const char*> keywords, values;
  const auto set = [&](const char* keyword, const char* value) {
    CheckPart(keyword, value);
    keywords.push_back(keyword);
    values.push_back(value);
  };
  set("fallback_application_name", "kindred");
  if (std::getenv("PGCONNECT_TIMEOUT") == nullptr) set("connect_timeout", kConnectSeconds);
  if (is_name) set("dbname", database.c_str());
  for (const PQconninfoOption* option = options.get(); option != nullptr && option->keyword != nullptr; ++option)
    if (option->val != nullptr) set(option->keyword, option->val);  // the last of a keyword counts
  keywords.push_back(nullptr);
  values.push_back(nullptr);

  connection_.reset(PQconnectdbParams(keywords.data(), values.data(), /*expand_dbname=*/0));
  if (connection_ == nullptr) throw std::bad_alloc();
  place_ = PlaceOf(connection_.get());
  if (PQstatus(connection_.get()) != CONNECTION_OK)
    throw Error(ErrorCode::kIo,
                fmt::format("cannot connect to {}: {}", place_, Said(PQerrorMessage(connection_.get()))));
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
}

void PostgresConnection::Run(const char* statements) {
  const PostgresResult result(PQexec(connection_.get(), statements));
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) Throw(result.get(), "");
}

void PostgresConnection::Query(const std::string& statement) {
  // Redshift takes extra_float_digits up to 2; PostgreSQL since 12 writes the shortest exact form for all above 0.
  Run("SET DateStyle TO 'ISO'; SET TimeZone TO 'UTC'; SET extra_float_digits TO 2");
  const bool any_bytes = View(PQparameterStatus(connection_.get(), "server_encoding")) == "SQL_ASCII";
  Run(any_bytes ? "SET client_encoding TO 'SQL_ASCII'" : "SET client_encoding TO 'UTF8'");
  Run("BEGIN READ ONLY");
  // The extended protocol takes one statement only, so that none can leave the transaction and go on.
  if (PQsendQueryParams(connection_.get(), statement.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) == 0 ||
      PQsetSingleRowMode(connection_.get()) == 0)
    Throw(nullptr, "");
}

PostgresResult PostgresConnection::Next(int64_t n_rows) {
  PostgresResult result(PQgetResult(connection_.get()));
  const std::string when = n_rows > 0 ? fmt::format("after {} rows: ", n_rows) : "";
  switch (PQresultStatus(result.get())) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK:
      return result;
    case PGRES_EMPTY_QUERY:
    case PGRES_COMMAND_OK:
    case PGRES_COPY_OUT:
    case PGRES_COPY_IN:
    case PGRES_COPY_BOTH:
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{}: the statement gives no rows; expected one SELECT", place_));
    default:
      Throw(result.get(), when);
  }
}

void PostgresConnection::Throw(const PGresult* result, const std::string& when) const {
  const auto field = [&](int code) { return View(result != nullptr ? PQresultErrorField(result, code) : nullptr); };
  const std::string_view sqlstate = field(PG_DIAG_SQLSTATE);
  if (sqlstate.empty())  // libpq's own
    throw Error(ErrorCode::kIo, fmt::format("{}: {}{}", place_, when, Said(PQerrorMessage(connection_.get()))));
  std::string message = fmt::format("{}: {}{}", place_, when, Said(field(PG_DIAG_MESSAGE_PRIMARY).data()));
  if (const std::string_view detail = field(PG_DIAG_MESSAGE_DETAIL); !detail.empty())
    message += fmt::format(" ({})", Said(detail.data()));
  message += fmt::format(" (SQLSTATE {}", Said(sqlstate.data()));
  if (const std::string_view at = field(PG_DIAG_STATEMENT_POSITION); !at.empty())
    message += fmt::format(", at character {} of the query", Said(at.data()));
  if (sqlstate == "42601") message += "; expected one SELECT";
  throw Error(CodeOf(sqlstate), message + ")");
}

}  // namespace kindred
