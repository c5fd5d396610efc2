// The approximate methods of AlsSolver against the same methods in double.
#include <cmath>

#include "tests/kernels/als_fixture.h"
#include "tests/reference/reference.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

constexpr float kUnobserved = 0.1f;
constexpr int64_t kAlwaysApproximate = 4096;  // entries above which a backend may solve exactly

AlsSolver Gradients(int64_t n_steps) {
  return {AlsMethod::kConjugateGradient, n_steps};
}
AlsSolver Blocks(int64_t n_sweeps, int64_t block_size) {
  return {AlsMethod::kBlocks, n_sweeps, block_size};
}

class AlsApproximateTest : public AlsFixture {
 protected:
  // Rows of these lengths, their regularization, the side they answer to, and factors to start from.
  struct Problem {
    Problem(int64_t n_factors, int64_t n_cols, const std::vector<int64_t>& lengths) : f(n_factors) {
      const auto seed = static_cast<uint64_t>(n_factors);
      std::mt19937_64 engine(seed);
      rows.n_cols = n_cols;
      for (int64_t count : lengths) {
        rows.Add(count, engine);
        regularization.push_back(0.5f + static_cast<float>(regularization.size() % 5));
      }
      fixed = RandomNormal(n_cols * f, seed);
      start = RandomNormal(rows.n_rows() * f, seed + 1);
      for (float& v : fixed) v /= std::sqrt(static_cast<float>(f));
      for (float& v : start) v /= std::sqrt(static_cast<float>(f));
    }
    std::span<const float> Targets(int64_t r, bool use_targets) const {
      const auto weights = rows.view().row_values(r);
      return use_targets ? std::span(rows.targets).subspan(static_cast<size_t>(rows.indptr[r]), weights.size())
                         : weights;
    }

    int64_t f;
    AlsRows rows;
    std::vector<float> regularization, fixed, start;
  };

  Solution SolveProblem(const Problem& p, const AlsSolver& solver, bool use_targets, bool warm) {
    return SolveFrom(warm ? p.start : std::vector<float>(), solver, p.rows, use_targets, p.fixed, p.f, kUnobserved,
                     p.regularization);
  }

  // What row r should have become, in double.
  static std::vector<double> Expected(const Problem& p, const AlsSolver& solver, bool use_targets,
                                      const Solution& found, int64_t r) {
    const HostMatrix<const float> y = {found.fixed.data(), p.rows.n_cols, p.f};
    const auto indices = p.rows.view().row(r);
    const auto weights = p.rows.view().row_values(r), targets = p.Targets(r, use_targets);
    const float l = p.regularization[static_cast<size_t>(r)];
    const auto n = static_cast<int64_t>(indices.size());
    if (n <= solver.MaxExactEntries(p.f)) return reference::AlsRow(y, indices, weights, targets, kUnobserved, l);
    const std::vector<double> start(found.start.begin() + r * p.f, found.start.begin() + (r + 1) * p.f);
    if (solver.method == AlsMethod::kBlocks)
      return reference::AlsRowByBlocks(y, indices, weights, targets, kUnobserved, l, start, solver.n_steps,
                                       solver.block_size);
    return reference::AlsRowByGradients(y, indices, weights, targets, kUnobserved, l, start, solver.n_steps);
  }

  static double Loss(const Problem& p, bool use_targets, const Solution& found, int64_t r, std::span<const double> x) {
    return reference::AlsRowLoss({found.fixed.data(), p.rows.n_cols, p.f}, p.rows.view().row(r),
                                 p.rows.view().row_values(r), p.Targets(r, use_targets), kUnobserved,
                                 p.regularization[static_cast<size_t>(r)], x);
  }

  // Factors, and the two figures, which are those of the factors that are there.
  static void CompareRow(const Problem& p, const AlsSolver& solver, bool use_targets, const Solution& found,
                         int64_t r) {
    const std::vector<double> expected = Expected(p, solver, use_targets, found, r);
    const std::vector<double> x(found.solved.begin() + r * p.f, found.solved.begin() + (r + 1) * p.f);
    const std::vector<double> start(found.start.begin() + r * p.f, found.start.begin() + (r + 1) * p.f);
    double norm = 0, error = 0, found_norm = 0, start_norm = 0;
    for (size_t k = 0; k < x.size(); ++k) {
      start_norm += start[k] * start[k];
      norm += expected[k] * expected[k];
      error += (x[k] - expected[k]) * (x[k] - expected[k]);
      found_norm += x[k] * x[k];
    }
    const auto place = static_cast<size_t>(r);
    ASSERT_LE(std::sqrt(error), 5e-5 * std::sqrt(norm) + 1e-6 * std::sqrt(start_norm) + 1e-7) << "row " << r;
    ASSERT_NEAR(found.squared_norm[place], found_norm, 1e-6 * found_norm + 1e-12) << "row " << r;
    const auto weights = p.rows.view().row_values(r), targets = p.Targets(r, use_targets);
    double magnitude = 1 + std::abs(Loss(p, use_targets, found, r, start));
    for (size_t e = 0; e < weights.size(); ++e)
      magnitude += weights[e] > 0 ? targets[e] * targets[e] / weights[e] : std::abs(targets[e]);
    ASSERT_NEAR(found.loss[place], Loss(p, use_targets, found, r, x), 2e-5 * magnitude) << "row " << r;
  }

  std::vector<int64_t> Factors() const {
    if (Allowance(2, 1) == 1) return {1, 33, 64};
    return {1, 2, 9, 31, 32, 33, 64, 100};
  }

  void CompareWithReference(const AlsSolver& solver, int64_t f, int64_t n_cols, const std::vector<int64_t>& lengths) {
    const Problem problem(f, n_cols, lengths);
    for (const bool use_targets : Allowance(2, 1) == 2 ? std::vector<bool>{false, true} : std::vector<bool>{true})
      for (const bool warm : {false, true}) {
        SCOPED_TRACE(testing::Message() << "f " << f << ", steps " << solver.n_steps << ", blocks " << solver.block_size
                                        << ", targets " << use_targets << ", warm " << warm);
        const Solution found = SolveProblem(problem, solver, use_targets, warm);
        for (int64_t r = 0; r < problem.rows.n_rows(); ++r)
          ASSERT_NO_FATAL_FAILURE(CompareRow(problem, solver, use_targets, found, r));
      }
  }
};

const std::vector<int64_t> kLengths = {0, 1, 31, 32, 33, 2, 15, 16, 17, 34, 48, 63, 64, 65, 100, 101, 129, 257, 600};

TEST_P(AlsApproximateTest, GradientsEqualTheReferenceOverShapes) {
  for (int64_t f : Factors())
    for (int64_t n_steps : {1, 3}) CompareWithReference(Gradients(n_steps), f, 600, kLengths);
}

TEST_P(AlsApproximateTest, BlocksEqualTheReferenceOverShapes) {
  for (int64_t f : Factors())
    for (int64_t block_size : {8, 24}) CompareWithReference(Blocks(2, block_size), f, 600, kLengths);
}

TEST_P(AlsApproximateTest, LargeBlocksEqualTheReference) {
  for (int64_t f : {130, 200}) CompareWithReference(Blocks(1, 64), f, 400, {100, 140, 300});
  CompareWithReference(Blocks(1, 64), 260, 300, {40, 300});
}

TEST_P(AlsApproximateTest, ManyFactorsEqualTheReference) {
  CompareWithReference(Gradients(2), 300, 160, {20, 150});
  CompareWithReference(Blocks(1, 40), 300, 160, {20, 150});
}

TEST_P(AlsApproximateTest, HugeRowsEqualTheReference) {
  for (const AlsSolver& solver : {Gradients(2), Blocks(1, 16)})
    CompareWithReference(solver, Allowance(64, 40), 4000, {Allowance(3000, 1400), 4000, 3});
}

TEST_P(AlsApproximateTest, SmallRows) {
  CompareWithReference(Gradients(1), 20, 80, {0, 1, 16, 17, 40, 70});
  CompareWithReference(Blocks(1, 8), 20, 80, {0, 1, 16, 17, 40, 70});
}

TEST_P(AlsApproximateTest, RowsThatABackendMaySolveExactlyAreNoWorseThanTheMethod) {
  const int64_t f = 40;
  const Problem p(f, kAlwaysApproximate + 700, {kAlwaysApproximate + 1, kAlwaysApproximate + 700});
  for (const AlsSolver& solver : {Gradients(2), Blocks(1, 16)}) {
    const Solution found = SolveProblem(p, solver, true, true);
    for (int64_t r = 0; r < 2; ++r) {
      const std::vector<double> x(found.solved.begin() + r * f, found.solved.begin() + (r + 1) * f);
      const double expected = Loss(p, true, found, r, Expected(p, solver, true, found, r));
      EXPECT_LE(Loss(p, true, found, r, x), expected + 1e-6 * std::abs(expected)) << "row " << r;
    }
  }
}

TEST_P(AlsApproximateTest, EnoughStepsAreExact) {
  const int64_t f = Allowance(40, 20);
  const Problem p(f, 300, {60, 200, 300, 5});
  for (const AlsSolver& solver : {Gradients(Allowance(80, 30)), Blocks(Allowance(60, 30), 16)}) {
    const Solution found = SolveProblem(p, solver, true, false);
    for (int64_t r = 0; r < p.rows.n_rows(); ++r) {
      const auto expected =
          reference::AlsRow({found.fixed.data(), p.rows.n_cols, f}, p.rows.view().row(r), p.rows.view().row_values(r),
                            p.Targets(r, true), kUnobserved, p.regularization[static_cast<size_t>(r)]);
      for (int64_t k = 0; k < f; ++k)
        ASSERT_NEAR(found.solved[static_cast<size_t>(r * f + k)], expected[static_cast<size_t>(k)], 2e-5)
            << "row " << r;
    }
  }
}

TEST_P(AlsApproximateTest, BlocksOfAllFactorsAreExact) {
  for (int64_t f : {1, 31, 64}) {
    const Problem p(f, 200, {0, 1, 64, 200});
    const Solution found = SolveProblem(p, Blocks(1, 64), true, true), exact = SolveProblem(p, {}, true, true);
    EXPECT_EQ(found.solved, exact.solved);
    EXPECT_EQ(found.loss, exact.loss);
  }
}

TEST_P(AlsApproximateTest, TheLossFallsStepByStepToTheMinimum) {
  const Problem p(50, 300, {120, 200, 300});
  const Solution exact = SolveProblem(p, {}, true, true);
  for (const auto method : {AlsMethod::kConjugateGradient, AlsMethod::kBlocks}) {
    std::vector<double> last(3, INFINITY);
    for (int64_t n_steps : {1, 2, 3, 5, 8}) {
      const Solution found = SolveProblem(p, {method, n_steps, 16}, true, true);
      for (size_t r = 0; r < 3; ++r) {
        EXPECT_LE(found.loss[r], last[r] + 1e-5 * std::abs(last[r])) << "row " << r << ", " << n_steps << " steps";
        EXPECT_GE(found.loss[r], exact.loss[r] - 1e-5 * std::abs(exact.loss[r])) << "row " << r;
        last[r] = found.loss[r];
      }
    }
  }
}

TEST_P(AlsApproximateTest, ADiagonalWithZerosIsNoObstacle) {
  const int64_t f = 12;
  Problem p(f, 100, {60, 100});
  p.regularization = {0, 0};
  const Solution found = SolveFrom({}, Gradients(60), p.rows, true, p.fixed, f, 0, p.regularization);
  for (int64_t r = 0; r < 2; ++r) {
    const auto expected = reference::AlsRow({found.fixed.data(), 100, f}, p.rows.view().row(r),
                                            p.rows.view().row_values(r), p.Targets(r, true), 0, 0);
    for (int64_t k = 0; k < f; ++k)
      ASSERT_NEAR(found.solved[static_cast<size_t>(r * f + k)], expected[static_cast<size_t>(k)], 1e-4) << "row " << r;
  }
}

TEST_P(AlsApproximateTest, NumbersThatDoNotStayFiniteAreSolvedExactly) {
  const int64_t f = 12;
  Problem p(f, 60, {60, 50, 5});
  for (int64_t r = 0; r < 3; ++r) p.start[static_cast<size_t>(r * f + 3)] = r == 1 ? INFINITY : NAN;
  for (const AlsSolver& solver : {Gradients(2), Blocks(1, 8)}) {
    const Solution found = SolveProblem(p, solver, true, true), exact = SolveProblem(p, {}, true, false);
    for (size_t i = 0; i < found.solved.size(); ++i) ASSERT_NEAR(found.solved[i], exact.solved[i], 2e-5) << i;
    for (size_t r = 0; r < 3; ++r) ASSERT_NEAR(found.loss[r], exact.loss[r], 2e-5 * (1 + std::abs(exact.loss[r]))) << r;
  }
}

TEST_P(AlsApproximateTest, HugeWeightsStayFinite) {
  Problem p(12, 60, {60, 50});
  for (float& w : p.rows.weights) w = 1e30f;
  for (const AlsSolver& solver : {Gradients(2), Blocks(1, 8)})
    for (float v : SolveProblem(p, solver, false, true).solved) ASSERT_TRUE(std::isfinite(v));
}

TEST_P(AlsApproximateTest, BitsDoNotDependOnWhereTheEntriesLieNorOnThreads) {
  std::vector<int64_t> lengths;
  for (int64_t r = 0; r < 40; ++r) lengths.push_back(r % 9 == 0 ? 0 : r * 7 % 90);
  lengths.push_back(300);
  const Problem p(20, 300, lengths);
  for (const AlsSolver& solver : {Gradients(1), Blocks(1, 8)}) {
    const Solution expected = SolveProblem(p, solver, true, true);
    for (int64_t max_entry_bytes : {0, 1000, 9000}) {
      const Solution found =
          SolveFrom(p.start, solver, p.rows, true, p.fixed, p.f, kUnobserved, p.regularization, max_entry_bytes);
      ASSERT_EQ(found.solved, expected.solved) << max_entry_bytes;
      ASSERT_EQ(found.loss, expected.loss) << max_entry_bytes;
    }
    for (int n_threads : {1, 3, 7}) {
      const auto other = NewTestBackend(GetParam(), n_threads);
      const auto queue = other->NewContext();
      const int64_t n_rows = p.rows.n_rows();
      const Resident<float> y(*other, 300, p.f), e(*other, p.f), l(*other, n_rows), x(*other, n_rows, p.f);
      y.Upload(*other, *queue, p.fixed);
      l.Upload(*other, *queue, p.regularization);
      x.Upload(*other, *queue, p.start);
      const auto observed = other->NewSparseRows(p.rows.view(), p.rows.targets, nullptr);
      other->Diagonalize(*queue, y.matrix(), e.view(), x.matrix());
      other->SolveAls(*queue,
                      {observed.get(), y.matrix(), e.view(), kUnobserved, l.view(), x.matrix(), {}, {}, solver});
      std::vector<float> solved(p.start.size());
      x.Download(*other, *queue, solved);
      queue->Wait();
      ASSERT_EQ(solved, expected.solved) << n_threads << " threads";
    }
  }
}

TEST_P(AlsApproximateTest, SolversThatMakeNoSenseAreRefused) {
  const Problem p(4, 10, {3});
  for (const AlsSolver& solver :
       {Gradients(0), Gradients(1001), Blocks(1, 0), Blocks(1, 12), Blocks(1, 136), Blocks(0, 8)})
    ExpectError(ErrorCode::kInvalidArgument, "solver", [&] { SolveProblem(p, solver, false, true); });
}

KINDRED_ON_ALL_BACKENDS(AlsApproximateTest);

}  // namespace
}  // namespace kindred
