// What becomes of each plug-in that cannot be used, and of one that fails later.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/build_id.h"
#include "kernels/select.h"
#include "tests/support/errors.h"
#include "tests/support/plugins.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const std::vector<std::string> kSteps = {"plug-in", "libraries", "build", "driver", "device", "memory", "self-test"};

/// That auto takes the CPU and cuda fails, both because of `step`, for a reason that has `part`; the steps before it
/// hold and those after it are not tried.
void ExpectFailure(const std::string& step, const std::string& part) {
  SCOPED_TRACE(step);
  ExpectError(ErrorCode::kUnsupported, part, [] { ChooseBackend("cuda", 1); });
  ExpectError(ErrorCode::kUnsupported, "--backend cuda: ", [] { ChooseBackend("cuda", 1); });

  const ChosenBackend chosen = ChooseBackend("auto", 1);
  EXPECT_EQ(chosen.backend->Describe().backend, "cpu");
  EXPECT_THAT(chosen.reason, AllOf(StartsWith("auto: "), HasSubstr(part)));
  EXPECT_FALSE(chosen.may_fall_back);
  EXPECT_EQ(chosen.gram_precision, "float32");
  ASSERT_EQ(chosen.considered.size(), 2u);
  const BackendReport& cuda = chosen.considered[1];
  EXPECT_EQ(cuda.name, "cuda");
  EXPECT_FALSE(cuda.available);
  EXPECT_THAT(cuda.reason, HasSubstr(part));
  ASSERT_EQ(cuda.steps.size(), kSteps.size());
  const auto failed = static_cast<size_t>(std::find(kSteps.begin(), kSteps.end(), step) - kSteps.begin());
  for (size_t i = 0; i < kSteps.size(); ++i) {
    EXPECT_EQ(cuda.steps[i].name, kSteps[i]);
    EXPECT_STREQ(NameOf(cuda.steps[i].state), i < failed ? "ok" : i == failed ? "failed" : "not tried") << kSteps[i];
    EXPECT_EQ(cuda.steps[i].detail.empty(), i > failed) << kSteps[i];
  }
  EXPECT_EQ(cuda.steps[failed].detail, cuda.reason);
}

TEST(Plugin, ThereIsNone) {
  const TemporaryFolder folder;
  const WithEnvironment where("KINDRED_PLUGIN_DIR", folder.path().string());
  ExpectFailure("plug-in", "no kindred_cuda.so in '" + folder.path().string() + "'");
}

TEST(Plugin, IsLookedForBesideTheProgramAndInLib) {
  const WithEnvironment nowhere("KINDRED_PLUGIN_DIR", "");
  const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  ExpectFailure("plug-in", "no kindred_cuda.so in '" + program.string() + "' or '" +
                               (program.parent_path() / "lib" / "kindred").string() + "'");
}

TEST(Plugin, IsNoLibrary) {
  const TemporaryFolder folder;
  folder.Write("kindred_cuda.so", std::string(4096, 'x'));
  const WithEnvironment where("KINDRED_PLUGIN_DIR", folder.path().string());
  ExpectFailure("libraries", folder.path().string() + "/kindred_cuda.so: invalid ELF header");
}

TEST(Plugin, LacksALibrary) {
  const WithEnvironment where("KINDRED_PLUGIN_DIR", KINDRED_LACKING_PLUGIN_DIR);
  ExpectFailure("libraries", "libkindred_absent.so: cannot open shared object file");
}

TEST(Plugin, IsSomeOtherLibrary) {
  const WithEnvironment where("KINDRED_PLUGIN_DIR", KINDRED_NO_PLUGIN_DIR);
  ExpectFailure("build", "is no plug-in of Kindred: it has no function kindred_plugin_build_id");
}

TEST(Plugin, IsOfAnotherBuild) {
  const FakePlugin fake("build_id");
  ExpectFailure("build", std::string("is of another build, 0.0.1-of-another-build; expected ") + BuildId());
}

TEST(Plugin, TheBuildIdNamesVersionSourcesAndCompiler) {
  EXPECT_THAT(BuildId(), testing::MatchesRegex("[0-9.]+-[0-9a-f]{16}-(gcc|clang)[0-9]+-abi[0-9]+-cxx[01]"));
}

TEST(Plugin, CannotBeUsedOnThisMachine) {
  const struct {
    const char *fault, *step, *part;
  } cases[] = {
      {"no_driver", "driver", "there is no NVIDIA driver; expected one for CUDA 13.0 or newer"},
      {"old_driver", "driver", "the NVIDIA driver runs CUDA up to 12.4; expected 13.0 or newer"},
      {"no_device", "device", "no CUDA-capable device is detected"},
      {"old_card", "device", "Fake Card has compute capability 6.1; expected 8.0 or newer"},
      {"no_memory", "memory", "CUDA memory: out of memory"},
      {"no_backend", "self-test", "all devices are busy"},
      {"wrong_factors", "self-test", "wrong answers: row 1 of the ALS half-step is 0.01 from the CPU's"},
      {"wrong_scores", "self-test", "wrong answers: place 0 of top-N query 0 is item "},
      {"wrong_histories", "self-test", "wrong answers: place 0 of top-N query 0 with histories is item "},
      {"wrong_inverse", "self-test", "wrong answers: entry 0 of an inverse is 0.303"},
  };
  for (const auto& one : cases) {
    const FakePlugin fake(one.fault);
    ExpectFailure(one.step, one.part);
  }
}

TEST(Plugin, Works) {
  const FakePlugin fake;
  const ChosenBackend chosen = ChooseBackend("auto", 1);
  EXPECT_EQ(chosen.backend->Describe().backend, "cuda");
  EXPECT_EQ(chosen.reason, "auto: Fake Card passed the self-test");
  EXPECT_TRUE(chosen.may_fall_back);
  EXPECT_EQ(chosen.gram_precision, "bf16x3");
  const std::vector<BackendStep>& steps = chosen.considered[1].steps;
  ASSERT_EQ(steps.size(), kSteps.size());
  for (const BackendStep& step : steps) EXPECT_EQ(step.state, StepState::kOk) << step.name << ": " << step.detail;
  EXPECT_THAT(steps[0].detail, EndsWith("/kindred_cuda.so"));
  EXPECT_EQ(steps[3].detail, "runs CUDA up to 13.1; the plug-in was built with 13.0");
  EXPECT_EQ(steps[4].detail, "Fake Card, compute capability 9.0, 1 multiprocessors");
  EXPECT_EQ(steps[5].detail, "7.0 of 8.0 GiB free");
  EXPECT_THAT(steps[6].detail, testing::ContainsRegex("an ALS half-step within .* in [0-9.]+ ms \\(CPU [0-9.]+ ms\\)"));

  const ChosenBackend asked_for = ChooseBackend("cuda", 1, GramPrecision::kFloat32);
  EXPECT_EQ(asked_for.backend->Describe().backend, "cuda");
  EXPECT_EQ(asked_for.reason, "asked for");
  EXPECT_EQ(asked_for.gram_precision, "float32");
  EXPECT_FALSE(asked_for.may_fall_back);
}

TEST(Plugin, IsNotTouchedForTheCpu) {
  const FakePlugin fake;
  const ChosenBackend chosen = ChooseBackend("cpu", 1);
  EXPECT_EQ(chosen.backend->Describe().backend, "cpu");
  EXPECT_EQ(chosen.reason, "asked for");
  EXPECT_FALSE(chosen.may_fall_back);
  EXPECT_EQ(chosen.considered.size(), 1u);
}

TEST(Plugin, ItsErrorsAreCaughtHereAndTheCpuTakesOver) {
  const FakePlugin fake("allocate:3");
  const ChosenBackend chosen = ChooseBackend("auto", 1);
  const Buffer first = chosen.backend->Allocate(64), second = chosen.backend->Allocate(64);
  try {
    chosen.backend->Allocate(64);
    FAIL() << "the third allocation succeeded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_TRUE(IsOfDevice(error));
    const ChosenBackend cpu = FallBack(chosen, error, 3);
    EXPECT_EQ(cpu.backend->Describe().backend, "cpu");
    EXPECT_EQ(cpu.backend->Describe().n_threads, 3);
    EXPECT_EQ(cpu.reason, "fell back from cuda (Fake Card): no 64 bytes of GPU memory; 0 are free");
    EXPECT_FALSE(cpu.may_fall_back);
  }
}

TEST(Plugin, OtherNamesAreUsageErrors) {
  ExpectError(ErrorCode::kUsage, "expected auto, cpu or cuda", [] { ChooseBackend("gpu", 1); });
  ExpectError(ErrorCode::kUsage, "expected bf16x3 or float32", [] { ParseGramPrecision("bf16"); });
  EXPECT_EQ(ParseGramPrecision("bf16x3"), GramPrecision::kBf16x3);
  EXPECT_EQ(ParseGramPrecision("float32"), GramPrecision::kFloat32);
}

// The plug-in as it is built: it must load without a driver, and either work or say what is missing.
TEST(Plugin, TheRealOne) {
#ifdef KINDRED_CUDA_PLUGIN_DIR
  const WithEnvironment where("KINDRED_PLUGIN_DIR", KINDRED_CUDA_PLUGIN_DIR);
  const ChosenBackend chosen = ChooseBackend("auto", 1);
  const BackendReport& cuda = chosen.considered[1];
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(cuda.steps[i].state, StepState::kOk) << cuda.steps[i].name << ": " << cuda.steps[i].detail;
  if (cuda.available) {
    EXPECT_EQ(chosen.backend->Describe().backend, "cuda");
    return;
  }
  EXPECT_THAT(cuda.reason, testing::AnyOf(HasSubstr("driver"), HasSubstr("device"), HasSubstr("capability")));
  ExpectFailure(std::find_if(cuda.steps.begin(), cuda.steps.end(),
                             [](const BackendStep& step) { return step.state == StepState::kFailed; })
                    ->name,
                cuda.reason);
#else
  GTEST_SKIP() << "kindred_cuda.so was not built (KINDRED_CUDA)";
#endif
}

}  // namespace
}  // namespace kindred
