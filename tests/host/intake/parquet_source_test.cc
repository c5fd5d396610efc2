// Rows of Parquet files, as Apache Arrow writes them.
#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/extension/uuid.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/intake/parquet.h"
#include "host/store/checksum.h"
#include "tests/host/intake/rows.h"
#include "tests/support/errors.h"
#include "tests/support/parquet.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Cells = std::vector<std::string>;
using Type = std::shared_ptr<arrow::DataType>;

ReadOptions Options(size_t block_bytes = ReadOptions().block_bytes) {
  ReadOptions options;
  options.format = InputFormat::kParquet;
  options.block_bytes = block_bytes;
  return options;
}

std::shared_ptr<arrow::Table> TableOf(
    const std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>>& arrays) {
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (const auto& [name, array] : arrays) {
    fields.push_back(arrow::field(name, array->type()));
    columns.push_back(array);
  }
  return arrow::Table::Make(arrow::schema(fields), columns);
}

class ParquetSourceTest : public testing::Test {
 protected:
  RowCollector Read(const std::string& path, const ReadOptions& options = Options()) const {
    const std::unique_ptr<RowSource> source = OpenParquet(path, options);
    RowCollector rows;
    ReadRows(*source, rows, AllColumns(*source));
    return rows;
  }

  std::string Path(const char* name = "f.parquet") const { return (folder_.path() / name).string(); }

  /// The cells of a column "x" through a file, after its type; or the first bad row's reason.
  Cells Through(const std::shared_ptr<arrow::Array>& array, const ParquetOptions& options = {}) const {
    WriteParquet(Path(), *TableOf({{"x", array}}), options);
    const std::unique_ptr<RowSource> source = OpenParquet(Path(), Options());
    RowCollector rows;
    ReadRows(*source, rows, {0});
    if (!rows.bad.empty()) return {rows.bad[0].reason};
    Cells cells = rows.CellsOf(0);
    cells.insert(cells.begin(), std::to_string(static_cast<int>(source->columns()[0].type)));
    return cells;
  }

  Cells Through(const Type& type, const std::string& json, const ParquetOptions& options = {}) const {
    return Through(ArrayOf(type, json), options);
  }

  TemporaryFolder folder_;
};

Cells As(ColumnType type, Cells cells) {
  cells.insert(cells.begin(), std::to_string(static_cast<int>(type)));
  return cells;
}

TEST_F(ParquetSourceTest, Integers) {
  for (const Type& type : {arrow::int8(), arrow::int16(), arrow::int32(), arrow::int64()})
    EXPECT_EQ(Through(type, "[7, null, -128, 0]"), As(ColumnType::kNumber, {"i7", "-", "i-128", "i0"})) << *type;
  for (const Type& type : {arrow::uint8(), arrow::uint16(), arrow::uint32()})
    EXPECT_EQ(Through(type, "[7, null, 255, 0]"), As(ColumnType::kNumber, {"i7", "-", "i255", "i0"})) << *type;
  EXPECT_EQ(Through(arrow::uint32(), "[4294967295]"), As(ColumnType::kNumber, {"i4294967295"}));
  EXPECT_EQ(Through(arrow::int64(), "[9223372036854775807]"), As(ColumnType::kNumber, {"i9223372036854775807"}));
  EXPECT_EQ(Through(arrow::int64(), "[-9223372036854775808]"),
            Cells{"'-9223372036854775808' in column 'x': too small"});
  EXPECT_EQ(Through(arrow::uint64(), "[18446744073709551615, null, 7]"),
            As(ColumnType::kUntyped, {"18446744073709551615", "-", "7"}));
}

TEST_F(ParquetSourceTest, Reals) {
  EXPECT_EQ(Through(arrow::float64(), "[17850.0, null, 0.1, NaN, -Inf]"),
            As(ColumnType::kNumber, {"r17850", "-", "r0.1", "-", "r-inf"}));
  EXPECT_EQ(Through(arrow::float32(), "[0.1, null, NaN]"), As(ColumnType::kNumber, {"f0.1", "-", "-"}));
  EXPECT_EQ(Through(arrow::float16(), "[0.5, null]"), As(ColumnType::kNumber, {"f0.5", "-"}));
}

TEST_F(ParquetSourceTest, DecimalsKeepTheirDigits) {
  for (const Type& type : {arrow::decimal128(30, 8), arrow::decimal256(50, 8), arrow::decimal128(18, 8)})
    EXPECT_EQ(
        Through(type, R"(["2.50000000", null, "0.00000001", "-0.50000000", "-1234567890.00000000", "0.00000000"])"),
        As(ColumnType::kUntyped,
           {"2.50000000", "-", "0.00000001", "-0.50000000", "-1234567890.00000000", "0.00000000"}))
        << *type;
  EXPECT_EQ(Through(arrow::decimal128(5, 0), R"(["-123", "0"])"), As(ColumnType::kUntyped, {"-123", "0"}));
}

TEST_F(ParquetSourceTest, BooleansAndNothing) {
  EXPECT_EQ(Through(arrow::boolean(), "[true, null, false]"), As(ColumnType::kBoolean, {"true", "-", "false"}));
  EXPECT_EQ(Through(arrow::null(), "[null, null]"), As(ColumnType::kUntyped, {"-", "-"}));
}

TEST_F(ParquetSourceTest, Texts) {
  for (const Type& type : {arrow::utf8(), arrow::large_utf8(), arrow::utf8_view()})
    for (const bool dictionaries : {false, true})
      EXPECT_EQ(Through(type, R"(["007", null, "", "café", "a\tb\nc", "longer than twelve bytes"])",
                        {.dictionaries = dictionaries}),
                As(ColumnType::kText, {"007", "-", "-", "café", "a\tb\nc", "longer than twelve bytes"}))
          << *type;
  for (const Type& type : {arrow::binary(), arrow::large_binary(), arrow::binary_view()})
    EXPECT_EQ(Through(type, R"(["ab", null])"), As(ColumnType::kText, {"ab", "-"})) << *type;
  EXPECT_EQ(Through(arrow::fixed_size_binary(3), R"(["abc", null])"), As(ColumnType::kText, {"abc", "-"}));
}

TEST_F(ParquetSourceTest, Categories) {
  const auto dictionary = ArrayOf(arrow::utf8(), R"(["view", "buy", ""])");
  const auto codes = ArrayOf(arrow::int8(), "[1, null, 0, 1, 2]");
  const auto array = *arrow::DictionaryArray::FromArrays(codes, dictionary);
  EXPECT_EQ(Through(array), As(ColumnType::kText, {"buy", "-", "view", "buy", "-"}));
  EXPECT_EQ(Through(array, {.row_group_rows = 2}), As(ColumnType::kText, {"buy", "-", "view", "buy", "-"}));
}

TEST_F(ParquetSourceTest, Uuids) {
  arrow::FixedSizeBinaryBuilder builder(arrow::fixed_size_binary(16));
  ASSERT_TRUE(builder.Append("\xA0\xEE\xBC\x99\x9C\x0B\x4E\xF8\xBB\x6D\x6B\xB9\xBD\x38\x0A\x11").ok());
  ASSERT_TRUE(builder.AppendNull().ok());
  const auto array = arrow::ExtensionType::WrapArray(arrow::extension::uuid(), *builder.Finish());
  for (const bool arrow_types : {false, true})
    EXPECT_EQ(Through(array, {.arrow_types = arrow_types}),
              As(ColumnType::kText, {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "-"}));
}

TEST_F(ParquetSourceTest, Times) {
  EXPECT_EQ(Through(arrow::date32(), "[17494, null, -1]"), As(ColumnType::kTime, {"t1511481600", "-", "t-86400"}));
  EXPECT_EQ(Through(arrow::date64(), "[1511481600000]"), As(ColumnType::kTime, {"t1511481600"}));
  for (const char* zone : {"", "UTC", "Asia/Tokyo"}) {
    EXPECT_EQ(Through(arrow::timestamp(arrow::TimeUnit::SECOND, zone), "[1511539200, null]"),
              As(ColumnType::kTime, {"t1511539200", "-"}));
    EXPECT_EQ(Through(arrow::timestamp(arrow::TimeUnit::MILLI, zone), "[1511539200250, -500]"),
              As(ColumnType::kTime, {"t1511539200.25", "t-0.5"}));
    EXPECT_EQ(Through(arrow::timestamp(arrow::TimeUnit::MICRO, zone), "[1511539199999999]"),
              As(ColumnType::kTime, {"t1511539199.999999"}));
    EXPECT_EQ(Through(arrow::timestamp(arrow::TimeUnit::NANO, zone), "[1511539199999999999, -1]"),
              As(ColumnType::kTime, {"t1511539199.999999", "t-1e-06"}));
  }
  EXPECT_EQ(
      Through(arrow::timestamp(arrow::TimeUnit::MICRO), "[1511539200250000, 253402300799000000]", {.int96 = true}),
      As(ColumnType::kTime, {"t1511539200.25", "t253402300799"}));
}

TEST_F(ParquetSourceTest, TimesThatNoCalendarHas) {
  const std::string wrong = "' in column 'x': a time outside the years 1 to 9999";
  EXPECT_EQ(Through(arrow::date32(), "[-719162, 2932896]"), As(ColumnType::kTime, {"t-62135596800", "t253402214400"}));
  EXPECT_EQ(Through(arrow::date32(), "[-719163]"), Cells{"'-719163" + wrong});
  EXPECT_EQ(Through(arrow::date32(), "[2932897]"), Cells{"'2932897" + wrong});
  for (const char* time : {"-9223372036854775808", "9223372036854775807", "-62135596800000001"})
    EXPECT_EQ(Through(arrow::timestamp(arrow::TimeUnit::MICRO), std::string("[") + time + "]"),
              Cells{"'" + std::string(time) + wrong});
}

TEST_F(ParquetSourceTest, ListsAreTags) {
  for (const Type& type : {arrow::list(arrow::utf8()), arrow::large_list(arrow::large_utf8())})
    for (const int64_t row_group_rows : {2, 100})
      EXPECT_EQ(Through(type, R"([["a", "b c"], null, [], ["only"], [null, "", "x", null, "y"], [""]])",
                        {.row_group_rows = row_group_rows}),
                As(ColumnType::kTags, {"a|b c", "-", "-", "only", "x|y", "-"}))
          << *type;
  EXPECT_EQ(Through(arrow::list(arrow::utf8()), R"([["a"], ["b|c"]])"),
            Cells{"'b|c' in column 'x': expected tags without '|'"});
}

TEST_F(ParquetSourceTest, BytesThatAreNoUtf8) {
  arrow::BinaryBuilder builder;
  for (const char* text : {"a", "b\xE9", "c"}) ASSERT_TRUE(builder.Append(text).ok());
  WriteParquet(Path(), *TableOf({{"x", *builder.Finish()}, {"n", ArrayOf(arrow::int32(), "[1, 2, 3]")}}));
  const RowCollector rows = Read(Path());
  ASSERT_EQ(rows.bad.size(), 1);
  EXPECT_EQ(rows.bad[0].Message(), Path() + ": line 2: 'b\\xe9' in column 'x': expected UTF-8");
  EXPECT_EQ(rows.bad[0].kind, "x: expected UTF-8");
  EXPECT_THAT(rows.rows, ElementsAre(Cells{"a", "i1"}, Cells{"c", "i3"}));
  EXPECT_THAT(rows.lines, ElementsAre(1, 3));
  ReadOptions bytes = Options();
  bytes.encoding = Encoding::kBytes;
  EXPECT_THAT(Read(Path(), bytes).CellsOf(0), ElementsAre("a", "b\xE9", "c"));
}

/// n rows of ids, texts with nulls, and tags.
std::shared_ptr<arrow::Table> Numbered(int64_t n) {
  arrow::Int64Builder ids;
  arrow::StringBuilder texts;
  const auto tag = std::make_shared<arrow::StringBuilder>();
  arrow::ListBuilder tags(arrow::default_memory_pool(), tag);
  for (int64_t i = 0; i < n; ++i) {
    EXPECT_TRUE(ids.Append(i).ok() && tags.Append().ok());
    EXPECT_TRUE((i % 5 == 0 ? texts.AppendNull() : texts.Append("text " + std::to_string(i % 1000))).ok());
    for (int64_t t = 0; t < i % 3; ++t) EXPECT_TRUE(tag->Append("t" + std::to_string(t)).ok());
  }
  return TableOf({{"id", *ids.Finish()}, {"text", *texts.Finish()}, {"tags", *tags.Finish()}});
}

Cells NumberedRow(int64_t i) {
  const char* tags[] = {"-", "t0", "t0|t1"};
  return {i % 5 == 0 ? "-" : "text " + std::to_string(i % 1000), "i" + std::to_string(i), tags[i % 3]};
}

TEST_F(ParquetSourceTest, SweepOfLengthsRowGroupsAndBlocks) {
  for (const int64_t n : {0, 1, 31, 32, 33, 2047, 2048, 2049, 5000})
    for (const int64_t row_group_rows : {int64_t{7}, int64_t{2048}, int64_t{3000}, int64_t{1} << 20})
      for (const size_t block_bytes : {size_t{1}, size_t{1000}, size_t{1} << 22}) {
        if (row_group_rows * static_cast<int64_t>(block_bytes) < n / 10) continue;  // long, and no other
        SCOPED_TRACE(testing::Message() << n << " rows, " << row_group_rows << " a group, blocks of " << block_bytes);
        WriteParquet(Path(), *Numbered(n), {.row_group_rows = row_group_rows, .dictionaries = n % 2 == 0});
        const std::unique_ptr<RowSource> source = OpenParquet(Path(), Options(block_bytes));
        RowCollector rows;
        ReadRows(*source, rows, {1, 0, 2});
        ASSERT_EQ(rows.rows.size(), static_cast<size_t>(n));
        for (int64_t i = 0; i < n; ++i) {
          ASSERT_EQ(rows.rows[static_cast<size_t>(i)], NumberedRow(i)) << i;
          ASSERT_EQ(rows.lines[static_cast<size_t>(i)], i + 1);
        }
        EXPECT_LE(rows.largest_batch, kMaxBatchRows);
        EXPECT_EQ(source->bytes_read(), source->bytes_total());
      }
}

TEST_F(ParquetSourceTest, LargeRowGroupsComeInBlocks) {
  WriteParquet(Path(), *Numbered(200000));
  const std::unique_ptr<RowSource> source = OpenParquet(Path(), Options(size_t{1} << 30));
  RowCollector rows;
  EXPECT_EQ(ReadRows(*source, rows, {1, 0, 2}), 4) << "of 65536 rows";
  ASSERT_EQ(rows.rows.size(), 200000);
  for (int64_t i = 0; i < 200000; i += 77) ASSERT_EQ(rows.rows[static_cast<size_t>(i)], NumberedRow(i));
}

TEST_F(ParquetSourceTest, EveryCodec) {
  for (const char* codec : {"uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4_raw"}) {
    WriteParquet(Path(), *Numbered(3000), {.codec = codec, .checksums = true});
    EXPECT_EQ(Read(Path()).rows.size(), 3000) << codec;
  }
}

TEST_F(ParquetSourceTest, ManyThreadsParseTheirBlocks) {
  WriteParquet(Path(), *Numbered(20000), {.row_group_rows = 5000});
  const std::unique_ptr<RowSource> source = OpenParquet(Path(), Options(20000));
  const std::vector<RowCollector> collected = ReadRowsOnThreads(*source, {1, 0, 2});
  ASSERT_GT(collected.size(), 4);
  int64_t n = 0;
  for (const RowCollector& rows : collected)
    for (const Cells& row : rows.rows) ASSERT_EQ(row, NumberedRow(n++));
  EXPECT_EQ(n, 20000);
}

TEST_F(ParquetSourceTest, ColumnsAndInfo) {
  WriteParquet(Path(), *TableOf({{"user", ArrayOf(arrow::utf8(), R"(["a"])")},
                                 {"__index_level_0__", ArrayOf(arrow::int64(), "[5]")},
                                 {"when", ArrayOf(arrow::date32(), "[1]")}}));
  const std::unique_ptr<RowSource> source = OpenParquet(Path(), Options());
  EXPECT_EQ(source->path(), Path());
  ASSERT_EQ(source->columns().size(), 3);
  EXPECT_EQ(source->columns()[0].name, "user");
  EXPECT_EQ(source->columns()[1].name, "__index_level_0__");
  EXPECT_EQ(source->columns()[2].type, ColumnType::kTime);
  RowCollector rows;
  ReadRows(*source, rows, {2});
  EXPECT_THAT(rows.rows, ElementsAre(Cells{"t86400"}));
  const std::string content = Content(Path());
  const SourceInfo info = source->Finish();
  EXPECT_EQ(info.path, Path());
  EXPECT_EQ(info.bytes, static_cast<int64_t>(content.size()));
  EXPECT_EQ(info.sha256, Sha256(content));
  EXPECT_EQ(source->bytes_total(), info.bytes);
}

TEST_F(ParquetSourceTest, NoColumnsGiveRowsAllTheSame) {
  WriteParquet(Path(), *Numbered(3000), {.row_group_rows = 1000});
  const std::unique_ptr<RowSource> source = OpenParquet(Path(), Options());
  RowCollector rows;
  ReadRows(*source, rows, {});
  EXPECT_EQ(rows.lines.size(), 3000);
}

TEST_F(ParquetSourceTest, ColumnsOfOtherTypesAreNotSelected) {
  const Type point = arrow::struct_({arrow::field("a", arrow::int32()), arrow::field("b", arrow::utf8())});
  WriteParquet(Path(), *TableOf({{"point", ArrayOf(point, R"([{"a": 1, "b": "x"}])")},
                                 {"numbers", ArrayOf(arrow::list(arrow::int32()), "[[1]]")},
                                 {"clock", ArrayOf(arrow::time32(arrow::TimeUnit::MILLI), "[1]")},
                                 {"id", ArrayOf(arrow::int32(), "[7]")}}));
  const std::unique_ptr<RowSource> source = OpenParquet(Path(), Options());
  EXPECT_EQ(source->columns().size(), 4);
  for (const auto& [column, message] :
       {std::pair(0, "column 'point' is of the type struct<a: int32, b: "), std::pair(1, "column 'numbers' is of the"),
        std::pair(2, "column 'clock' is of the type time32[ms]; expected numbers")})
    ExpectError(ErrorCode::kUnsupported, message, [&] { source->Select(std::vector<int>{column}); });
  RowCollector rows;
  ReadRows(*source, rows, {3});
  EXPECT_THAT(rows.rows, ElementsAre(Cells{"i7"}));
}

TEST_F(ParquetSourceTest, WhatIsNoParquetFile) {
  const auto open = [&](const std::string& path) { return [path] { OpenParquet(path, Options()); }; };
  ExpectError(ErrorCode::kNotFound, "nowhere", open(Path("nowhere")));
  ExpectError(ErrorCode::kIo, folder_.path().string(), open(folder_.path().string()));
  ExpectError(ErrorCode::kInvalidArgument, "standard input", open("-"));
  ExpectError(ErrorCode::kCorrupt, "has 0 bytes, which is no Parquet file", open(folder_.Write("empty", "")));
  ExpectError(ErrorCode::kCorrupt, "begins with 'user'; expected 'PAR1'",
              open(folder_.Write("csv", "user,item\n1,2\n")));
  ExpectError(ErrorCode::kCorrupt, "is cut short", open(folder_.Write("head", "PAR1")));
  ExpectError(ErrorCode::kCorrupt, "is cut short", open(folder_.Write("heads", "PAR1PAR1")));
  ExpectError(ErrorCode::kCorrupt, "'" + folder_.path().string(),
              open(folder_.Write("footer", std::string("PAR1\xFF\xFF\xFF\x7FPAR1", 12))));
  ExpectError(ErrorCode::kUnsupported, "is an encrypted Parquet file", open(folder_.Write("secret", "PARE....PARE")));
  const auto one = ArrayOf(arrow::int32(), "[1]");
  WriteParquet(Path(), *TableOf({{"a", one}, {"b", one}, {"a", one}}));
  ExpectError(ErrorCode::kInvalidArgument, "the column 'a' is there twice", open(Path()));
}

TEST_F(ParquetSourceTest, AFileThatIsCutShort) {
  WriteParquet(Path(), *Numbered(40), {.row_group_rows = 20});
  const std::string whole = Content(Path());
  for (size_t bytes = 0; bytes < whole.size(); ++bytes)
    ExpectError(ErrorCode::kCorrupt, "cut.parquet",
                [&] { Read(folder_.Write("cut.parquet", whole.substr(0, bytes))); });
}

TEST_F(ParquetSourceTest, DamageIsNamedByRowGroupAndColumn) {
  WriteParquet(Path(), *Numbered(4000),
               {.row_group_rows = 2000, .codec = "uncompressed", .dictionaries = false, .checksums = true});
  std::string damaged = Content(Path());
  const size_t text = damaged.rfind("text 998");
  ASSERT_NE(text, damaged.npos);
  damaged[text + 1] = '!';
  const std::string path = folder_.Write("damaged.parquet", damaged);
  ExpectError(ErrorCode::kCorrupt, "'" + path + "': row group 1, column 'text': ", [&] { Read(path); });
  const std::unique_ptr<RowSource> source = OpenParquet(path, Options());
  RowCollector rows;
  ReadRows(*source, rows, {0, 2});
  EXPECT_EQ(rows.rows.size(), 4000) << "the other columns are whole";
}

TEST_F(ParquetSourceTest, DamageAnywhereIsAnErrorOrOtherRows) {
  for (const char* codec : {"uncompressed", "zstd"}) {
    WriteParquet(Path(), *Numbered(40), {.row_group_rows = 20, .codec = codec});
    const std::string whole = Content(Path());
    int n_errors = 0;
    std::string errors;
    for (size_t at = 0; at < whole.size(); ++at)
      for (const unsigned flip : {0x01u, 0x40u, 0x80u, 0xFFu}) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ flip);
        const std::string path = folder_.Write("damaged.parquet", damaged);
        try {
          Read(path);
        } catch (const Error& error) {
          ++n_errors;
          EXPECT_THAT(error.what(), HasSubstr(path));
          errors += error.what() + std::string("\n");
        }
      }
    EXPECT_GT(n_errors, 100) << codec;
    EXPECT_THAT(errors, HasSubstr("32 rows are missing that the file's footer promises"))
        << "20 with one bit more is 52";
    EXPECT_THAT(errors, HasSubstr("row group 1 has -21 rows"));
  }
}

TEST_F(ParquetSourceTest, CsvComesOutAsItWas) {
  WriteParquetOfCsv(Path(), "user,item,value,time\r\n007,\"a,\"\"b\",1.50,2017-11-24 16:00:00\nu2,,,\n",
                    {{"value", arrow::float64()}, {"time", arrow::timestamp(arrow::TimeUnit::SECOND)}});
  EXPECT_THAT(Read(Path()).rows, ElementsAre(Cells{"007", "a,\"b", "r1.5", "t1511539200"}, Cells{"u2", "-", "-", "-"}));
}

TEST(ParquetBuild, TellsItsVersion) {
  EXPECT_THAT(ArrowVersion(), testing::MatchesRegex("[0-9]+\\..*"));
}

}  // namespace
}  // namespace kindred
