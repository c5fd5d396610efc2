// The bounds of coded items: products of codes are as far from products of factors as the figures say, and no figure is
// much more than it must be.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <random>

#include "kernels/cpu/item_codes.h"
#include "kernels/cpu/top_n_scan.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"
#include "tests/support/simd_levels.h"

namespace kindred {
namespace {

class ItemCodesTest : public ::testing::TestWithParam<SimdLevel> {
 protected:
  ItemCodesTest() : backend_(2, GetParam()), context_(backend_.NewContext(0)) {}

  ItemCodes Make(const std::vector<float>& items, int64_t f, bool ordered) {
    const auto n_items = static_cast<int64_t>(items.size()) / f;
    std::vector<float> copy = items;
    return ItemCodes(backend_, static_cast<CpuContext&>(*context_), simd_, {copy.data(), n_items, f}, ordered);
  }

  CodedQuery Encode(const ItemCodes& codes, const std::vector<float>& query) {
    std::vector<float> workspace(static_cast<size_t>(kCodeItems * (codes.n_factors() + codes.stride())));
    query_codes_.assign(static_cast<size_t>(CodeScan::CodedBytes(codes)), 99);
    CodedQuery coded;
    CodeScan::Encode(codes, simd_, query.data(), 1, query_codes_.data(), {&coded, 1}, workspace.data());
    return coded;
  }

  /// What the codes make of the items of a block.
  std::vector<double> Products(const ItemCodes& codes, const CodedQuery& query, int64_t b) {
    const int32_t any = INT32_MIN;
    uint64_t reached = 0;
    std::vector<int32_t> dots(kCodeItems);
    simd_codes_.scan(codes.codes(b), codes.n_steps(), &query.codes, 1, &any, &reached, dots.data());
    EXPECT_EQ(reached, ~uint64_t{0});
    std::vector<double> products;
    for (int32_t dot : dots) products.push_back(query.unit * codes.block(b).unit * (dot - query.offset));
    return products;
  }

  CpuBackend backend_;
  std::unique_ptr<Context> context_;
  const SimdKernels& simd_ = SimdKernelsOf(GetParam());
  const SimdCodes& simd_codes_ = SimdCodesOf(GetParam());
  std::vector<int8_t> query_codes_;
};

double Product(const float* a, const float* b, int64_t f) {
  double sum = 0;
  for (int64_t k = 0; k < f; ++k) sum += static_cast<double>(a[k]) * b[k];
  return sum;
}

TEST_P(ItemCodesTest, NoProductIsFurtherOffThanTheFiguresSay) {
  for (const int64_t f : {1, 2, 3, 4, 5, 31, 32, 33, 64, 100, 600})
    for (const bool ordered : {true, false})
      for (const float scale : {1.0f, 1e-30f, 1e-42f, 1e30f}) {
        SCOPED_TRACE(testing::Message() << "f " << f << ", ordered " << ordered << ", scale " << scale);
        const auto seed = static_cast<uint64_t>(f);
        std::vector<float> items = RandomNormal(150 * f, seed);
        for (size_t i = 0; i < items.size(); ++i)
          items[i] *= scale * static_cast<float>(i / static_cast<size_t>(f) % 7);
        const ItemCodes codes = Make(items, f, ordered);
        ASSERT_EQ(codes.n_blocks(), 3);
        for (uint64_t q = 0; q < 5; ++q) {
          std::vector<float> query = RandomNormal(f, seed + q);
          for (float& x : query) x *= q % 2 == 0 ? 1.0f : 1e-20f;
          const CodedQuery coded = Encode(codes, query);
          for (int64_t b = 0; b < codes.n_blocks(); ++b) {
            const CodeBlock& block = codes.block(b);
            const double bound = coded.norm * block.error + coded.error * block.norm;
            const std::vector<double> products = Products(codes, coded, b);
            for (int64_t i = 0; i < kCodeItems; ++i) {
              const int32_t item = codes.order()[static_cast<size_t>(b * kCodeItems + i)];
              if (item < 0) continue;
              const double exact = Product(query.data(), items.data() + item * f, f);
              ASSERT_LE(std::abs(products[static_cast<size_t>(i)] - exact), bound)
                  << "item " << item << ", query " << q;
              ASSERT_LE(std::abs(exact), coded.norm * block.item_norm);
            }
            ASSERT_LE(bound, 0.1 * coded.norm * block.item_norm + 1e-80) << "more than it must be";
          }
        }
      }
}

TEST_P(ItemCodesTest, AQueryAlongWhatIsLeftIsAsFarOff) {
  // A number that is not finite keeps the axes as they are, so that a test can tell what the codes leave of an item.
  constexpr int64_t kFactors = 24;
  std::vector<float> items = RandomNormal(65 * kFactors, 5);
  items[64 * kFactors] = NAN;
  const ItemCodes codes = Make(items, kFactors, true);
  ASSERT_EQ(codes.irregular(), std::vector<int32_t>{64});
  const CodeBlock& block = codes.block(0);
  double closest = 0;
  for (int64_t i = 0; i < kCodeItems; ++i) {
    const float* item = items.data() + codes.order()[static_cast<size_t>(i)] * kFactors;
    std::vector<float> left(kFactors);
    for (int64_t k = 0; k < kFactors; ++k) {
      const int code = codes.codes(0)[(k / kCodeStep * kCodeItems + i) * kCodeStep + k % kCodeStep] - 128;
      left[static_cast<size_t>(k)] = static_cast<float>(item[k] - block.unit * code);
    }
    const CodedQuery coded = Encode(codes, left);
    const double off =
        std::abs(Products(codes, coded, 0)[static_cast<size_t>(i)] - Product(left.data(), item, kFactors));
    ASSERT_LE(off, coded.norm * block.error + coded.error * block.norm);
    closest = std::max(closest, off / (coded.norm * block.error));
  }
  EXPECT_GT(closest, 0.9) << "a smaller figure would be wrong";
}

TEST_P(ItemCodesTest, WhatWasStoredIsWhatWasMade) {
  for (const int64_t n_items : {1, 63, 64, 65, 300})
    for (const int64_t f : {1, 3, 64, 600})
      for (const bool ordered : {true, false}) {
        SCOPED_TRACE(testing::Message() << n_items << " items, f " << f << ", ordered " << ordered);
        const ItemCodes made = Make(RandomNormal(n_items * f, static_cast<uint64_t>(n_items + f)), f, ordered);
        const ItemCodesView view = made.view();
        ASSERT_FALSE(view.empty());
        ASSERT_EQ(WrongShapeOf(view, n_items, f, ordered), "");
        ASSERT_EQ(WrongNumberOf(view), "");
        const ItemCodes stored(view, n_items, f, ordered);
        ASSERT_EQ(stored.n_blocks(), made.n_blocks());
        ASSERT_EQ(stored.codes(0), made.codes(0)) << "in place";
        ASSERT_EQ(stored.n_steps(), made.n_steps());
        ASSERT_EQ(stored.n_head_steps(), made.n_head_steps());
        ASSERT_EQ(stored.order(), made.order());
        ASSERT_TRUE(stored.irregular().empty());
        for (int64_t b = 0; b < made.n_blocks(); ++b) {
          ASSERT_EQ(stored.places(b), made.places(b));
          ASSERT_EQ(std::memcmp(&stored.block(b), &made.block(b), sizeof(CodeBlock)), 0);
        }
        ASSERT_EQ(stored.rotation_error(), made.rotation_error());
        const std::vector<float> row = RandomNormal(f, 3);
        std::vector<float> turned(static_cast<size_t>(made.stride())), again(turned.size());
        made.Rotate(simd_, row.data(), 1, turned.data());
        stored.Rotate(simd_, row.data(), 1, again.data());
        ASSERT_EQ(std::memcmp(turned.data(), again.data(), static_cast<size_t>(f) * sizeof(float)), 0);
      }
}

TEST_P(ItemCodesTest, NoViewOfNoItemsOrOfSomeThatHaveNoCodes) {
  EXPECT_TRUE(Make({}, 4, true).view().empty());
  std::vector<float> items = RandomNormal(70 * 4, 1);
  items[8] = INFINITY;
  EXPECT_TRUE(Make(items, 4, true).view().empty());
  EXPECT_TRUE(Make(items, 4, false).view().empty());
}

TEST_P(ItemCodesTest, WhatDoesNotFitIsToldInWords) {
  constexpr int64_t kItems = 65, kFactors = 6;
  const ItemCodes made = Make(RandomNormal(kItems * kFactors, 2), kFactors, true);
  const auto shape = [&](auto change) {
    ItemCodesView view = made.view();
    change(view);
    return WrongShapeOf(view, kItems, kFactors, true);
  };
  EXPECT_EQ(shape([](auto& view) { view.order = view.order.first(64); }), "item_codes_order has size 64; expected 65");
  EXPECT_EQ(shape([](auto& view) { view.codes.n_rows = 1; }), "item_codes (rows) has size 1; expected 2");
  EXPECT_EQ(shape([](auto& view) { view.codes.n_cols = 256; }), "item_codes (columns) has size 256; expected 512");
  EXPECT_EQ(shape([](auto& view) { view.figures.n_rows = 3; }), "item_codes_figures (rows) has size 3; expected 2");
  EXPECT_EQ(shape([](auto& view) { view.figures.n_cols = 4; }), "item_codes_figures (columns) has size 4; expected 5");
  EXPECT_EQ(shape([](auto& view) { view.rotation.n_rows = 1; }), "item_codes_rotation (rows) has size 1; expected 6");
  EXPECT_EQ(shape([](auto& view) { view.rotation.n_cols = 1; }),
            "item_codes_rotation (columns) has size 1; expected 6");
  EXPECT_EQ(shape([](auto& view) { view.rotation = {}; }), "");
  EXPECT_EQ(shape([](auto& view) { ++view.codes.data; }), "item_codes do not begin at a multiple of 64 bytes");
  EXPECT_EQ(WrongShapeOf(made.view(), kItems, kFactors, false), "item_codes_order has size 65; expected 0");

  const auto number = [&](auto array, size_t at, auto value) {
    ItemCodesView view = made.view();
    const auto from = array(view);
    std::vector values(from.begin(), from.end());
    values.at(at) = value;
    if constexpr (std::is_same_v<decltype(value), int32_t>) view.order = values;
    if constexpr (std::is_same_v<decltype(value), uint8_t>) view.codes.data = values.data();
    if constexpr (std::is_same_v<decltype(value), double>) view.figures.data = values.data();
    if constexpr (std::is_same_v<decltype(value), float>) view.rotation.data = values.data();
    return WrongNumberOf(view);
  };
  const auto order = [](const ItemCodesView& view) { return view.order; };
  EXPECT_EQ(number(order, 3, -1), "item_codes_order holds -1 of 65 items at 3");
  EXPECT_EQ(number(order, 64, 65), "item_codes_order holds 65 of 65 items at 64");
  EXPECT_THAT(number(order, 64, made.order()[0]), testing::HasSubstr(" again at 64"));
  EXPECT_EQ(number([](auto& view) { return view.codes.all(); }, 1023, uint8_t{0}), "item_codes holds 0 at 1023");
  const auto figures = [](const ItemCodesView& view) { return view.figures.all(); };
  for (const double wrong : {-1.0, static_cast<double>(INFINITY), static_cast<double>(NAN)})
    EXPECT_THAT(number(figures, 9, wrong),
                testing::AllOf(testing::HasSubstr("item_codes_figures holds "), testing::HasSubstr(" at 9")));
  for (const float wrong : {INFINITY, -INFINITY, NAN})
    EXPECT_THAT(number([](auto& view) { return view.rotation.all(); }, 35, wrong),
                testing::AllOf(testing::HasSubstr("item_codes_rotation holds "), testing::HasSubstr(" at 35")));
}

TEST_P(ItemCodesTest, AnIndexTakesNoCodesOfAnotherShape) {
  std::vector<float> items = RandomNormal(70 * 4, 1);
  const ItemCodes made = Make(items, 4, true);
  ItemCodesView view = made.view();
  EXPECT_NO_THROW(backend_.NewItemIndex(*context_, {items.data(), 70, 4}, {}, &view));
  ExpectError(ErrorCode::kInvalidArgument, "item index: item_codes_order has size 70; expected 69", [&] {
    backend_.NewItemIndex(*context_, {items.data(), 69, 4}, {}, &view);
  });
}

TEST_P(ItemCodesTest, LongestFirstAndEachItemOnce) {
  std::vector<float> items = RandomNormal(1000 * 8, 7);
  for (int64_t i = 0; i < 1000; i += 10) std::copy_n(items.data() + 8, 8, items.data() + i * 8);  // equal lengths
  const ItemCodes codes = Make(items, 8, true);
  std::vector<int32_t> seen(codes.order().begin(), codes.order().begin() + 1000);
  for (size_t place = 1; place < seen.size(); ++place) {
    const double before = Product(&items[static_cast<size_t>(seen[place - 1]) * 8],
                                  &items[static_cast<size_t>(seen[place - 1]) * 8], 8),
                 here = Product(&items[static_cast<size_t>(seen[place]) * 8],
                                &items[static_cast<size_t>(seen[place]) * 8], 8);
    ASSERT_TRUE(before > here || (before == here && seen[place - 1] < seen[place])) << "place " << place;
  }
  std::sort(seen.begin(), seen.end());
  for (int32_t i = 0; i < 1000; ++i) ASSERT_EQ(seen[static_cast<size_t>(i)], i);
}

TEST_P(ItemCodesTest, TheHeadAndTheTailMakeTheWhole) {
  std::mt19937_64 engine(9);
  for (const int64_t n_steps : {1, 2, 3, 17, 64}) {
    std::vector<uint8_t> memory(static_cast<size_t>(n_steps * kCodeItems * kCodeStep + 64));
    uint8_t* block = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
    for (int64_t i = 0; i < n_steps * kCodeItems * kCodeStep; ++i) block[i] = static_cast<uint8_t>(1 + engine() % 255);
    std::vector<int8_t> codes(static_cast<size_t>(kCodeQueries * n_steps * kCodeStep));
    for (int8_t& c : codes) c = static_cast<int8_t>(static_cast<int>(engine() % 255) - 127);
    std::vector<const int8_t*> queries;
    for (int64_t r = 0; r < kCodeQueries; ++r) queries.push_back(codes.data() + r * n_steps * kCodeStep);
    const auto expected = [&](int64_t r, int64_t i) {
      int32_t dot = 0;
      for (int64_t k = 0; k < n_steps * kCodeStep; ++k)
        dot += block[(k / kCodeStep * kCodeItems + i) * kCodeStep + k % kCodeStep] * queries[static_cast<size_t>(r)][k];
      return dot;
    };
    for (int64_t n = 1; n <= kCodeQueries; ++n) {
      std::vector<int32_t> at_least, dots(static_cast<size_t>(kCodeQueries * kCodeItems));
      std::vector<uint64_t> reached(kCodeQueries);
      for (int64_t r = 0; r < n; ++r) at_least.push_back(expected(r, 11));
      simd_codes_.scan(block, n_steps, queries.data(), n, at_least.data(), reached.data(), dots.data());
      for (int64_t r = 0; r < n; ++r)
        for (int64_t i = 0; i < kCodeItems; ++i) {
          ASSERT_EQ(dots[static_cast<size_t>(r * kCodeItems + i)], expected(r, i));
          ASSERT_EQ(reached[static_cast<size_t>(r)] >> i & 1, expected(r, i) >= at_least[static_cast<size_t>(r)]);
        }
    }
    std::vector<int32_t> dots(kCodeItems, 0);
    simd_codes_.extend(block, n_steps, queries[0], uint64_t{1} << 20 | uint64_t{1} << 63, dots.data());
    for (const int64_t first : {16, 48})
      for (int64_t i = first; i < first + kCodeLanes; ++i) ASSERT_EQ(dots[static_cast<size_t>(i)], expected(0, i));
  }
}

TEST_P(ItemCodesTest, WhatReachesWithOthers) {
  std::mt19937_64 engine(11);
  for (int round = 0; round < 50; ++round) {
    std::vector<int32_t> dots(kCodeItems);
    std::vector<double> others(kCodeItems);
    uint64_t expected = 0;
    for (size_t i = 0; i < dots.size(); ++i) {
      dots[i] = static_cast<int32_t>(engine() % 2001) - 1000;
      others[i] = i == 5 ? NAN : static_cast<double>(engine() % 4001) - 2000;
      expected |= static_cast<uint64_t>(!(0.5 * (dots[i] - 100) + others[i] < 300)) << i;
    }
    ASSERT_EQ(simd_codes_.reach_with(dots.data(), 100, 0.5, others.data(), 300), expected);
  }
}

TEST_P(ItemCodesTest, AsManyFactorsAsThereMayBe) {
  // Codes of -127 and 127 alone: the largest sums there are.
  for (const int64_t f : {int64_t{4095}, int64_t{4096}, kMaxIndexFactors}) {
    std::vector<float> items(static_cast<size_t>(3 * f), 1.0f), query(static_cast<size_t>(f), 1.0f);
    for (int64_t k = 0; k < f; ++k)
      items[static_cast<size_t>(f + k)] = -1, items[static_cast<size_t>(2 * f + k)] = k % 2 ? 1 : -1;
    const ItemCodes codes = Make(items, f, true);
    const CodedQuery coded = Encode(codes, query);
    const std::vector<double> products = Products(codes, coded, 0);
    const double roundings = 1e-11 * coded.norm * codes.block(0).item_norm;  // of sums in double
    const double bound = coded.norm * codes.block(0).error + coded.error * codes.block(0).norm + roundings;
    for (int64_t i = 0; i < 3; ++i) {
      const int32_t item = codes.order()[static_cast<size_t>(i)];
      const double exact = Product(query.data(), items.data() + item * f, f);
      EXPECT_LE(std::abs(products[static_cast<size_t>(i)] - exact), bound) << "f " << f << ", item " << item;
    }
    EXPECT_LE(bound, 1e-3 * static_cast<double>(f));
  }
}

TEST(TopNOnThreads, AnswersAreTheSameForAnyNumber) {
  const int64_t n_items = 150000, f = 32, n = 70;
  std::vector<float> items = RandomNormal(n_items * f, 41);
  for (int64_t i = 0; i < n_items; i += 2) std::copy_n(items.data() + i / 6 * f, f, items.data() + i * f);  // ties
  const std::vector<uint64_t> few(static_cast<size_t>((n_items + 63) / 64), 1);
  for (const int64_t n_queries : {1, 3, 60}) {
    const std::vector<float> queries = RandomNormal(n_queries * f, 42);
    std::vector<int32_t> expected[2];
    for (const int n_threads : {1, 2, 3, 5}) {
      CpuBackend cpu(n_threads);
      Backend& backend = cpu;
      const auto context = backend.NewContext(0);
      const auto index = backend.NewItemIndex(*context, {items.data(), n_items, f});
      const auto filter = backend.NewItemFilter(*context, *index, few);
      for (const bool filtered : {false, true}) {
        std::vector<int32_t> ids(static_cast<size_t>(n_queries * n));
        std::vector<float> scores(ids.size());
        TopNRequest request = {
            {queries.data(), n_queries, f}, {}, {}, {ids.data(), n_queries, n}, {scores.data(), n_queries, n}};
        request.eligible = filtered ? filter.get() : nullptr;
        backend.TopN(*context, *index, request);
        context->Wait();
        if (n_threads == 1) expected[filtered] = ids;
        EXPECT_EQ(ids, expected[filtered]) << n_threads << " threads, " << n_queries << " queries, filter " << filtered;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, ItemCodesTest, ::testing::ValuesIn(SimdLevels()),
                         [](const auto& each) { return std::string(SimdKernelsOf(each.param).name); });

}  // namespace
}  // namespace kindred
