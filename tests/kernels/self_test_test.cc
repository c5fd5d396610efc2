// The self-test itself: every right backend passes it, at both precisions. That wrong ones do not: plugin_test.cc.
#include "kernels/self_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/backends.h"

namespace kindred {
namespace {

class SelfTestTest : public BackendTest {};

TEST_P(SelfTestTest, Passes) {
  EXPECT_THAT(SelfTest(backend()), testing::ContainsRegex("within [0-9.e-]+ of the CPU's .* the same to the bit"));
}

KINDRED_ON_ALL_BACKENDS(SelfTestTest);

}  // namespace
}  // namespace kindred
