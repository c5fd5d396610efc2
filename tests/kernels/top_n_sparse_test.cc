// The item-item part of the top-N: alone, and beside the factors.
#include <algorithm>
#include <cmath>
#include <random>

#include "tests/kernels/top_n_fixture.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

class TopNSparseTest : public TopNTest {};

TEST_P(TopNSparseTest, EqualsAFullSortOverShapes) {
  uint64_t seed = 200;
  for (int64_t n_items : {0, 1, 31, 32, 33, 64, 1025, 2100}) {
    for (int64_t n_queries : {0, 1, 4, 33}) {
      for (int64_t f : {1, 5, 33}) {
        if (n_items * n_queries * f > Allowance(400000, 6000)) continue;
        const int64_t n = ++seed % 3 == 0 ? 1 : seed % 3 == 1 ? 10 : 100;
        SCOPED_TRACE(testing::Message() << n_items << " items, " << n_queries << " queries, f " << f << ", n " << n
                                        << ", seed " << seed);
        const Histories histories = RandomHistories(n_items, n_queries, seed);
        ExpectExact(RandomNormal(n_items * f, seed + 1000), n_items, RandomNormal(n_queries * f, seed + 2000),
                    n_queries, f, n, {}, &histories);
      }
    }
  }
}

TEST_P(TopNSparseTest, HistoriesAlone) {
  // Factors of 0: all that is not touched ties, in order of item.
  const int64_t n_items = Allowance(5000, 1500), n_queries = Allowance(40, 5);
  const Histories histories = RandomHistories(n_items, n_queries, 220);
  const std::vector<float> items(static_cast<size_t>(n_items)), queries(static_cast<size_t>(n_queries), 1.0f);
  for (int64_t n : {3, 60}) ExpectExact(items, n_items, queries, n_queries, 1, n, {}, &histories);
}

TEST_P(TopNSparseTest, ManyQueries) {
  const int64_t n_queries = Allowance(1100, 130), n_items = Allowance(300, 100);
  const Histories histories = RandomHistories(n_items, n_queries, 221);
  ExpectExact(RandomNormal(n_items * 16, 222), n_items, RandomNormal(n_queries * 16, 223), n_queries, 16, 5, {},
              &histories);
}

TEST_P(TopNSparseTest, ExclusionsAndHistories) {
  std::mt19937_64 engine(224);
  const int64_t n_items = Allowance(3000, 500), n_queries = 9, f = 24;
  const Histories histories = RandomHistories(n_items, n_queries, 225);
  std::vector<std::vector<int32_t>> excluded(static_cast<size_t>(n_queries));
  for (size_t q = 0; q < excluded.size(); ++q)
    for (int32_t i = 0; i < n_items; ++i)
      if (q == 3 || engine() % (q + 1) == 1) excluded[q].push_back(i);  // query 3: everything
  ExpectExact(RandomNormal(n_items * f, 226), n_items, RandomNormal(n_queries * f, 227), n_queries, f, 30, excluded,
              &histories);
}

TEST_P(TopNSparseTest, MoreThanTheCatalogueAndNearlyAllOfIt) {
  const Histories small = RandomHistories(5, 4, 228);
  ExpectExact(RandomNormal(5 * 4, 229), 5, RandomNormal(4 * 4, 230), 4, 4, 12, {}, &small);

  const int64_t n_items = 5200, f = 2;
  std::vector<float> items = RandomNormal(n_items * f, 231);
  for (float& x : items) x = std::round(x * 8);  // ties
  Histories large;
  std::mt19937_64 engine(232);
  for (int64_t j = 0; j < n_items; ++j) large.AddRow(RandomEntries(n_items, j < 4 ? 3 : 0, engine));
  large.of_query = {{{0, 1.0f}, {1, -2.0f}, {3, 0.5f}, {5199, 1.0f}}, {}, {{2, 1.0f}}};
  std::vector<std::vector<int32_t>> excluded(3);
  for (int32_t i = 0; i < n_items; i += 5) excluded[2].push_back(i);
  ExpectExact(items, n_items, RandomNormal(3 * f, 233), 3, f, 5100, excluded, &large);
}

TEST_P(TopNSparseTest, EmptyHistoriesGiveTheBitsOfNoHistories) {
  const int64_t n_items = 1100, n_queries = 5, f = 3, n = 40;
  std::vector<float> items = RandomNormal(n_items * f, 234), queries = RandomNormal(n_queries * f, 235);
  const float specials[] = {NAN, INFINITY, -INFINITY, 1e38f, -1e38f, 1e-42f, 0.0f, -0.0f};
  for (int64_t i = 0; i < n_items; i += 3) items[static_cast<size_t>(i * f + i % f)] = specials[(i / 3) % 8];
  for (int64_t k = 0; k < f; ++k) queries[static_cast<size_t>(k)] = -0.0f;
  Histories histories = RandomHistories(n_items, n_queries, 236);
  histories.of_query.clear();
  const Answer without = Ask(items, n_items, queries, n_queries, f, n),
               unasked = Ask(items, n_items, queries, n_queries, f, n, {}, &histories);
  histories.of_query.resize(static_cast<size_t>(n_queries));
  const Answer empty = Ask(items, n_items, queries, n_queries, f, n, {}, &histories);
  for (const Answer& answer : {unasked, empty}) {
    EXPECT_EQ(answer.items, without.items);
    EXPECT_EQ(std::memcmp(answer.scores.data(), without.scores.data(), without.scores.size() * sizeof(float)), 0);
  }
}

TEST_P(TopNSparseTest, TheOrderOfTheHistoryIsThatOfTheSum) {
  // 1e30 + 1 - 1e30 is 0 in double, 1e30 - 1e30 + 1 is 1: for each item one of the orders, over rows of many entries.
  const int64_t n_items = Allowance(3000, 600);
  const float orders[6][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};
  Histories histories;
  for (int64_t j = 0; j < n_items; ++j) {
    Entries row;
    for (int32_t i = 0; j < 3 && i < n_items; ++i) {
      const float which = orders[i % 6][j];
      row.push_back({i, which == 1 ? 1e30f : which == 2 ? 1.0f + static_cast<float>(i % 7) : -1e30f});
    }
    histories.AddRow(row);
  }
  histories.of_query = {{{0, 1.0f}, {1, 1.0f}, {2, 1.0f}}, {{0, 2.0f}, {1, 2.0f}, {2, 2.0f}, {7, 1.0f}}};
  const std::vector<float> items(static_cast<size_t>(n_items), 0.5f);
  ExpectExact(items, n_items, {1, -1}, 2, 1, 200, {}, &histories);
}

TEST_P(TopNSparseTest, PartsThatCancel) {
  // Both parts are large, what is left of them small, and float32 products of the factors are off by more than that.
  const int64_t n_items = Allowance(4000, 700), n_queries = 3, f = 8;
  std::vector<float> items = RandomNormal(n_items * f, 237), queries = RandomNormal(n_queries * f, 238);
  Histories histories;
  Entries row;
  for (int32_t i = 0; i < n_items; ++i) {
    items[static_cast<size_t>(i * f)] = 1e7f + static_cast<float>(i % 11);
    if (i % 4 != 3) row.push_back({i, -items[static_cast<size_t>(i * f)] + (i % 4 == 1 ? 0x1p-3f : 0.0f)});
  }
  for (int64_t j = 0; j < n_items; ++j) histories.AddRow(j == 17 ? row : Entries{});
  for (int64_t q = 0; q < n_queries; ++q) {
    queries[static_cast<size_t>(q * f)] = q == 1 ? -1.0f : 1.0f;
    histories.of_query.push_back({{17, q == 1 ? -1.0f : 1.0f}});
  }
  for (int64_t k = 1; k < f; ++k) queries[static_cast<size_t>(2 * f + k)] = 0;  // what is left is 0 or 2^-3
  ExpectExact(items, n_items, queries, n_queries, f, 25, {}, &histories);
}

TEST_P(TopNSparseTest, TiesBetweenTheParts) {
  // i % 5 from the factors and 5 - i % 5, or not, from the history.
  const int64_t n_items = 2500;
  std::vector<float> items(static_cast<size_t>(n_items));
  Entries row;
  for (int32_t i = 0; i < n_items; ++i) {
    items[static_cast<size_t>(i)] = static_cast<float>(i % 5);
    if (i % 2 == 1) row.push_back({i, static_cast<float>(5 - i % 5)});
  }
  Histories histories;
  for (int64_t j = 0; j < n_items; ++j) histories.AddRow(j == 0 ? row : Entries{});
  histories.of_query = {{{0, 1.0f}}, {{0, -1.0f}}, {{0, 0.0f}}};
  for (int64_t n : {30, 1300}) ExpectExact(items, n_items, {1, 1, -1}, 3, 1, n, {}, &histories);
}

TEST_P(TopNSparseTest, AFewTouchedItemsAgainstLargeFactors) {
  // The best are below what the factors of other tiles could reach, and above it, by the history alone.
  const int64_t n_items = 3000, f = 4;
  std::vector<float> items = RandomNormal(n_items * f, 239);
  for (int64_t i = 0; i < n_items * f; ++i) items[static_cast<size_t>(i)] *= i / f / 64 % 2 == 0 ? 1e-3f : 10.0f;
  Histories histories;
  for (int64_t j = 0; j < n_items; ++j) {
    Entries row;
    for (auto i = static_cast<int32_t>(j); i < n_items; i += 97) row.push_back({i, static_cast<float>(i % 13) * 5});
    histories.AddRow(j < 10 ? row : Entries{});
  }
  histories.of_query = {{{0, 1.0f}, {9, 1.0f}}, {{4, -1.0f}}, {{1, 1e-3f}, {2, 1e-3f}}};
  ExpectExact(items, n_items, RandomNormal(3 * f, 240), 3, f, 20, {}, &histories);
}

TEST_P(TopNSparseTest, ValuesOfEveryKind) {
  const int64_t n_items = 900, n_queries = 7, f = 3;
  std::vector<float> items = RandomNormal(n_items * f, 241), queries = RandomNormal(n_queries * f, 242);
  const float specials[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-42f, 0.0f, -0.0f};
  for (int64_t i = 0; i < n_items; i += 5) items[static_cast<size_t>(i * f + i % f)] = specials[(i / 5) % 8];
  Histories histories;
  std::mt19937_64 engine(243);
  const float values[] = {3e38f, -3e38f, 1e-42f, -1e-42f, 1.0f, 0.0f, -0.0f};
  for (int64_t j = 0; j < n_items; ++j) {
    Entries row = RandomEntries(n_items, j < 30 ? 2 : 0, engine);
    for (auto& [item, value] : row) value = values[static_cast<size_t>(item + j) % 7];
    histories.AddRow(row);
  }
  for (int64_t q = 0; q < n_queries; ++q) {
    Entries history;
    for (int32_t j = 0; j < 30; j += 3) history.push_back({j, values[(q + j) % 7]});
    histories.of_query.push_back(history);
  }
  for (int64_t k = 0; k < f; ++k) queries[static_cast<size_t>(k)] = 0;
  queries[static_cast<size_t>(f)] = NAN;
  queries[static_cast<size_t>(2 * f)] = 3e38f;
  ExpectExact(items, n_items, queries, n_queries, f, 40, {}, &histories);
}

TEST_P(TopNSparseTest, ShapesThatDoNotFitAreRefused) {
  const Resident<float> y = ToBackend(std::vector<float>(6), 3, 2), q = ToBackend(std::vector<float>(4), 2, 2);
  const Resident<int32_t> items = ToBackend(std::vector<int32_t>{0, 1}, 2), out_items(backend(), 2, 1);
  const Resident<int64_t> rows = ToBackend(std::vector<int64_t>{0, 1, 2, 2}, 4),
                          queries = ToBackend(std::vector<int64_t>{0, 1, 2}, 3);
  const Resident<float> values = ToBackend(std::vector<float>{1, 2}, 2), scores(backend(), 2, 1);
  const auto refused = [](const char* part, const auto& call) { ExpectError(ErrorCode::kInvalidArgument, part, call); };
  const auto new_index = [&](const ItemItemView& item_item) { return NewIndex(y.matrix(), item_item); };
  refused("not one item and value", [&] { new_index({rows.view(), items.view(), {}}); });
  refused("not one item and value", [&] { new_index({{}, items.view(), values.view()}); });
  refused("no factors", [&] { NewIndex({y.matrix().data, 3, 0}, {rows.view(), items.view(), values.view()}); });

  const auto index = new_index({rows.view(), items.view(), values.view()}), plain = new_index({});
  context().Wait();
  EXPECT_TRUE(index->has_item_item());
  EXPECT_FALSE(plain->has_item_item());
  TopNRequest request = {q.matrix(),     {},           {},           out_items.matrix(), scores.matrix(),
                         queries.view(), items.view(), values.view()};
  TopN(*index, request);
  context().Wait();
  refused("without an item-item matrix", [&] { TopN(*plain, request); });
  request.history_weights = {};
  refused("not one item and weight", [&] { TopN(*index, request); });
  request.history_weights = values.view();
  request.history_indptr = rows.view();
  refused("do not fit the queries", [&] { TopN(*index, request); });
  request.history_indptr = {};
  refused("not one item and weight", [&] { TopN(*index, request); });
}

KINDRED_ON_ALL_BACKENDS(TopNSparseTest);

}  // namespace
}  // namespace kindred
