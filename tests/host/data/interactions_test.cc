#include "host/data/interactions.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>

#include "kernels/error.h"

namespace kindred {
namespace {

/// Events as a dataset holds them, from one list a user.
struct Events {
  explicit Events(const std::vector<std::vector<std::pair<int32_t, float>>>& users) {
    for (const auto& user : users) {
      for (const auto& [item, value] : user) {
        items.push_back(item);
        values.push_back(value);
      }
      indptr.push_back(static_cast<int64_t>(items.size()));
    }
  }
  EventsView view() const { return {indptr, items, values, {}, {}}; }

  std::vector<int64_t> indptr = {0};
  std::vector<int32_t> items;
  std::vector<float> values;
};

TEST(SumEvents, RepeatsAddUpAndZerosAreLeftOut) {
  const Events events({{{2, 1}, {0, 3}, {2, 0.5f}}, {}, {{1, 0}, {0, 1}, {1, 0}}});
  const Csr sum = SumEvents(events.view(), 3);
  EXPECT_EQ(sum.n_rows, 3);
  EXPECT_EQ(sum.n_cols, 3);
  EXPECT_EQ(sum.indptr, (std::vector<int64_t>{0, 2, 2, 3}));
  EXPECT_EQ(sum.indices, (std::vector<int32_t>{0, 2, 0}));
  EXPECT_EQ(sum.values, (std::vector<float>{3, 1.5f, 1}));
}

TEST(SumEvents, OnlyKeptEventsCount) {
  const Events events({{{2, 1}, {0, 3}, {2, 0.5f}}});
  const std::vector<uint8_t> keep = {0, 0, 1};
  const Csr sum = SumEvents(events.view(), 3, keep);
  EXPECT_EQ(sum.indices, (std::vector<int32_t>{2}));
  EXPECT_EQ(sum.values, (std::vector<float>{0.5f}));
}

TEST(SumEvents, ManySmallValuesDoNotGetLost) {
  std::vector<std::pair<int32_t, float>> user(1, {0, 16777216.0f});
  for (int i = 0; i < 64; ++i) user.emplace_back(0, 1.0f);
  EXPECT_EQ(SumEvents(Events({user}).view(), 1).values, (std::vector<float>{16777280.0f}));
}

TEST(SumEvents, ASumThatNoFloatHoldsIsAnError) {
  const float large = std::numeric_limits<float>::max();
  try {
    SumEvents(Events({{}, {{0, 1}, {1, large}, {1, large}}}).view(), 2);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNumeric);
    EXPECT_NE(std::string(error.what()).find("user 1 and item 1"), std::string::npos) << error.what();
  }
}

TEST(SumEvents, NoEventsAtAll) {
  EXPECT_EQ(SumEvents(EventsView{}, 0).indptr, (std::vector<int64_t>{0}));
  EXPECT_EQ(SumEvents(Events({{}, {}}).view(), 5).indptr, (std::vector<int64_t>{0, 0, 0}));
}

TEST(SumEvents, AgreesWithAMap) {
  for (const int n_items : {1, 31, 32, 33, 500}) {
    std::mt19937 random(static_cast<unsigned>(n_items));
    std::vector<std::vector<std::pair<int32_t, float>>> users(33);
    std::map<std::pair<int64_t, int32_t>, float> expected;
    for (size_t user = 0; user < users.size(); ++user) {
      const int n = user == 32 ? 5000 : static_cast<int>(random() % 40);
      for (int i = 0; i < n; ++i) {
        users[user].emplace_back(static_cast<int32_t>(random() % static_cast<unsigned>(n_items)), random() % 3);
        const auto& [item, value] = users[user].back();
        if (value > 0) expected[{static_cast<int64_t>(user), item}] += value;
      }
    }
    const Csr sum = SumEvents(Events(users).view(), n_items);
    std::map<std::pair<int64_t, int32_t>, float> found;
    for (int64_t row = 0; row < sum.n_rows; ++row) {
      int32_t before = -1;
      for (int64_t at = sum.indptr[row]; at < sum.indptr[row + 1]; ++at) {
        EXPECT_LT(before, sum.indices[at]);
        before = sum.indices[at];
        found[{row, before}] = sum.values[at];
      }
    }
    EXPECT_EQ(found, expected) << n_items << " items";
  }
}

TEST(Transpose, IsTheTranspose) {
  Csr matrix{2, 4, {0, 3, 5}, {0, 1, 3, 1, 2}, {1, 2, 3, 4, 5}};
  const Csr transposed = Transpose(matrix.view());
  EXPECT_EQ(transposed.n_rows, 4);
  EXPECT_EQ(transposed.n_cols, 2);
  EXPECT_EQ(transposed.indptr, (std::vector<int64_t>{0, 1, 3, 4, 5}));
  EXPECT_EQ(transposed.indices, (std::vector<int32_t>{0, 0, 1, 1, 0}));
  EXPECT_EQ(transposed.values, (std::vector<float>{1, 2, 4, 5, 3}));
  const Csr back = Transpose(transposed.view());
  EXPECT_EQ(back.indptr, matrix.indptr);
  EXPECT_EQ(back.indices, matrix.indices);
  EXPECT_EQ(back.values, matrix.values);
}

TEST(Transpose, OfAPatternAndOfNothing) {
  const Csr pattern{1, 2, {0, 2}, {0, 1}, {}};
  EXPECT_EQ(Transpose(pattern.view()).indices, (std::vector<int32_t>{0, 0}));
  EXPECT_TRUE(Transpose(pattern.view()).values.empty());
  EXPECT_EQ(Transpose(Csr{0, 3, {0}, {}, {}}.view()).indptr, (std::vector<int64_t>{0, 0, 0, 0}));
  EXPECT_EQ(Transpose(Csr{3, 0, {0, 0, 0, 0}, {}, {}}.view()).indptr, (std::vector<int64_t>{0}));
}

}  // namespace
}  // namespace kindred
