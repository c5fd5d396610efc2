#include <algorithm>
#include <vector>

#include "tests/kernels/sparse_fixture.h"
#include "tests/reference/reference.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

class SparseProductTest : public BackendTest {
 protected:
  std::vector<float> Product(const SparseMatrix& matrix, const std::vector<float>& b, int64_t width,
                             int64_t max_entry_bytes = INT64_MAX) {
    const auto rows = backend().NewSparseRows(matrix.view(), {}, nullptr, max_entry_bytes);
    const Resident<float> dense = ToBackend(b, matrix.n_cols, width);
    const Resident<float> product(backend(), rows->n_rows(), width);
    backend().MultiplySparse(context(), *rows, dense.matrix(), product.matrix());
    return ToHost(product);
  }

  void ExpectReference(const SparseMatrix& matrix, int64_t width, int64_t max_entry_bytes = INT64_MAX) {
    const std::vector<float> b = RandomNormal(matrix.n_cols * width, /*seed=*/2);
    const std::vector<float> found = Product(matrix, b, width, max_entry_bytes);
    const auto expected = reference::SparseProduct(matrix.view(), {b.data(), matrix.n_cols, width});
    for (size_t i = 0; i < found.size(); ++i) {
      const auto length = static_cast<double>(matrix.view().row(static_cast<int64_t>(i) / width).size());
      ASSERT_NEAR(found[i], expected[i], 2e-6 * (1 + length)) << "entry " << i;
    }
  }
};

TEST_P(SparseProductTest, EqualsTheReferenceOverShapes) {
  for (int64_t width : {1, 3, 15, 16, 17, 31, 32, 33, 48, 64, 80, 100, 128, 132, 260}) {
    SCOPED_TRACE(testing::Message() << "width " << width);
    ExpectReference(NewSparseMatrix({0, 1, 7, 0, 31, 32, 33, 100, 2, 0}, 110, /*seed=*/1), width);
  }
  ExpectReference(NewSparseMatrix({}, 5, 1), 16);
  ExpectReference(NewSparseMatrix({0, 0}, 5, 1), 16);
  ExpectReference(NewSparseMatrix(std::vector<int64_t>(700, 3), 40, 1), 16);
}

TEST_P(SparseProductTest, LongRowsAreCutInPieces) {
  const int64_t longest = Allowance(30'000, 5'000), n_cols = std::max<int64_t>(longest, 9000);
  for (int64_t width : {16, 30, 128})
    ExpectReference(NewSparseMatrix({1023, 1024, 1025, 0, longest, 8192, 3, 8193}, n_cols, /*seed=*/3), width);
}

TEST_P(SparseProductTest, RowsThatAreNotResidentGiveTheSameBits) {
  const SparseMatrix matrix = NewSparseMatrix({5, 90, 0, 1100, 40, 1, 60, 2000, 7}, 2100, /*seed=*/4);
  const std::vector<float> b = RandomNormal(matrix.n_cols * 32, /*seed=*/5);
  EXPECT_EQ(Product(matrix, b, 32), Product(matrix, b, 32, /*max_entry_bytes=*/4000));
}

TEST_P(SparseProductTest, BitsDoNotDependOnTheThreads) {
  const SparseMatrix matrix = NewSparseMatrix({9000, 17, 20000, 3, 0, 400}, 20100, /*seed=*/6);
  const std::vector<float> b = RandomNormal(matrix.n_cols * 16, /*seed=*/7);
  const auto product = [&](int n_threads) {
    const auto backend = NewTestBackend(GetParam(), n_threads);
    const auto context = backend->NewContext();
    const auto rows = backend->NewSparseRows(matrix.view(), {}, nullptr);
    const Resident<float> dense(*backend, matrix.n_cols, 16), result(*backend, rows->n_rows(), 16);
    std::vector<float> values(static_cast<size_t>(rows->n_rows() * 16));
    dense.Upload(*backend, *context, b);
    backend->MultiplySparse(*context, *rows, dense.matrix(), result.matrix());
    result.Download(*backend, *context, std::span<float>(values));
    context->Wait();
    return values;
  };
  EXPECT_EQ(product(1), product(4));
}

TEST_P(SparseProductTest, ShapesThatDoNotFitAreRefusedAtTheCall) {
  const SparseMatrix matrix = NewSparseMatrix({1, 2}, 3, 1);
  const auto rows = backend().NewSparseRows(matrix.view(), {}, nullptr);
  const Resident<float> right(backend(), 3, 16), wrong(backend(), 2, 17);
  ExpectError(ErrorCode::kInvalidArgument, "the matrices do not fit",
              [&] { backend().MultiplySparse(context(), *rows, right.matrix(), wrong.matrix()); });
}

KINDRED_ON_ALL_BACKENDS(SparseProductTest);

}  // namespace
}  // namespace kindred
