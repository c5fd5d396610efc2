// Rows of queries, from a real PostgreSQL.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/intake/prepare.h"
#include "host/store/checksum.h"
#include "tests/host/intake/rows.h"
#include "tests/support/environment.h"
#include "tests/support/errors.h"
#include "tests/support/postgres.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using Cells = std::vector<std::string>;

PostgresServer& Server() {
  static PostgresServer server;
  return server;
}

ReadOptions Options(const std::string& database = Server().uri()) {
  ReadOptions options;
  options.format = InputFormat::kSql;
  options.database = database;
  return options;
}

RowCollector ReadQuery(const std::string& query, const ReadOptions& options = Options()) {
  const std::unique_ptr<RowSource> source = OpenQuery(query, options);
  RowCollector rows;
  ReadRows(*source, rows, AllColumns(*source));
  return rows;
}

/// One cell of an SQL expression, after its column's type.
std::string Cell(const std::string& expression) {
  const std::unique_ptr<RowSource> source = OpenQuery("SELECT " + expression + " AS x", Options());
  RowCollector rows;
  ReadRows(*source, rows, {0});
  const std::string type = std::to_string(static_cast<int>(source->columns()[0].type));
  EXPECT_EQ(rows.rows.size() + rows.bad.size(), 1);
  return type + " " + (rows.bad.empty() ? rows.rows.at(0).at(0) : rows.bad[0].reason);
}

std::string As(ColumnType type, const std::string& cell) {
  return std::to_string(static_cast<int>(type)) + " " + cell;
}

std::string ErrorOf(const std::string& query, const ReadOptions& options) {
  try {
    ReadQuery(query, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(QuerySource, Integers) {
  EXPECT_EQ(Cell("7::int2"), As(ColumnType::kNumber, "i7"));
  EXPECT_EQ(Cell("'-2147483648'::int4"), As(ColumnType::kNumber, "i-2147483648"));
  EXPECT_EQ(Cell("9223372036854775807::int8"), As(ColumnType::kNumber, "i9223372036854775807"));
  EXPECT_EQ(Cell("4294967295::oid"), As(ColumnType::kNumber, "i4294967295"));
  EXPECT_EQ(Cell("NULL::int8"), As(ColumnType::kNumber, "-"));
  EXPECT_EQ(Cell("'-9223372036854775808'::int8"),
            As(ColumnType::kNumber, "'-9223372036854775808' in column 'x': too small"));
}

TEST(QuerySource, RealsAreExactWhateverTheServersDefault) {
  EXPECT_EQ(Cell("17850::float8"), As(ColumnType::kNumber, "r17850"));
  EXPECT_EQ(Cell("(0.1::float8 + 0.2::float8)"), As(ColumnType::kNumber, "r0.30000000000000004"));
  EXPECT_EQ(Cell("0.1::float4"), As(ColumnType::kNumber, "f0.1"));
  EXPECT_EQ(Cell("16777217.5::float4"), As(ColumnType::kNumber, "f16777218"));
  EXPECT_EQ(Cell("'-Infinity'::float8"), As(ColumnType::kNumber, "r-inf"));
  EXPECT_EQ(Cell("'NaN'::float8"), As(ColumnType::kNumber, "-"));
  EXPECT_EQ(Cell("'NaN'::float4"), As(ColumnType::kNumber, "-"));
  EXPECT_EQ(Cell("NULL::float4"), As(ColumnType::kNumber, "-"));
}

TEST(QuerySource, NumericsKeepTheirDigits) {
  EXPECT_EQ(Cell("2.50::numeric(10,2)"), As(ColumnType::kUntyped, "2.50"));
  EXPECT_EQ(Cell("123456789012345678901234567890.000001::numeric"),
            As(ColumnType::kUntyped, "123456789012345678901234567890.000001"));
  EXPECT_EQ(Cell("0.00000001::numeric"), As(ColumnType::kUntyped, "0.00000001"));
  EXPECT_EQ(Cell("'NaN'::numeric"), As(ColumnType::kUntyped, "-"));
}

TEST(QuerySource, Booleans) {
  EXPECT_EQ(Cell("true"), As(ColumnType::kBoolean, "true"));
  EXPECT_EQ(Cell("1 = 2"), As(ColumnType::kBoolean, "false"));
  EXPECT_EQ(Cell("NULL::bool"), As(ColumnType::kBoolean, "-"));
}

TEST(QuerySource, TimesAreInUtcWhateverTheServersDefault) {
  EXPECT_EQ(Cell("'2017-11-24'::date"), As(ColumnType::kTime, "t1511481600"));
  EXPECT_EQ(Cell("'2017-11-24 16:00:00.25'::timestamp"), As(ColumnType::kTime, "t1511539200.25"));
  EXPECT_EQ(Cell("'2017-11-24 17:00:00.25+01'::timestamptz"), As(ColumnType::kTime, "t1511539200.25"));
  EXPECT_EQ(Cell("'2017-11-24 16:00:00+00'::timestamptz::date"), As(ColumnType::kTime, "t1511481600"));
  EXPECT_EQ(Cell("'2017-11-24 15:59:59.999999'::timestamp"), As(ColumnType::kTime, "t1511539199.999999"));
  EXPECT_EQ(Cell("'1969-12-31 23:59:59.5'::timestamp"), As(ColumnType::kTime, "t-0.5"));
  EXPECT_EQ(Cell("'0001-01-01'::date"), As(ColumnType::kTime, "t-62135596800"));
  EXPECT_EQ(Cell("'9999-12-31'::date"), As(ColumnType::kTime, "t253402214400"));
  EXPECT_EQ(Cell("NULL::timestamptz"), As(ColumnType::kTime, "-"));
  for (const char* time : {"'10000-01-01'::date", "'infinity'::timestamp", "'-infinity'::timestamptz"})
    EXPECT_THAT(Cell(time), HasSubstr("in column 'x': expected a date of the years 1 to 9999"));
  EXPECT_THAT(Cell("'0044-03-15 BC'::date"), HasSubstr("'0044-03-15 BC' in column 'x': expected"));
}

TEST(QuerySource, Texts) {
  EXPECT_EQ(Cell("'007'::text"), As(ColumnType::kText, "007"));
  EXPECT_EQ(Cell("'caf\xC3\xA9'::varchar(9)"), As(ColumnType::kText, "caf\xC3\xA9"));
  EXPECT_EQ(Cell("E'a\\tb\\nc'"), As(ColumnType::kText, "a\tb\nc"));
  EXPECT_EQ(Cell("'ab'::char(4)"), As(ColumnType::kText, "ab  "));
  EXPECT_EQ(Cell("''::text"), As(ColumnType::kText, "-"));
  EXPECT_EQ(Cell("NULL::text"), As(ColumnType::kText, "-"));
  EXPECT_EQ(Cell("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid"),
            As(ColumnType::kUntyped, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"));
  EXPECT_EQ(Cell("'{\"a\": 1}'::json"), As(ColumnType::kUntyped, "{\"a\": 1}"));
}

TEST(QuerySource, ListsAreTags) {
  EXPECT_EQ(Cell("ARRAY['a', 'b c', 'd,e', 'q\"\\z', '{}', 'NULL', NULL, '']::text[]"),
            As(ColumnType::kTags, "a|b c|d,e|q\"\\z|{}|NULL"));
  EXPECT_EQ(Cell("ARRAY['only']::varchar[]"), As(ColumnType::kTags, "only"));
  EXPECT_EQ(Cell("'[3:4]={x,y}'::text[]"), As(ColumnType::kTags, "x|y"));
  EXPECT_EQ(Cell("'{}'::text[]"), As(ColumnType::kTags, "-"));
  EXPECT_EQ(Cell("ARRAY[NULL]::text[]"), As(ColumnType::kTags, "-"));
  EXPECT_EQ(Cell("NULL::text[]"), As(ColumnType::kTags, "-"));
  EXPECT_EQ(Cell("ARRAY['a|b']::text[]"), As(ColumnType::kTags, "'{a|b}' in column 'x': expected tags without '|'"));
  EXPECT_EQ(Cell("ARRAY[['a'], ['b']]::text[]"),
            As(ColumnType::kTags, "'{{a},{b}}' in column 'x': expected a list of texts"));
}

TEST(QuerySource, RowsOfATableThroughBlocksOfAnySize) {
  std::string csv = "user_id,item,value\n";
  std::vector<Cells> expected;
  for (int i = 0; i < 5000; ++i) {
    const std::string user = std::to_string(i % 97), item = "item " + std::to_string(i % 13), value = std::to_string(i);
    csv += user + "," + (i % 5 == 0 ? "" : item) + "," + value + ".5\n";
    expected.push_back({i % 5 == 0 ? "-" : item, "r" + value + ".5"});
  }
  Server().Run("CREATE TABLE events (user_id bigint, item text, value double precision)");
  Server().LoadCsv("events", csv);
  for (const size_t block_bytes : {1, 100, 4096, 1 << 20}) {
    ReadOptions options = Options();
    options.block_bytes = block_bytes;
    const std::unique_ptr<RowSource> source = OpenQuery("SELECT * FROM events", options);
    ASSERT_EQ(source->columns().size(), 3);
    EXPECT_EQ(source->columns()[0].name, "user_id");
    EXPECT_EQ(source->columns()[2].type, ColumnType::kNumber);
    RowCollector rows;
    const int n_blocks = ReadRows(*source, rows, {1, 2});
    EXPECT_EQ(n_blocks > 1, block_bytes < (1 << 20)) << n_blocks;
    EXPECT_EQ(rows.rows, expected) << block_bytes;
    EXPECT_EQ(rows.lines.front(), 1);
    EXPECT_EQ(rows.lines.back(), 5000);
    EXPECT_LE(rows.largest_batch, kMaxBatchRows);
    EXPECT_THAT(rows.types, ElementsAre(ColumnType::kText, ColumnType::kNumber));
    EXPECT_GT(source->bytes_read(), 5000 * 5);
  }
}

TEST(QuerySource, SweepOfLengths) {
  for (const int n : {0, 1, 2047, 2048, 2049, 65535, 65536, 65537}) {
    const RowCollector rows = ReadQuery("SELECT g FROM generate_series(1, " + std::to_string(n) + ") g");
    ASSERT_EQ(rows.rows.size(), static_cast<size_t>(n));
    for (int i = 0; i < n; ++i) ASSERT_EQ(rows.rows[static_cast<size_t>(i)][0], "i" + std::to_string(i + 1));
  }
}

TEST(QuerySource, ABadCellIsABadRowAndOnlyThat) {
  const RowCollector rows = ReadQuery(
      "SELECT g AS id, CASE WHEN g % 1000 = 3 THEN 'infinity'::timestamp ELSE to_timestamp(g) AT TIME ZONE 'UTC' END "
      "AS time FROM generate_series(1, 5000) g");
  ASSERT_EQ(rows.bad.size(), 5);
  EXPECT_EQ(rows.bad[2].line, 2003);
  EXPECT_EQ(rows.bad[2].reason, "'infinity' in column 'time': expected a date of the years 1 to 9999");
  EXPECT_EQ(rows.bad[2].kind, "time: expected a date of the years 1 to 9999");
  EXPECT_THAT(rows.bad[2].file, HasSubstr("postgresql://127.0.0.1:"));
  ASSERT_EQ(rows.rows.size(), 4995);
  for (size_t i = 0; i < rows.rows.size(); ++i) {
    const std::string line = std::to_string(rows.lines[i]);
    ASSERT_THAT(rows.rows[i], ElementsAre("i" + line, "t" + line));
  }
}

TEST(QuerySource, BytesThatAreNoUtf8) {
  Server().Run("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0");
  ReadOptions options = Options("host=127.0.0.1 user=kindred dbname=ascii port=" + std::to_string(Server().port()));
  const std::string query = "SELECT convert_from('\\x61e962'::bytea, 'SQL_ASCII') AS name";
  const RowCollector rows = ReadQuery(query, options);
  ASSERT_EQ(rows.bad.size(), 1);
  EXPECT_EQ(rows.bad[0].reason, "'a\\xe9b' in column 'name': expected UTF-8");
  options.encoding = Encoding::kBytes;
  EXPECT_THAT(ReadQuery(query, options).CellsOf(0), ElementsAre("a\xE9"
                                                                "b"));
}

TEST(QuerySource, InfoForManifests) {
  const std::string query = "SELECT 1 AS one";
  const std::unique_ptr<RowSource> source = OpenQuery(query, Options(Server().socket()));
  RowCollector rows;
  ReadRows(*source, rows, {});
  EXPECT_EQ(rows.lines.size(), 1);
  const SourceInfo info = source->Finish();
  EXPECT_THAT(info.path, HasSubstr("postgresql://%2F"));
  EXPECT_THAT(info.path, HasSubstr(":" + std::to_string(Server().port()) + "/postgres"));
  EXPECT_EQ(info.sha256, Sha256(query));
  EXPECT_EQ(info.bytes, 0);
}

TEST(QuerySource, ADatabaseCanBeNamedAlone) {
  const WithEnvironment host("PGHOST", "127.0.0.1"), port("PGPORT", std::to_string(Server().port())),
      user("PGUSER", "kindred"), name("PGDATABASE", "postgres");
  EXPECT_THAT(ReadQuery("SELECT current_database()", Options("template1")).CellsOf(0), ElementsAre("template1"));
  EXPECT_THAT(ReadQuery("SELECT current_database()", Options("")).CellsOf(0), ElementsAre("postgres"));
}

TEST(QuerySource, StatementsThatAreNoQuery) {
  const ReadOptions options = Options();
  EXPECT_THAT(ErrorOf("SELECT 1; SELECT 2", options), HasSubstr("SQLSTATE 42601; expected one SELECT"));
  EXPECT_THAT(ErrorOf("SELECT 1 +", options), HasSubstr("(SQLSTATE 42601, at character 11 of the query"));
  EXPECT_THAT(ErrorOf("", options), HasSubstr("the statement gives no rows; expected one SELECT"));
  EXPECT_THAT(ErrorOf("SET work_mem TO '1MB'", options), HasSubstr("gives no rows"));
  EXPECT_THAT(ErrorOf("COPY (SELECT 1) TO STDOUT", options), HasSubstr("gives no rows"));
  EXPECT_THAT(ErrorOf("SELECT 1 AS a, 2 AS b, 3 AS a", options), HasSubstr("'a' is there twice"));
  EXPECT_THAT(ErrorOf("SELECT nothing FROM nowhere", options), HasSubstr("\"nowhere\" does not exist (SQLSTATE 42P01"));
  ExpectError(ErrorCode::kInvalidArgument, "nowhere", [] { OpenQuery("SELECT nothing FROM nowhere", Options()); });
  EXPECT_EQ(ReadQuery("SELECT 1;").rows.size(), 1) << "a semicolon behind it does no harm";
}

TEST(QuerySource, NothingIsWritten) {
  Server().Run("CREATE TABLE kept (x int); INSERT INTO kept VALUES (1)");
  EXPECT_THAT(ErrorOf("DELETE FROM kept RETURNING x", Options()),
              HasSubstr("cannot execute DELETE in a read-only transaction (SQLSTATE 25006"));
  EXPECT_THAT(ErrorOf("COMMIT; DELETE FROM kept", Options()), HasSubstr("SQLSTATE 42601"));
  EXPECT_EQ(Server().Run("SELECT count(*) FROM kept"), "1");
}

TEST(QuerySource, AnErrorInTheMiddleTellsHowFarItCame) {
  const std::unique_ptr<RowSource> source =
      OpenQuery("SELECT 10000 / (3001 - generate_series(1, 100000)) AS x", Options());
  RowCollector rows;
  ExpectError(ErrorCode::kInvalidArgument, ": after 3000 rows: division by zero (SQLSTATE 22012)",
              [&] { ReadRows(*source, rows, {0}); });
}

/// More rows than any buffer holds, made one by one.
constexpr const char* kEndless = "SELECT generate_series(1, 2000000000) AS n";

TEST(QuerySource, AConnectionThatIsTerminated) {
  ReadOptions options = Options();
  options.block_bytes = 1000;
  const std::unique_ptr<RowSource> source = OpenQuery(kEndless, options);
  source->Select(std::vector<int>{0});
  ASSERT_NE(source->Next(), nullptr);
  EXPECT_EQ(Server().Run("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                         "WHERE application_name = 'kindred' AND query LIKE 'SELECT generate_series%'"),
            "1");
  ExpectError(ErrorCode::kIo, " rows: ", [&] {
    while (source->Next() != nullptr) {
    }
  });
}

TEST(QuerySource, AServerThatGoesAway) {
  PostgresServer server;
  ReadOptions options = Options(server.uri());
  options.block_bytes = 1000;
  const std::unique_ptr<RowSource> source = OpenQuery(kEndless, options);
  source->Select(std::vector<int>{0});
  ASSERT_NE(source->Next(), nullptr);
  server.Kill();
  ExpectError(ErrorCode::kIo, "postgresql://127.0.0.1:" + std::to_string(server.port()) + "/postgres: after ", [&] {
    while (source->Next() != nullptr) {
    }
  });
  ExpectError(ErrorCode::kIo, "cannot connect to postgresql://127.0.0.1", [&] { OpenQuery("SELECT 1", options); });
}

TEST(QuerySource, ADatabaseThatGoesAwayLeavesNothingWritten) {
  const TemporaryFolder folder;
  PostgresServer server;
  PrepareOptions prepare;
  prepare.inputs = {"SELECT generate_series(1, 9000000000) AS user_id, 'i' AS item_id"};
  prepare.reader.read = Options(server.uri());
  prepare.reader.read.block_bytes = 1000;
  prepare.out = folder.path() / "dataset";
  bool killed = false;
  prepare.progress = [&](int64_t, int64_t) {
    if (!std::exchange(killed, true)) server.Kill();
  };
  ExpectError(ErrorCode::kIo, " rows: ", [&] { Prepare(prepare); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(QuerySource, ASourceCanBeLeftInTheMiddle) {
  ReadOptions options = Options();
  options.block_bytes = 1000;
  const std::unique_ptr<RowSource> source = OpenQuery(kEndless, options);
  source->Select(std::vector<int>{0});
  EXPECT_NE(source->Next(), nullptr);
}

TEST(QuerySource, ManyThreadsParseTheirBlocks) {
  ReadOptions options = Options();
  options.block_bytes = 20000;
  const std::unique_ptr<RowSource> source =
      OpenQuery("SELECT g AS n, 'text ' || g AS text FROM generate_series(1, 20000) g", options);
  const std::vector<RowCollector> collected = ReadRowsOnThreads(*source, {1, 0});
  ASSERT_GT(collected.size(), 4);
  int n = 0;
  for (const RowCollector& rows : collected)
    for (const Cells& row : rows.rows) {
      const std::string number = std::to_string(++n);
      ASSERT_THAT(row, ElementsAre("text " + number, "i" + number));
    }
  EXPECT_EQ(n, 20000);
}

TEST(QuerySource, APasswordIsInNoMessage) {
  const std::string at = "@127.0.0.1:" + std::to_string(Server().port()) + "/postgres";
  const std::string right = std::string("postgresql://locked:") + PostgresServer::kLockedPassword + at;
  EXPECT_EQ(ReadQuery("SELECT 1", Options(right)).rows.size(), 1);
  EXPECT_THAT(OpenQuery("SELECT 1", Options(right))->path(), Not(HasSubstr("correct")));
  EXPECT_THAT(ErrorOf("SELECT 1 / 0", Options(right)), Not(HasSubstr("correct")));

  const std::string wrong = ErrorOf("SELECT 1", Options("postgresql://locked:secret" + at));
  EXPECT_THAT(wrong, HasSubstr("password authentication failed for user \"locked\""));
  EXPECT_THAT(wrong, Not(HasSubstr("secret")));
  for (const std::string& database :
       std::vector<std::string>{"postgresql://locked:se/secret" + at, "postgresql://locked:secret@secret" + at,
                                "postgresql://locked:12/secret" + at, "postgresql://locked:%secret" + at,
                                std::string("host=127.0.0.1 password=my secret"), std::string("password='secret"),
                                std::string("host=127.0.0.1 secret=1"), std::string("port=secret")}) {
    const std::string error = ErrorOf("SELECT 1", Options(database));
    EXPECT_THAT(error, HasSubstr("the database's connection string cannot be read; expected postgresql://"));
    EXPECT_THAT(error, Not(HasSubstr("secret"))) << database;
  }
}

}  // namespace
}  // namespace kindred
