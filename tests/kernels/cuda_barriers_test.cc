// Shapes for single barriers of the CUDA kernels (scripts/mutate.py) that no other small test needs. On the emulator
// only, and small, so that they run under ThreadSanitizer too.
#include <cmath>

#include "tests/reference/reference.h"
#include "tests/support/backends.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

class AlsBarriersTest : public BackendTest {
 protected:
  // One row of n_items entries whose data leave directions to the regularization alone: float32 gives up.
  void SolveInDouble(int64_t f, int64_t n_items) {
    constexpr float kUnobserved = 1e-3f, kRegularization = 0.5f, kWeight = 1e5f;
    std::vector<float> fixed = RandomNormal(n_items * f, /*seed=*/51);
    const int64_t n_distinct = f / 2;
    for (int64_t e = n_distinct * f; e < n_items * f; ++e)
      fixed[static_cast<size_t>(e)] = fixed[static_cast<size_t>(e % (n_distinct * f))];
    const std::vector<int64_t> indptr = {0, n_items};
    std::vector<int32_t> indices;
    for (int32_t i = 0; i < n_items; ++i) indices.push_back(i);
    const std::vector<float> weights(indices.size(), kWeight);
    const CsrView rows = {1, n_items, indptr, indices, weights};

    const Resident<float> y = ToBackend(fixed, n_items, f), l = ToBackend(std::vector<float>{kRegularization}, 1);
    const Resident<float> eigenvalues(backend(), f), x(backend(), 1, f);
    const auto observed = backend().NewSparseRows(rows, {}, nullptr);
    backend().Diagonalize(context(), y.matrix(), eigenvalues.view());
    backend().SolveAls(context(), {observed.get(), y.matrix(), eigenvalues.view(), kUnobserved, l.view(), x.matrix(),
                                   View<double>(), View<double>()});
    context().Wait();
    const std::vector<float> rotated = ToHost(y), found = ToHost(x);
    const auto expected =
        reference::AlsRow({rotated.data(), n_items, f}, indices, weights, weights, kUnobserved, kRegularization);
    for (size_t k = 0; k < found.size(); ++k) ASSERT_NEAR(found[k], expected[k], 2e-4) << "f " << f << ", factor " << k;
  }
};

TEST_P(AlsBarriersTest, SystemsInDoubleLargerThanABlockOfCholesky) {
  for (const int64_t f : {33, 40, 70}) SolveInDouble(f, f + 10);
}

INSTANTIATE_TEST_SUITE_P(Backends, AlsBarriersTest, ::testing::Values("emulated"),
                         [](const auto& param_info) { return param_info.param; });

}  // namespace
}  // namespace kindred
