#include <cmath>
#include <iterator>
#include <limits>
#include <random>
#include <utility>

#include "tests/kernels/sparse_fixture.h"
#include "tests/reference/reference.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

class SparseTopKTest : public BackendTest {
 protected:
  struct Lists {
    std::vector<int32_t> items;
    std::vector<float> values;
    bool operator==(const Lists&) const = default;
  };
  struct Case {
    SparseMatrix left, right;
    std::vector<float> column_scale;
    bool skip_diagonal = false;
  };

  static std::vector<int64_t> Lengths(int64_t n, int64_t most, uint64_t seed) {
    std::mt19937_64 engine(seed);
    std::uniform_int_distribution<int64_t> length(0, most);
    std::vector<int64_t> lengths(static_cast<size_t>(n));
    for (int64_t& l : lengths) l = length(engine);
    return lengths;
  }

  Lists Best(const Case& c, int64_t k, int64_t max_entry_bytes = INT64_MAX) {
    return Best(backend(), context(), c, k, max_entry_bytes);
  }
  static Lists Best(Backend& backend, Context& context, const Case& c, int64_t k, int64_t max_entry_bytes = INT64_MAX) {
    const auto left = backend.NewSparseRows(c.left.view(), {}, nullptr, max_entry_bytes);
    const auto right = backend.NewSparseRows(c.right.view(), {}, nullptr);
    const Resident<float> scale(backend, static_cast<int64_t>(c.column_scale.size()));
    const Resident<int32_t> items(backend, left->n_rows(), k);
    const Resident<float> values(backend, left->n_rows(), k);
    scale.Upload(backend, context, c.column_scale);
    backend.MultiplySparseTopK(
        context, {left.get(), right.get(), scale.view(), c.skip_diagonal, items.matrix(), values.matrix()});
    Lists lists = {std::vector<int32_t>(static_cast<size_t>(left->n_rows() * k)),
                   std::vector<float>(static_cast<size_t>(left->n_rows() * k))};
    items.Download(backend, context, std::span<int32_t>(lists.items));
    values.Download(backend, context, std::span<float>(lists.values));
    context.Wait();
    return lists;
  }

  static Lists Expected(const Case& c, int64_t k) {
    const auto rows = reference::SparseTopK(c.left.view(), c.right.view(), c.column_scale, c.skip_diagonal, k);
    Lists lists;
    for (const auto& row : rows)
      for (int64_t i = 0; i < k; ++i) {
        const bool filled = i < static_cast<int64_t>(row.size());
        lists.items.push_back(filled ? row[static_cast<size_t>(i)].item : -1);
        lists.values.push_back(filled ? row[static_cast<size_t>(i)].score : 0);
      }
    return lists;
  }

  // Bit for bit: the result is defined.
  void ExpectReference(const Case& c, int64_t k, int64_t max_entry_bytes = INT64_MAX) {
    SCOPED_TRACE(testing::Message() << c.left.n_rows() << " x " << c.right.n_rows() << " x " << c.right.n_cols
                                    << ", k = " << k << (c.skip_diagonal ? ", without the diagonal" : ""));
    const Lists found = Best(c, k, max_entry_bytes), expected = Expected(c, k);
    EXPECT_EQ(found.items, expected.items);
    EXPECT_EQ(found.values, expected.values);
  }
};

TEST_P(SparseTopKTest, EqualsTheReferenceOverShapes) {
  uint64_t seed = 1;
  for (int64_t n_cols : {1, 31, 32, 33, 64, 300}) {
    for (int64_t n_inner : {1, 33}) {
      const Case c = {NewSparseMatrix({0, 1, 2, 31, 32, 33, 0, 5, 0}, n_inner, seed + 1),
                      NewSparseMatrix(Lengths(n_inner, n_cols, seed + 2), n_cols, seed + 3),
                      {},
                      n_inner == 1};
      seed += 3;
      for (int64_t k : {1, 2, 31, 32, 33, 301}) ExpectReference(c, k);
    }
  }
}

TEST_P(SparseTopKTest, NothingToMultiply) {
  ExpectReference({NewSparseMatrix({}, 5, 1), NewSparseMatrix({1, 2, 3, 0, 5}, 9, 2), {}}, 3);
  ExpectReference({NewSparseMatrix({0, 0, 0}, 5, 1), NewSparseMatrix({1, 2, 3, 0, 5}, 9, 2), {}}, 3);
  ExpectReference({NewSparseMatrix({2, 4}, 5, 1), NewSparseMatrix({0, 0, 0, 0, 0}, 9, 2), {}}, 3);
  ExpectReference({NewSparseMatrix({0, 0}, 0, 1), NewSparseMatrix({}, 9, 2), {}}, 3);
  ExpectReference({NewSparseMatrix({1, 2}, 3, 1), NewSparseMatrix({0, 0, 0}, 0, 2), {}}, 3);
  ExpectReference({NewSparseMatrix({1, 2}, 3, 1), NewSparseMatrix({1, 1, 1}, 4, 2), {}}, 0);
}

// Many items and users, some of the items with everybody: rows of any cost, in any number of tasks.
TEST_P(SparseTopKTest, RowsOfAnyLength) {
  const int64_t n_users = Allowance(3000, 300), n_items = Allowance(700, 90);
  std::vector<int64_t> lengths = Lengths(n_items, 6, 3);
  lengths[5] = lengths[6] = n_users;
  lengths[n_items - 1] = n_users / 3;
  const Case c = {NewSparseMatrix(lengths, n_users, 4), NewSparseMatrix(Lengths(n_users, 40, 5), n_items, 6), {}, true};
  for (int64_t k : {1, 20, 1000}) ExpectReference(c, k);
}

TEST_P(SparseTopKTest, OfEqualValuesTheLowerColumnsAreKept) {
  const auto one = [](auto&) { return 1.0f; };
  const auto one_or_two = [](auto& engine) { return static_cast<float>(1 + engine() % 2); };
  Case c = {NewSparseMatrix({1, 5, 9, 20}, 20, 7, one), NewSparseMatrix(Lengths(20, 90, 8), 90, 9, one), {}};
  for (int64_t k : {1, 7, 32, 64, 89}) ExpectReference(c, k);
  c.right = NewSparseMatrix(Lengths(20, 90, 8), 90, 9, one_or_two);
  for (int64_t k : {1, 7, 32, 64, 89}) ExpectReference(c, k);
}

// Zeros, subnormal values, values that the sum or the scale rounds to 0 or to infinity.
TEST_P(SparseTopKTest, OnlyValuesAboveZeroCount) {
  const auto any = [](std::mt19937_64& engine) {
    constexpr float kValues[] = {0, 0, 1e-45f, 1e-38f, 1e-20f, 1e-10f, 1, 3, 1e20f, 3e38f};
    return kValues[engine() % std::size(kValues)];
  };
  Case c = {NewSparseMatrix(Lengths(40, 12, 10), 30, 11, any), NewSparseMatrix(Lengths(30, 20, 12), 50, 13, any), {}};
  for (int64_t k : {3, 60}) ExpectReference(c, k);
  constexpr float kScales[] = {1, 0, -1, std::numeric_limits<float>::quiet_NaN(), 1e-40f, 0.5f, INFINITY, -INFINITY};
  for (int64_t i = 0; i < 50; ++i) c.column_scale.push_back(kScales[i % std::ssize(kScales)]);
  for (int64_t k : {3, 60}) ExpectReference(c, k);
}

// 1 + 2^-24 lies between two floats and goes to the even one, 1. What a sum of small terms adds to it is lost in
// double where they come last and one by one, and tips the balance where they come first.
TEST_P(SparseTopKTest, TheSumIsInDoubleInTheOrderOfTheInnerIndex) {
  const std::vector<float> terms = {1, 0x1p-24f, 0x1p-54f, 0x1p-54f, 0x1p-54f, 0x1p-54f, 0x1p-54f, 0x1p-54f};
  Case c;
  c.left = {std::ssize(terms), {0, std::ssize(terms)}, {0, 1, 2, 3, 4, 5, 6, 7}, std::vector<float>(terms.size(), 1)};
  c.right.n_cols = 2;
  for (size_t u = 0; u < terms.size(); ++u) {
    c.right.indices.insert(c.right.indices.end(), {0, 1});
    c.right.values.insert(c.right.values.end(), {terms[u], terms[terms.size() - 1 - u]});
    c.right.indptr.push_back(std::ssize(c.right.indices));
  }
  EXPECT_EQ(Best(c, 2).values, (std::vector<float>{1, 1 + 0x1p-23f}));
  ExpectReference(c, 2);
}

TEST_P(SparseTopKTest, BothFactorsMayBeTheSame) {
  const SparseMatrix matrix = NewSparseMatrix(Lengths(50, 20, 18), 50, 19);
  const auto rows = backend().NewSparseRows(matrix.view(), {}, nullptr);
  const Resident<int32_t> items(backend(), 50, 7);
  const Resident<float> values(backend(), 50, 7);
  backend().MultiplySparseTopK(context(), {rows.get(), rows.get(), {}, true, items.matrix(), values.matrix()});
  const Lists expected = Expected({matrix, matrix, {}, true}, 7);
  EXPECT_EQ(ToHost(items), expected.items);
  EXPECT_EQ(ToHost(values), expected.values);
}

TEST_P(SparseTopKTest, RowsOfTheLeftThatAreNotResidentGiveTheSameBits) {
  const Case c = {NewSparseMatrix(Lengths(90, 60, 20), 80, 21), NewSparseMatrix(Lengths(80, 30, 22), 70, 23), {}, true};
  ExpectReference(c, 9, /*max_entry_bytes=*/2000);
}

// The workspace is used again, for other rows and another number of columns.
TEST_P(SparseTopKTest, CallsDoNotSeeEachOther) {
  for (int64_t n_cols : {200, 7, 90, 300})
    ExpectReference({NewSparseMatrix(Lengths(30, 20, 24), 40, 25), NewSparseMatrix(Lengths(40, 7, 26), n_cols, 27), {}},
                    5);
}

TEST_P(SparseTopKTest, BitsDoNotDependOnTheThreads) {
  const int64_t n_users = Allowance(300, 60), n_items = Allowance(400, 70);
  std::vector<int64_t> lengths = Lengths(n_items, 20, 28);
  lengths[50] = n_users;
  const Case c = {
      NewSparseMatrix(lengths, n_users, 29), NewSparseMatrix(Lengths(n_users, 50, 30), n_items, 31), {}, true};
  const auto best = [&](int n_threads) {
    const auto backend = NewTestBackend(GetParam(), n_threads);
    return Best(*backend, *backend->NewContext(), c, 10);
  };
  EXPECT_EQ(best(1), best(4));
}

TEST_P(SparseTopKTest, WhatDoesNotFitIsRefusedAtTheCall) {
  const SparseMatrix left = NewSparseMatrix({1, 2}, 3, 1), right = NewSparseMatrix({1, 2, 3}, 4, 2);
  const auto rows = backend().NewSparseRows(left.view(), {}, nullptr),
             by = backend().NewSparseRows(right.view(), {}, nullptr);
  const auto refused = [&](const char* part, const SparseRows& r, int64_t n_scales, int64_t n_rows, int64_t k) {
    const Resident<float> scales(backend(), n_scales), values(backend(), n_rows, 2);
    const Resident<int32_t> items(backend(), n_rows, k);
    ExpectError(ErrorCode::kInvalidArgument, part, [&] {
      backend().MultiplySparseTopK(context(), {rows.get(), &r, scales.view(), false, items.matrix(), values.matrix()});
    });
  };
  refused("do not fit each other", *rows, 0, 2, 2);
  refused("not one scale a column", *by, 3, 2, 2);
  refused("do not fit the rows", *by, 0, 3, 2);
  refused("do not fit the rows", *by, 0, 2, 3);
}

TEST_P(SparseTopKTest, ARightFactorThatIsNotResidentIsRefused) {
  const SparseMatrix matrix = NewSparseMatrix({5, 5, 5, 5, 5}, 5, 32);
  const auto rows = backend().NewSparseRows(matrix.view(), {}, nullptr, /*max_entry_bytes=*/8);
  const Resident<float> values(backend(), 5, 2);
  const Resident<int32_t> items(backend(), 5, 2);
  const auto multiply = [&] {
    backend().MultiplySparseTopK(context(), {rows.get(), rows.get(), {}, false, items.matrix(), values.matrix()});
  };
  if (GetParam().starts_with("cuda") || GetParam().starts_with("emulated")) {
    ExpectError(ErrorCode::kInvalidArgument, "the right factor is not resident", multiply);
  } else {  // in place where the host has it
    multiply();
    context().Wait();
  }
}

KINDRED_ON_ALL_BACKENDS(SparseTopKTest);

}  // namespace
}  // namespace kindred
