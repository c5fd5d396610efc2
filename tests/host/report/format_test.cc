#include "host/report/format.h"

#include <gtest/gtest.h>

#include <limits>

namespace kindred {
namespace {

TEST(Format, Counts) {
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(999), "999");
  EXPECT_EQ(CountText(1000), "1,000");
  EXPECT_EQ(CountText(-123456), "-123,456");
  EXPECT_EQ(CountText(1234567), "1,234,567");
  EXPECT_EQ(CountText(std::numeric_limits<int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(Format, Numbers) {
  EXPECT_EQ(NumberText(0), "0");
  EXPECT_EQ(NumberText(0.25), "0.25");
  EXPECT_EQ(NumberText(1), "1");
  EXPECT_EQ(NumberText(12.345), "12.3");
  EXPECT_EQ(NumberText(1234.6), "1,235");
  EXPECT_EQ(NumberText(-2.5), "-2.5");
  EXPECT_EQ(NumberText(0.00001234), "0.0000123");
  EXPECT_EQ(NumberText(3.4e38), "3.4e+38");
  EXPECT_EQ(NumberText(1e-30), "1e-30");
  EXPECT_EQ(NumberText(std::numeric_limits<double>::quiet_NaN()), "nan");
}

TEST(Format, Percents) {
  EXPECT_EQ(PercentText(0), "0 %");
  EXPECT_EQ(PercentText(1), "100 %");
  EXPECT_EQ(PercentText(0.01662), "1.66 %");
  EXPECT_EQ(PercentText(0.0000042), "0.00042 %");
}

TEST(Format, AxesAndSizes) {
  EXPECT_EQ(ShortText(0), "0");
  EXPECT_EQ(ShortText(500), "500");
  EXPECT_EQ(ShortText(2500), "2.5k");
  EXPECT_EQ(ShortText(1e7), "10M");
  EXPECT_EQ(ShortText(3e12), "3T");
  EXPECT_EQ(BytesText(1023), "1023 bytes");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(BytesText(int64_t{3} << 40), "3.0 TiB");
}

TEST(Ticks, LinearOnesAreRoundAndCover) {
  EXPECT_EQ(LinearTicks(10, 5, true), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(LinearTicks(0, 5, true), (std::vector<double>{0, 1}));
  EXPECT_EQ(LinearTicks(3, 5, true), (std::vector<double>{0, 1, 2, 3}));
  EXPECT_EQ(LinearTicks(0.5, 5, false).size(), 6u);
  for (double max = 1e-3; max < 1e18; max *= 1.7) {
    const std::vector<double> ticks = LinearTicks(max, 4, false);
    EXPECT_GE(ticks.back(), max * (1 - 1e-9)) << max;
    EXPECT_GE(ticks.size(), 2u) << max;
    EXPECT_LE(ticks.size(), 6u) << max;
  }
}

TEST(Ticks, ThoseOfARangeAreRoundAndAroundIt) {
  EXPECT_EQ(RangeTicks(12, 38, 3), (std::vector<double>{10, 20, 30, 40}));
  EXPECT_EQ(RangeTicks(-3, 3, 3), (std::vector<double>{-4, -2, 0, 2, 4}));
  EXPECT_EQ(RangeTicks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(RangeTicks(0, 0, 4), (std::vector<double>{0, 0.5}));
  for (const double low : {-1e9, -1.0, 0.0, 1e-6, 0.3, 1e9})
    for (double span = 1e-3; span < 1e12; span *= 1.7) {
      const std::vector<double> ticks = RangeTicks(low, low + span, 4);
      EXPECT_LE(ticks.front(), low + span * 1e-6) << low << " " << span;
      EXPECT_GE(ticks.back(), (low + span) - span * 1e-6) << low << " " << span;
      EXPECT_GE(ticks.size(), 2u) << low << " " << span;
      EXPECT_LE(ticks.size(), 7u) << low << " " << span;
    }
}

TEST(Ticks, LogarithmicOnesArePowersOfTenAround) {
  EXPECT_EQ(LogTicks(1, 1), (std::vector<double>{1, 10}));
  EXPECT_EQ(LogTicks(1, 1000), (std::vector<double>{1, 10, 100, 1000}));
  EXPECT_EQ(LogTicks(3, 1001), (std::vector<double>{1, 10, 100, 1000, 10000}));
  EXPECT_DOUBLE_EQ(LogTicks(0.002, 1).front(), 0.001);
  EXPECT_DOUBLE_EQ(LogTicks(0.001, 1).front(), 0.001);
}

}  // namespace
}  // namespace kindred
