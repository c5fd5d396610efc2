// That a fit can be measured at all, on shapes of every kind; that the figures are right is the bench als-scale's to
// show.
#include "host/models/als_cost.h"

#include <cmath>

#include "tests/support/backends.h"
#include "tests/support/interactions.h"

namespace kindred {
namespace {

class AlsCostTest : public BackendTest {};

TEST_P(AlsCostTest, ShapesOfEveryKind) {
  using Shape = std::pair<int64_t, int64_t>;
  for (const auto& [n_users, n_items] : {Shape{0, 0}, {0, 3}, {1, 1}, {2, 31}, {33, 2}, {64, 65}})
    for (const int64_t f : {1, 33}) {
      SCOPED_TRACE(testing::Message() << n_users << " x " << n_items << ", f " << f);
      AlsOptions options;
      options.n_factors = f;
      const Csr interactions = RandomInteractions(n_users, n_items, 3, 5);
      const AlsSeconds seconds = MeasureAls(backend(), interactions.view(), options);
      for (const double part : {seconds.begin, seconds.users, seconds.items}) {
        EXPECT_TRUE(std::isfinite(part));
        EXPECT_GE(part, 0);
      }
      EXPECT_DOUBLE_EQ(seconds.fit(3, 2), seconds.begin + 3 * seconds.users + 2 * seconds.items);
    }
}

TEST_P(AlsCostTest, EveryWayToSolveIsMeasured) {
  const Csr interactions = RandomInteractions(40, 50, 2, 5);
  for (const AlsMethod method : {AlsMethod::kExact, AlsMethod::kConjugateGradient, AlsMethod::kBlocks})
    for (const Feedback feedback : {Feedback::kImplicit, Feedback::kExplicit}) {
      AlsOptions options;
      options.n_factors = 16;
      options.solver.method = method;
      options.objective.feedback = feedback;
      EXPECT_GT(MeasureAls(backend(), interactions.view(), options).items, 0);
    }
}

TEST_P(AlsCostTest, SingularSystemsAreNoError) {
  AlsOptions options;
  options.n_factors = 20;
  options.objective.regularization = options.objective.unobserved_weight = 0;
  EXPECT_GT(MeasureAls(backend(), RandomInteractions(30, 40, 4, 5).view(), options).users, 0);
}

KINDRED_ON_ALL_BACKENDS(AlsCostTest);

}  // namespace
}  // namespace kindred
