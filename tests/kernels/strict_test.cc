// The strict backend itself: that it catches what it is for.
#include "tests/support/strict_backend.h"

#include <gtest/gtest.h>

#include <cmath>

namespace kindred {
namespace {

TEST(StrictBackend, RejectsMemoryItDidNotAllocate) {
  const auto backend = NewStrictBackend(1), other = NewStrictBackend(1);
  const auto context = backend->NewContext();
  std::vector<float> host(4);
  const Resident<float> own(*backend, 2, 2), foreign(*other, 2, 2);
  EXPECT_NO_THROW(backend->Gram(*context, own.matrix(), own.matrix()));
  EXPECT_THROW(backend->Gram(*context, {host.data(), 2, 2}, own.matrix()), Error);
  EXPECT_THROW(backend->Gram(*context, foreign.matrix(), own.matrix()), Error);
  EXPECT_THROW(backend->Gram(*context, {own.matrix().data, 3, 2}, own.matrix()), Error);
}

TEST(StrictBackend, RejectsMemoryThatIsGone) {
  const auto backend = NewStrictBackend(1);
  const auto context = backend->NewContext();
  MatrixView<float> dangling;
  { dangling = Resident<float>(*backend, 2, 2).matrix(); }
  EXPECT_THROW(backend->Gram(*context, dangling, dangling), Error);
}

TEST(StrictBackend, NothingIsDoneBeforeWait) {
  const auto backend = NewStrictBackend(1);
  const auto context = backend->NewContext();
  const Resident<float> a(*backend, 1);
  const std::vector<float> from = {3};
  std::vector<float> to = {-1};
  a.Upload(*backend, *context, from);
  a.Download(*backend, *context, std::span<float>(to));
  EXPECT_EQ(to[0], -1);
  context->Wait();
  EXPECT_EQ(to[0], 3);
}

TEST(StrictBackend, NewMemoryIsNotANumber) {
  const auto backend = NewStrictBackend(1);
  const auto context = backend->NewContext();
  std::vector<float> to = {0};
  const Resident<float> a(*backend, 1);
  a.Download(*backend, *context, std::span<float>(to));
  context->Wait();
  EXPECT_TRUE(std::isnan(to[0]));
}

}  // namespace
}  // namespace kindred
