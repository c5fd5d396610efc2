#include "training/stop_request.h"

#include <gtest/gtest.h>

namespace kindred {
namespace {

TEST(StopRequest, TakesTheFirstDown) {
  StopRequest request;
  EXPECT_EQ(request.reason(), "");
  std::raise(SIGTERM);
  EXPECT_EQ(request.reason(), "SIGTERM");
}

TEST(StopRequest, ASecondEndsTheProcess) {
  for (const int first : {SIGINT, SIGTERM})
    for (const int second : {SIGINT, SIGTERM})
      EXPECT_EXIT(
          {
            StopRequest request;
            std::raise(first);
            std::raise(second);
          },
          testing::KilledBySignal(second), "stopping as soon as");
}

// Threads may take one each before either has put the defaults back.
TEST(StopRequest, AlsoWhereTwoComeAtOnce) {
  EXPECT_EXIT(
      {
        StopRequest request;
        struct sigaction taken;
        ::sigaction(SIGTERM, nullptr, &taken);
        taken.sa_handler(SIGTERM);
        taken.sa_handler(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "stopping as soon as");
}

TEST(StopRequest, PutsBackWhatWas) {
  struct sigaction before, after;
  ::sigaction(SIGTERM, nullptr, &before);
  { StopRequest request; }
  ::sigaction(SIGTERM, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

}  // namespace
}  // namespace kindred
