// Every planted bug is reported, each in a process of its own: some end by a sanitizer or a signal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/simt/planted.h"
#include "tests/support/errors.h"

namespace kindred::simt {
namespace {

#if defined(KINDRED_SIMT_TSAN)
constexpr bool kTsan = true, kAsan = false;
#elif defined(KINDRED_SIMT_ASAN)
constexpr bool kTsan = false, kAsan = true;
#else
constexpr bool kTsan = false, kAsan = false;
#endif

constexpr int kRight = 0, kWrongValues = 3, kReported = 4, kByTsan = 66;

struct Outcome {
  int status;  // 128 + n: signal n
  std::string output;
};

Outcome RunPlanted(const std::string& name, const std::string& order = "forward") {
  const std::string command = "KINDRED_SIMT_ORDER=" + order + " '" SIMT_PLANTED "' " + name + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  Outcome outcome = {-1, ""};
  if (pipe == nullptr) return outcome;
  std::array<char, 4096> buffer;
  for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) outcome.output.append(buffer.data(), n);
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

std::set<int> StatusesUnderOrders(const std::string& name) {
  std::set<int> statuses;
  for (const char* order : {"forward", "reverse", "random:1"}) {
    const Outcome outcome = RunPlanted(name, order);
    if (outcome.status == kByTsan) {
      EXPECT_THAT(outcome.output, testing::HasSubstr("data race")) << name;
    }
    statuses.insert(outcome.status);
  }
  return statuses;
}

TEST(Planted, RacesShowInValuesUnderSomeOrderOrUnderThreadSanitizer) {
  for (const char* name : {"missing_barrier", "early_copy", "race_of_blocks"}) {
    if (kTsan) {
      EXPECT_EQ(StatusesUnderOrders(name), std::set<int>{kByTsan}) << name;
    } else {
      EXPECT_TRUE(StatusesUnderOrders(name).contains(kWrongValues)) << name;
    }
  }
  for (const char* name : {"missing_second_barrier", "shuffle_for_barrier"})
    EXPECT_EQ(StatusesUnderOrders(name), std::set<int>{kTsan ? kByTsan : kRight}) << name;
}

TEST(Planted, AMissingWaitShowsInValuesUnderEveryOrder) {
  for (const int status : StatusesUnderOrders("missing_wait"))
    EXPECT_TRUE(status == kWrongValues || status == kByTsan) << status;
}

TEST(Planted, AccessesPastTheEndOfSharedMemory) {
  const Outcome read = RunPlanted("read_past_end");
  EXPECT_EQ(read.status, kAsan ? 1 : kWrongValues) << read.output;
  if (kAsan) {
    EXPECT_THAT(read.output, testing::ContainsRegex("use-after-poison(.|\n)*planted.cu:[0-9]+"));
  }
  for (const auto& [name, array] :
       {std::pair{"write_dynamic_past_end", "past the end of 'values' \\(128 bytes .*planted.cu:[0-9]+\\)"},
        std::pair{"write_static_past_end", "past the end of 'values' \\(28 bytes .*planted.cu:[0-9]+\\)"}}) {
    const Outcome write = RunPlanted(name);
    EXPECT_EQ(write.status, kAsan ? 1 : kReported) << write.output;
    EXPECT_THAT(write.output, testing::ContainsRegex(kAsan ? "use-after-poison(.|\n)*planted.cu:[0-9]+" : array));
  }
}

TEST(Planted, ADeepStackMeetsTheGuardPage) {
  EXPECT_GE(RunPlanted("deep_stack").status, kAsan ? 1 : kTsan ? kByTsan : 128);
}

TEST(Planted, AnUnknownOrderIsRefused) {
  for (const char* order : {"backward", "random", "random:", "random:x", "random:1x"}) {
    const Outcome outcome = RunPlanted("missing_barrier", order);
    EXPECT_EQ(outcome.status, kReported) << order;
    EXPECT_THAT(outcome.output, testing::HasSubstr("expected forward, reverse or random:SEED"));
  }
}

struct Report {
  const char* name;
  const char* expected;  // a regular expression
};

const Report kReports[] = {
    {"divergent_barriers",
     "divergent barriers: threads 0 to 7 wait at .*planted.cu:[0-9]+ \\(__syncthreads\\); threads 8 to 31 wait at"},
    {"barrier_and_shuffle",
     "deadlock: threads 0 to 7 wait at .*planted.cu:[0-9]+ \\(__syncthreads\\); threads 8 to 31 wait at "
     ".*planted.cu:[0-9]+ \\(__shfl_xor_sync, mask 0xffffffff\\); threads 32 to 63 wait at .* \\(__syncthreads\\)"},
    {"shuffle_of_half_a_warp", "deadlock: threads 0 to 7 wait at .*planted.cu:[0-9]+ \\(__shfl_xor_sync, mask"},
    {"mask_without_itself", "__shfl_sync by thread 0 with mask 0x0000fffe: its own lane .* at .*planted.cu:[0-9]+"},
    {"exited_lanes",
     "deadlock: threads 0 to 7 wait at .* \\(__ballot_sync, mask 0x000001ff of which 0x00000100 exited\\)"},
    {"lanes_that_never_were", "__ballot_sync by thread 0 with mask 0x000001ff: the mask names a lane"},
    {"different_operations", "another lane is at another operation or mask at .*planted.cu:[0-9]+"},
    {"different_lines", "another lane is at another line at .*planted.cu:[0-9]+"},
    {"lanes_that_never_come", "its own lane is not in the mask"},
    {"misaligned_copy", "CopyAsync16: an address that is no multiple of 16 at .*planted.cu:[0-9]+"},
    {"copy_to_global", "CopyAsync16: not to shared memory at .*planted.cu:[0-9]+"},
    {"copy_never_waited_for", "thread 0 ends with copies not waited for"},
    {"source_changes", "CopyAsync16: its source changed before this wait at .*planted.cu:[0-9]+"},
    {"dynamic_not_asked_for", "'values' .*planted.cu:[0-9]+\\): the launch asked for none"},
    {"static_over_48_kb", "'more' .*52000 bytes of static shared memory; at most 48 KB"},
    {"static_and_dynamic_over_48_kb", "20000 bytes of static and 40000 of dynamic shared memory"},
    {"dynamic_over_227_kb", "232449 bytes of dynamic shared memory; at most 227 KB"},
    {"block_of_1025", "a block of 1025 x 1 x 1 threads"},
    {"block_of_0", "a block of 0 x 1 x 1 threads"},
    {"grid_of_0", "a grid of 0 x 1 x 1 blocks"},
    {"launch_in_a_kernel", "from inside a kernel"},
};

TEST(Planted, ReportsNamePlacesAndTheEmulatorGoesOn) {
  for (int round = 0; round < 2; ++round)
    for (const Report& report : kReports) {
      SCOPED_TRACE(report.name);
      for (const Planted& planted : AllPlanted()) {
        if (std::string(planted.name) != report.name) continue;
        try {
          planted.run();
          ADD_FAILURE() << "no report";
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::kDevice);
          EXPECT_THAT(error.what(), testing::ContainsRegex(report.expected));
        }
      }
    }
}

}  // namespace
}  // namespace kindred::simt
