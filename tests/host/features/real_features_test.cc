// Recency, frequency and monetary of real customers, against figures that were taken from the file by other means.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "host/features/feature_program.h"
#include "host/features/normalization.h"
#include "host/intake/prepare.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::ElementsAre;

class RealFeatures : public testing::Test {
 protected:
  void SetUp() override {
    const char* data = std::getenv("KINDRED_DATA_DIR");
    if (data == nullptr) GTEST_SKIP() << "KINDRED_DATA_DIR is not set";
    data_ = data;
    options_.out = folder_.path() / "dataset";
  }

  std::filesystem::path data_;
  TemporaryFolder folder_;
  PrepareOptions options_;
  ThreadPool pool_{2};
};

TEST_F(RealFeatures, OnlineRetail) {
  options_.inputs = {data_ / "online_retail" / "online_retail.csv.gz"};
  options_.reader.user_column = "CustomerID";
  options_.reader.item_column = "StockCode";
  options_.reader.time_column = "InvoiceDate";
  options_.reader.id_format = IdFormat::kInteger;
  options_.reader.where =
      R"(Quantity > 0 and UnitPrice > 0 and CustomerID is present and not starts_with(InvoiceNo, "C"))";
  options_.reader.value = "Quantity * UnitPrice";
  Prepare(options_);
  const auto dataset = Dataset::Open(options_.out);
  EXPECT_EQ(dataset->manifest()["reader"]["value"], "Quantity * UnitPrice");
  const FeatureProgram program =
      FeatureProgram::Compile(DefaultFeatureSpec(dataset->event_types(), true, true), *dataset, nullptr);
  EXPECT_THAT(program.names(), ElementsAre("recency", "frequency", "monetary"));
  EXPECT_EQ(program.reference(), 1323435000);  // 2011-12-09 12:50
  const FeatureTable table = program.Compute(dataset->events(), program.reference(), pool_);
  ASSERT_EQ(table.n_users, 4338);
  EXPECT_EQ(table.n_future_events, 0);
  // By Python's csv and datetime, with values in double and baskets by minute. A wholesaler who bought once, a regular,
  // one who came and went, the one of most value, one who comes daily, and the last.
  const struct {
    const char* id;
    double minutes, baskets, value;
  } expected[] = {{"12346", 468169, 1, 77183.60}, {"12347", 2698, 7, 4310.00},  {"17850", 535523, 33, 5391.21},
                  {"14646", 1478, 73, 280206.02}, {"12748", 30, 210, 33719.73}, {"18287", 60681, 3, 1837.28}};
  for (const auto& customer : expected) {
    const int32_t user = dataset->users().Find(customer.id);
    ASSERT_GE(user, 0) << customer.id;
    EXPECT_DOUBLE_EQ(table.row(user)[0], customer.minutes / 1440) << customer.id;
    EXPECT_EQ(table.row(user)[1], customer.baskets) << customer.id;
    EXPECT_NEAR(table.row(user)[2], customer.value, 1e-6 * customer.value) << customer.id;
  }
  double baskets = 0, value = 0;
  for (int64_t user = 0; user < table.n_users; ++user) {
    baskets += table.row(user)[1];
    value += table.row(user)[2];
  }
  EXPECT_EQ(baskets, 18440);
  EXPECT_NEAR(value, 8911407.904, 1);

  const Normalization normalization = Normalization::Fit(table, program.rules(), {}, pool_);
  for (const FeatureNormalization& feature : normalization.features()) {
    EXPECT_FALSE(feature.constant);
    EXPECT_EQ(feature.n_missing, 0);
  }
  EXPECT_NEAR(normalization.features()[2].quantiles[7], 280206.02, 1);
  const std::vector<float> normalized = normalization.Apply(table, pool_);
  for (size_t f = 0; f < 3; ++f) {
    double sum = 0, square = 0;
    for (size_t at = f; at < normalized.size(); at += 3) {
      sum += normalized[at];
      square += normalized[at] * normalized[at];
    }
    EXPECT_NEAR(sum / 4338, 0, 1e-5);
    EXPECT_NEAR(square / 4338, 1, 1e-5);
  }
}

}  // namespace
}  // namespace kindred
