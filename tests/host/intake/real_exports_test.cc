// Real exports as CSV, as Parquet and from PostgreSQL: the same dataset, byte for byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "host/data/dataset.h"
#include "host/intake/input_file.h"
#include "host/intake/prepare.h"
#include "host/store/files.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#ifdef KINDRED_PARQUET_TESTS
#include <arrow/type.h>

#include "tests/support/parquet.h"
#endif

namespace kindred {
namespace {

namespace fs = std::filesystem;

std::string Unpacked(const fs::path& path) {
  InputFile file(path.string());
  std::string text(size_t{1} << 20, '\0');
  size_t size = 0;
  while (const size_t got = file.Read(text.data() + size, text.size() - size)) {
    size += got;
    if (size == text.size()) text.resize(2 * size);
  }
  text.resize(size);
  return text;
}

class RealExports : public testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("KINDRED_DATA_DIR");
    if (folder == nullptr) GTEST_SKIP() << "KINDRED_DATA_DIR names no folder of real data";
    data_ = folder;
  }

  nlohmann::json Run(const std::string& name, InputFormat format, const std::string& input) {
    PrepareOptions options = options_;
    options.inputs = {input};
    options.reader.read.format = format;
    options.out = folder_.path() / name;
    return Prepare(options);
  }
  std::map<std::string, std::string> Arrays(const std::string& name) const {
    std::map<std::string, std::string> arrays;
    for (const auto& entry : fs::directory_iterator(folder_.path() / name))
      if (entry.path().extension() == ".npy")
        arrays[entry.path().filename().string()] = ReadFile(entry.path(), int64_t{1} << 30);
    return arrays;
  }
  void ExpectSame(const std::string& a, const std::string& b) const {
    const auto one = Arrays(a), other = Arrays(b);
    EXPECT_EQ(one.size(), other.size());
    for (const auto& [array, bytes] : one) EXPECT_TRUE(other.at(array) == bytes) << array << " of " << b << " differs";
  }

  /// CSV, then PostgreSQL and, where this build reads it, Parquet: all must be as the first.
  /// `table`: its columns in PostgreSQL.
  void RunAll(const fs::path& path, const std::string& table, const std::string& columns) {
    report_ = Run("csv", InputFormat::kCsv, path.string());
    const std::string csv = Unpacked(path);
    PostgresServer server;
    server.Run("CREATE TABLE export (" + table + ", line bigserial)");
    server.LoadCsv("export (" + columns + ")", csv);
    options_.reader.read.database = server.uri();
    Run("sql", InputFormat::kSql, "SELECT * FROM export ORDER BY line");
    ExpectSame("csv", "sql");
#ifdef KINDRED_PARQUET_TESTS
    WriteParquetOfCsv((folder_.path() / "export.parquet").string(), csv, parquet_types_);
    Run("parquet", InputFormat::kParquet, (folder_.path() / "export.parquet").string());
    ExpectSame("csv", "parquet");
#endif
  }

  TemporaryFolder folder_;
  fs::path data_;
  PrepareOptions options_;
  nlohmann::json report_;
#ifdef KINDRED_PARQUET_TESTS
  std::map<std::string, std::shared_ptr<arrow::DataType>> parquet_types_;
#endif
};

TEST_F(RealExports, OnlineRetailCleaned) {
  options_.reader.user_column = "CustomerID";
  options_.reader.item_column = "StockCode";
  options_.reader.value_column = "Quantity";
  options_.reader.time_column = "InvoiceDate";
  options_.reader.id_format = IdFormat::kInteger;
  options_.reader.where =
      R"(Quantity > 0 and UnitPrice > 0 and CustomerID is present and not starts_with(InvoiceNo, "C"))";
#ifdef KINDRED_PARQUET_TESTS
  parquet_types_ = {{"Quantity", arrow::int64()},
                    {"InvoiceDate", arrow::timestamp(arrow::TimeUnit::SECOND)},
                    {"UnitPrice", arrow::float64()},
                    {"CustomerID", arrow::float64()}};
#endif
  RunAll(data_ / "online_retail" / "online_retail.csv.gz",
         R"("InvoiceNo" text, "StockCode" text, "Description" text, "Quantity" integer, "InvoiceDate" timestamp,
            "UnitPrice" double precision, "CustomerID" double precision, "Country" text)",
         R"("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")");
  EXPECT_EQ(report_["n_rows"], 541909);
  EXPECT_EQ(report_["n_events"], 397884);
  EXPECT_EQ(report_["n_users"], 4338);
  EXPECT_EQ(report_["n_items"], 3665);
  EXPECT_EQ(report_["n_entries"], 266792);
  EXPECT_EQ(report_["n_filtered"], 541909 - 397884);
  EXPECT_EQ(report_["n_bad_rows"], 0);
  const auto dataset = Dataset::Open(folder_.path() / "csv");
  EXPECT_GE(dataset->users().Find("17850"), 0);
  EXPECT_GE(dataset->items().Find("85123A"), 0);
}

TEST_F(RealExports, TmallWithWeightsAndDecay) {
  options_.weighting.event_weights = TypeWeights{{"fav", 1}, {"cart", 3}, {"buy", 5}};
  options_.weighting.half_life = 3 * 86400.0;
#ifdef KINDRED_PARQUET_TESTS
  for (const char* column : {"timestamp", "user_id", "item_id"}) parquet_types_[column] = arrow::int64();
#endif
  RunAll(data_ / "tmall" / "events.csv.gz", "timestamp bigint, user_id bigint, item_id bigint, event text",
         "timestamp, user_id, item_id, event");
  EXPECT_EQ(report_["n_events"], 357412);
  EXPECT_EQ(report_["n_users"], 31882);
  EXPECT_EQ(report_["n_items"], 30985);
  EXPECT_EQ(report_["weighting"]["event_weights"]["buy"], 5.0);
  EXPECT_EQ(report_["weighting"]["half_life_seconds"], 259200.0);
}

}  // namespace
}  // namespace kindred
