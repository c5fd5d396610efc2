// Training, evaluating and the doctor with a device that is missing, or fails in the middle.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "host/intake/parquet.h"
#include "host/models/model.h"
#include "tests/support/captured_run.h"
#include "tests/support/errors.h"
#include "tests/support/plugins.h"
#include "tests/support/temporary_folder.h"
#include "training/batch_recommend.h"
#include "training/commands.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

const char* const kFailedOver = "fell back from cuda (Fake Card): ";

class FallBack : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    std::string list;
    for (int user = 0; user < 40; ++user) {
      list += "u" + std::to_string(user);
      for (int i = 0; i < 6; ++i) list += " i" + std::to_string((user % 2) * 15 + (user * 7 + i * i) % 15);
      list += "\n";
    }
    const std::string file = folder_->Write("a.txt", list);
    ASSERT_EQ(RunProgram({"prepare", file, "--format", "adjacency", "--out", Dataset()}), 0) << err_;
    ASSERT_EQ(RunProgram({"train", Dataset(), "--store", Path("reference"), "--model", "m", "--backend", "cpu",
                          "--n-factors", "4", "--epochs", "2", "--split", "random", "--json"}),
              0)
        << err_;
    reference_ = json::parse(out_);
  }
  static void TearDownTestSuite() { delete std::exchange(folder_, nullptr); }

  static std::string Path(const std::string& name) { return (folder_->path() / name).string(); }
  static std::string Dataset() { return Path("dataset"); }

  static int RunProgram(const std::vector<std::string>& arguments) {
    CommandLine program;
    AddPrepareCommand(program);
    AddTrainCommand(program);
    AddTuneCommand(program);
    AddEvaluateCommand(program);
    AddDoctorCommand(program);
    return RunCaptured(program, arguments, &out_, &err_);
  }

  /// Trains as the reference was, into a store of this test.
  int Train(const std::string& backend, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"train",   Dataset(),   "--store",     Store(),    "--model",
                                      "m",       "--backend", backend,       "--epochs", "2",
                                      "--split", "random",    "--n-factors", "4",        "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return RunProgram(words);
  }
  int Evaluate(const std::string& backend) {
    return RunProgram({"evaluate", "--store", Path("reference"), "--model", "m", "--test", Path("a.txt"),
                       "--test-format", "adjacency", "--backend", backend, "--json"});
  }
  static std::string Store() {
    return Path(testing::UnitTest::GetInstance()->current_test_info()->name() + std::string("-store"));
  }
  static std::vector<int64_t> Versions() { return ModelStore(Store()).Versions("m"); }

  /// That what was published is what the CPU alone trains, bit by bit.
  static void ExpectReferenceModel() {
    const auto found = Model::Open(ModelStore(Store()), "m"),
               expected = Model::Open(ModelStore(Path("reference")), "m");
    const auto a = found->view().item_factors.all(), b = expected->view().item_factors.all();
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  }

  static inline TemporaryFolder* folder_ = nullptr;
  static inline json reference_;
  static inline std::string out_, err_;
};

TEST_F(FallBack, AWorkingDeviceIsUsedAndReported) {
  const FakePlugin fake;
  ASSERT_EQ(Train("auto"), 0) << err_;
  const json report = json::parse(out_);
  EXPECT_EQ(report["backend"]["name"], "cuda");
  EXPECT_EQ(report["backend"]["device"], "Fake Card");
  EXPECT_EQ(report["backend"]["reason"], "auto: Fake Card passed the self-test");
  EXPECT_EQ(report["backend"]["gram_precision"], "bf16x3");
  EXPECT_FALSE(report.contains("fell_back"));
  ASSERT_EQ(Train("cuda", {"--gram-precision", "float32"}), 0) << err_;
  EXPECT_EQ(json::parse(out_)["backend"]["gram_precision"], "float32");
}

TEST_F(FallBack, WithoutADeviceAutoSaysWhyAndCudaFails) {
  const FakePlugin fake("old_card");
  EXPECT_EQ(Train("cuda"), 1);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, AllOf(StartsWith("kindred: --backend cuda: Fake Card has compute capability 6.1"),
                          HasSubstr("use --backend cpu or auto")));
  EXPECT_FALSE(std::filesystem::exists(Store()));

  ASSERT_EQ(Train("auto"), 0) << err_;
  const std::string reason = "auto: Fake Card has compute capability 6.1; expected 8.0 or newer";
  const json report = json::parse(out_);
  EXPECT_EQ(report["backend"]["name"], "cpu");
  EXPECT_EQ(report["backend"]["reason"], reason);
  EXPECT_EQ(report["backend"]["gram_precision"], "float32");
  EXPECT_FALSE(report.contains("fell_back"));
  EXPECT_THAT(err_, HasSubstr("(" + reason + ")"));
  EXPECT_EQ(Model::Open(ModelStore(Store()), "m")->manifest()["backend"]["reason"], reason);
}

TEST_F(FallBack, AFitThatFailsStartsAgainOnTheCpu) {
  // While it plans, whose figures are then left out; in the first and in the last half-step of a fit, in the refit, and
  // out of memory.
  const std::pair<const char*, const char*> cases[] = {
      {"solve_als:1", "the fake device is lost"}, {"solve_als:3", "the fake device is lost"},
      {"solve_als:7", "the fake device is lost"}, {"solve_als:9", "the fake device is lost"},
      {"allocate:1", "bytes of GPU memory"},      {"allocate:26", "bytes of GPU memory"},
  };
  for (const auto& [fault, part] : cases) {
    SCOPED_TRACE(fault);
    const FakePlugin fake(fault);
    ASSERT_EQ(Train("auto"), 0) << err_;
    const json report = json::parse(out_);
    EXPECT_EQ(report["backend"]["name"], "cpu");
    const std::string reason = report["backend"]["reason"];
    EXPECT_THAT(reason, AllOf(StartsWith(kFailedOver), HasSubstr(part)));
    EXPECT_EQ(report["fell_back"], "while fitting, " + reason);
    EXPECT_EQ(report["plan"]["seconds"]["total"].is_null(), std::string(fault).ends_with(":1")) << report["plan"];
    EXPECT_EQ(report["epochs"], reference_["epochs"]);
    EXPECT_EQ(report["metrics"], reference_["metrics"]);
    EXPECT_THAT(err_, AllOf(HasSubstr(" warn"), HasSubstr(reason), HasSubstr("starting that again on the CPU")));
    const json manifest = Model::Open(ModelStore(Store()), "m")->manifest();
    EXPECT_EQ(manifest["fell_back"], report["fell_back"]);
    EXPECT_EQ(manifest["backend"], report["backend"]);
    ExpectReferenceModel();
  }
}

TEST_F(FallBack, EpochsOfTheFailedFitAreNotReported) {
  const FakePlugin fake("solve_als:7");
  ASSERT_EQ(Train("auto", {"--no-refit"}), 0) << err_;
  const json report = json::parse(out_);
  EXPECT_EQ(report["backend"]["name"], "cpu");
  ASSERT_EQ(report["epochs"].size(), 2u);
  EXPECT_EQ(report["epochs"][1]["epoch"], 2);
}

TEST_F(FallBack, AnEvaluationThatFailsIsDoneAgainOnTheCpu) {
  const FakePlugin fake("top_n:3");  // the plan's evaluation has two
  ASSERT_EQ(Train("auto", {"--no-refit"}), 0) << err_;
  json report = json::parse(out_);
  EXPECT_EQ(report["backend"]["name"], "cuda") << "what the model was fitted on";
  EXPECT_EQ(report["fell_back"], std::string("while evaluating, ") + kFailedOver + "CUDA: the fake device is lost");
  EXPECT_EQ(report["metrics"], reference_["metrics"]);

  ASSERT_EQ(Train("auto"), 0) << err_;
  EXPECT_EQ(json::parse(out_)["backend"]["name"], "cpu") << "what the second fit was done on";
}

TEST_F(FallBack, WithCudaAFailureIsTheEndAndNothingIsPublished) {
  for (const char* fault : {"solve_als:1", "solve_als:3", "solve_als:7", "top_n:3", "allocate:1", "allocate:40"}) {
    SCOPED_TRACE(fault);
    const FakePlugin fake(fault);
    EXPECT_EQ(Train("cuda"), 1);
    EXPECT_EQ(out_, "");
    EXPECT_THAT(err_, HasSubstr(std::string(fault).starts_with("allocate") ? "bytes of GPU memory; 0 are free"
                                                                           : "CUDA: the fake device is lost"));
    EXPECT_EQ(Versions(), std::vector<int64_t>());
  }
}

TEST_F(FallBack, ACheckpointGoesOnOnItsDeviceOnly) {
  const auto leave_checkpoint = [&] {
    const FakePlugin fake("solve_als:6");  // the plan has two
    EXPECT_EQ(Train("cuda", {"--checkpoint-every", "epoch"}), 1);
    EXPECT_THAT(err_, HasSubstr("checkpoint after 1 of 2 epochs"));
  };
  leave_checkpoint();
  EXPECT_EQ(Train("cpu", {"--resume"}), 1);
  EXPECT_THAT(err_, HasSubstr("backend is \"cuda\" in the checkpoint and \"cpu\" here"));
  {
    const FakePlugin fake;
    ASSERT_EQ(Train("auto", {"--resume"}), 0) << err_;
    EXPECT_EQ(json::parse(out_)["backend"]["name"], "cuda");
    EXPECT_EQ(json::parse(out_)["metrics"], reference_["metrics"]);
    ExpectReferenceModel();
  }
  leave_checkpoint();
  const FakePlugin fake("solve_als:1");
  ASSERT_EQ(Train("auto", {"--resume"}), 0) << err_;
  EXPECT_THAT(err_, AllOf(HasSubstr("going on after 1 of 2 epochs"), HasSubstr("starting that again on the CPU")));
  const json report = json::parse(out_);
  EXPECT_EQ(report["backend"]["name"], "cpu");
  EXPECT_EQ(report["epochs"], reference_["epochs"]);
  ExpectReferenceModel();
}

TEST_F(FallBack, ErrorsOfTheInputAreNotTheDevices) {
  const FakePlugin fake;
  EXPECT_EQ(Train("auto", {"--regularization", "0", "--unobserved-weight", "0"}), 1);
  EXPECT_THAT(err_, AllOf(HasSubstr("singular"), testing::Not(HasSubstr("CPU"))));
  EXPECT_EQ(Versions(), std::vector<int64_t>());
}

TEST_F(FallBack, Evaluate) {
  ASSERT_EQ(Evaluate("cpu"), 0) << err_;
  const json expected = json::parse(out_);
  EXPECT_EQ(expected["backend"]["name"], "cpu");
  EXPECT_THAT(err_, HasSubstr("evaluating m version 1 on "));
  {
    const FakePlugin fake("no_device");
    ASSERT_EQ(Evaluate("auto"), 0) << err_;
    EXPECT_THAT(err_, HasSubstr("(auto: CUDA device: no CUDA-capable device is detected)"));
    EXPECT_THAT(json::parse(out_)["backend"]["reason"].get<std::string>(), HasSubstr("no CUDA-capable device"));
  }

  for (const char* fault : {"top_n:1", "top_n:2", "allocate:1"}) {
    SCOPED_TRACE(fault);
    const FakePlugin fake(fault);
    ASSERT_EQ(Evaluate("auto"), 0) << err_;
    const json report = json::parse(out_);
    EXPECT_EQ(report["metrics"], expected["metrics"]);
    EXPECT_EQ(report["backend"]["name"], "cpu");
    EXPECT_THAT(report["fell_back"].get<std::string>(), StartsWith(std::string("while evaluating, ") + kFailedOver));
    EXPECT_THAT(err_, HasSubstr("starting that again on the CPU"));
    EXPECT_EQ(Evaluate("cuda"), 1);
    EXPECT_EQ(out_, "");
    EXPECT_THAT(err_, testing::AnyOf(HasSubstr("the fake device is lost"), HasSubstr("bytes of GPU memory")));
  }
  const FakePlugin fake;
  ASSERT_EQ(Evaluate("auto"), 0) << err_;
  EXPECT_EQ(json::parse(out_)["backend"]["name"], "cuda");
  EXPECT_EQ(json::parse(out_)["metrics"], expected["metrics"]);
}

TEST_F(FallBack, TheDoctorTellsEveryStep) {
  const FakePlugin fake("old_driver");
  ASSERT_EQ(RunProgram({"doctor", "--json"}), 0) << err_;
  const json report = json::parse(out_);
  EXPECT_EQ(report["chosen"]["backend"], "cpu");
  EXPECT_THAT(report["chosen"]["reason"].get<std::string>(), HasSubstr("runs CUDA up to 12.4; expected 13.0"));
  EXPECT_GT(report["machine"]["n_threads"], 0);
  EXPECT_EQ(report["parquet"]["available"], !ArrowVersion().empty());
  const json& cuda = report["backends"].at(1);
  EXPECT_EQ(cuda["name"], "cuda");
  EXPECT_EQ(cuda["available"], false);
  std::string states;
  for (const json& step : cuda["steps"])
    states += step["name"].get<std::string>() + " " + step["state"].get<std::string>() + "; ";
  EXPECT_EQ(states,
            "plug-in ok; libraries ok; build ok; driver failed; device not tried; memory not tried; self-test not "
            "tried; ");

  ASSERT_EQ(RunProgram({"doctor"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("cuda      no: the NVIDIA driver runs CUDA up to 12.4"),
                          HasSubstr("  plug-in    ok: "), HasSubstr("  driver     failed: the NVIDIA driver"),
                          HasSubstr("  self-test  not tried\n"), HasSubstr("chosen    cpu (auto: the NVIDIA driver")));
  EXPECT_THAT(out_, HasSubstr(ArrowVersion().empty() ? "\nparquet   no: not in this build; run scripts/install_deps.sh"
                                                     : "\nparquet   yes: Arrow " + ArrowVersion() + "\n"));
}

TEST_F(FallBack, TheDoctorWithAWorkingDevice) {
  const FakePlugin fake;
  ASSERT_EQ(RunProgram({"doctor"}), 0) << err_;
  EXPECT_THAT(out_,
              AllOf(HasSubstr("cuda      yes: Fake Card passed the self-test"),
                    HasSubstr("  memory     ok: 7.0 of 8.0 GiB free"), HasSubstr("  self-test  ok: an ALS half-step"),
                    HasSubstr("chosen    cuda (auto: Fake Card passed the self-test)")));
  EXPECT_THAT(out_, testing::Not(HasSubstr("machine   Fake Card"))) << "the machine is the processor";
}

TEST_F(FallBack, ASearchGoesOnOnTheCpuAfterTheTrialsThatAreDone) {
  const std::string out = Path("tuned.toml");
  std::vector<std::string> words = {"tune", Dataset(), "--out",         out,           "--trials", "4", "--max-epochs",
                                    "4",    "--set",   "n-factors=4,8", "--overwrite", "--json"};
  words.insert(words.end(), {"--backend", "auto"});
  for (const std::string fault : {"solve_als:3", "solve_als:14", "allocate:60", "top_n:2", "top_n:9", "allocate:1"}) {
    SCOPED_TRACE(fault);
    const FakePlugin fake(fault);
    ASSERT_EQ(RunProgram(words), 0) << err_;
    const json report = json::parse(out_);
    EXPECT_EQ(report["backend"]["name"], "cpu");
    EXPECT_THAT(report["fell_back"].get<std::string>(), StartsWith(std::string("while tuning, ") + kFailedOver));
    ASSERT_EQ(report["trials"].size(), 4u);
    for (const json& trial : report["trials"]) EXPECT_NE(trial["state"], "failed") << trial;
    std::vector<std::string> devices;
    for (const json& trial : report["trials"]) devices.push_back(trial["device"]["backend"]);
    EXPECT_TRUE(std::ranges::is_sorted(devices, std::greater<>())) << "cuda before cpu: " << report["trials"];
    EXPECT_TRUE(fault != "top_n:9" || devices.front() == "cuda") << devices.front();
    EXPECT_TRUE(fault != "allocate:1" || devices.front() == "cpu") << devices.front();
    EXPECT_EQ(devices.back(), "cpu");
  }
  std::ranges::replace(words, std::string("--overwrite"), std::string("--resume"));
  const FakePlugin fake;
  ASSERT_EQ(RunProgram(words), 0) << err_;
  EXPECT_THAT(err_, HasSubstr("trial 1 was made on another device")) << "all were, on the CPU";
  words.back() = "cpu";
  ASSERT_EQ(RunProgram(words), 0) << err_;
  EXPECT_THAT(err_, testing::Not(HasSubstr("on another device")));
}

// Similar items of a blend are found by solving, whose bits are the device's: one file has those of one.
TEST_F(FallBack, ListsOfOneFileAreOfOneDevice) {
  const std::string als = folder_->Write("als.toml", "algorithm = 'als'\nn-factors = 4\nepochs = 2\n");
  const std::string filter = folder_->Write("filter.toml", "algorithm = 'svd-filter'\nn-factors = 4\n");
  ASSERT_EQ(RunProgram({"train", Dataset(), "--store", Store(), "--model", "m", "--backend", "cpu", "--algorithm",
                        "blend", "--component", als, "--component", filter}),
            0)
      << err_;
  BatchOptions options;
  options.store = Store();
  options.model = "m";
  options.n = 5;
  options.batch = 7;
  options.similar_items = true;
  options.with_scores = true;
  options.backend = "cpu";
  options.out = Path("cpu.csv");
  RecommendToFile(options, {});
  const std::string bytes = Content(options.out);

  options.backend = "auto";
  options.out = Path("fell_back.csv");
  int n_looks = 0;
  BatchEvents events;
  events.stop = [&] { return ++n_looks < 3 ? "" : "SIGTERM"; };
  const auto journal = [&] {
    const std::string text = Content(options.out + ".journal");
    return json::parse(text.substr(0, text.find('\n')))["settings"]["device"]["backend"];
  };
  {
    const FakePlugin fake("solve_als:1");
    ExpectError(ErrorCode::kIo, "stopped by SIGTERM", [&] { RecommendToFile(options, events); });
    EXPECT_EQ(journal(), "cpu");
  }
  options.resume = true;
  {
    const FakePlugin fake;
    ExpectError(ErrorCode::kInvalidArgument, "device.backend is \"cpu\" in the journal and \"cuda\" here",
                [&] { RecommendToFile(options, {}); });
  }
  options.backend = "cpu";
  EXPECT_EQ(RecommendToFile(options, {})["n_resumed"], 14);
  EXPECT_EQ(Content(options.out), bytes);

  options.backend = "auto";
  options.resume = false;
  options.out = Path("failed.csv");
  {
    const FakePlugin fake("solve_als:3");
    ExpectError(ErrorCode::kDevice, "with --resume goes on on that device, and --overwrite begins anew",
                [&] { RecommendToFile(options, {}); });
    EXPECT_EQ(journal(), "cuda");
  }
  options.resume = true;
  const FakePlugin fake;
  EXPECT_GT(RecommendToFile(options, {})["n_resumed"], 0);
  EXPECT_EQ(Content(options.out), bytes) << "the fake card computes as the CPU does";
}

// Users' lists are the same bits on every device.
TEST_F(FallBack, ListsOfUsersGoOnOnTheCpu) {
  BatchOptions options;
  options.store = Path("reference");
  options.model = "m";
  options.batch = 9;
  options.with_scores = true;
  options.out = Path("users.csv");
  options.backend = "cpu";
  RecommendToFile(options, {});
  const std::string bytes = Content(options.out);
  options.backend = "auto";
  options.overwrite = true;
  const FakePlugin fake("top_n:3");
  const json report = RecommendToFile(options, {});
  EXPECT_THAT(report["fell_back"].get<std::string>(), StartsWith(std::string("while recommending, ") + kFailedOver));
  EXPECT_EQ(Content(options.out), bytes);
}

}  // namespace
}  // namespace kindred
