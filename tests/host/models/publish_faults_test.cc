// Publication under a disk that fails and a process that dies: at every call, one after the other, until a run
// completes (tests/support/fault_shim.c).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "host/models/model.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModel = "m";

int Publish(const char* root) {
  try {
    const ModelStore store(root);
    const ModelLock lock = store.Lock(kModel);
    const SmallModel model;
    PublishModel(store, kModel, model.view(), {});
    return 0;
  } catch (const Error& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}

struct Outcome {
  int status = 0;  // as waitpid gives it
  std::string error;
  std::vector<std::string> calls;

  bool killed() const { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }
  bool failed() const { return WIFEXITED(status) && WEXITSTATUS(status) == 1; }
  bool done() const { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }
};

class PublishFaults : public testing::Test {
 protected:
  /// Publishes in a process of its own whose n-th call goes wrong; `at` 0: none does.
  Outcome PublishWithFault(const std::string& action, int at) const {
    const fs::path log = folder_.path() / "calls";
    const fs::path errors = folder_.path() / "errors";
    fs::remove(log);
    const std::vector<std::string> variables = {"LD_PRELOAD=" FAULT_SHIM,
                                                "ASAN_OPTIONS=verify_asan_link_order=0",
                                                "KINDRED_FAULT_PREFIX=" + store_.root().string(),
                                                "KINDRED_FAULT_ACTION=" + action,
                                                "KINDRED_FAULT_AT=" + std::to_string(at),
                                                "KINDRED_FAULT_LOG=" + log.string()};
    std::vector<char*> environment;
    for (const std::string& variable : variables) environment.push_back(const_cast<char*>(variable.c_str()));
    environment.push_back(nullptr);
    const std::string root = store_.root().string();
    char* arguments[] = {const_cast<char*>("publish_faults_test"), const_cast<char*>("publish"),
                         const_cast<char*>(root.c_str()), nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    pid_t child = 0;
    Outcome outcome;
    EXPECT_EQ(::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, arguments, environment.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    EXPECT_EQ(::waitpid(child, &outcome.status, 0), child);
    outcome.error = Content(errors);
    std::istringstream lines(Content(log));
    for (std::string line; std::getline(lines, line);) outcome.calls.push_back(line);
    return outcome;
  }

  /// What a reader sees: every version there is opens and verifies, and CURRENT names one of them (or there is none).
  int64_t CurrentVerified() const {
    for (const int64_t version : store_.Versions(kModel)) EXPECT_NO_THROW(Model::Open(store_, kModel, version));
    if (!fs::exists(store_.ModelPath(kModel) / "CURRENT")) return 0;
    EXPECT_NO_THROW(Model::Open(store_, kModel));
    return store_.Current(kModel);
  }

  void ExpectNoLeftovers() const {
    for (const auto& entry : fs::directory_iterator(store_.ModelPath(kModel))) {
      const std::string name = entry.path().filename().string();
      EXPECT_TRUE(name == "CURRENT" || name == ".lock" || name.find_first_not_of("0123456789") == std::string::npos)
          << name;
    }
  }

  /// A store as it is before the fault: with the given number of versions.
  void Reset(int n_versions) const {
    fs::remove_all(store_.root());
    for (int i = 0; i < n_versions; ++i) ASSERT_EQ(Publish(store_.root().c_str()), 0);
  }

  TemporaryFolder folder_;
  ModelStore store_{folder_.path() / "store"};
};

TEST_F(PublishFaults, KilledAtEveryCall) {
  for (const int n_before : {0, 1}) {
    for (int at = 1;; ++at) {
      SCOPED_TRACE(testing::Message() << "call " << at << ", versions before: " << n_before);
      Reset(n_before);
      const Outcome outcome = PublishWithFault("kill", at);
      if (outcome.done()) {
        EXPECT_GT(at, 40);
        break;
      }
      ASSERT_TRUE(outcome.killed()) << outcome.status;
      const int64_t current = CurrentVerified();
      EXPECT_TRUE(current == n_before || current == n_before + 1) << current;
      ASSERT_EQ(Publish(store_.root().c_str()), 0);
      EXPECT_GT(CurrentVerified(), current);
      ExpectNoLeftovers();
      ASSERT_FALSE(HasFailure());
    }
  }
}

TEST_F(PublishFaults, RefusedAtEveryCall) {
  const std::map<std::string, std::string> reasons = {{"enospc", "No space left on device"},
                                                      {"eio", "Input/output error"}};
  for (const auto& [action, reason] : reasons) {
    for (const int n_before : {0, 1}) {
      for (int at = 1;; ++at) {
        SCOPED_TRACE(testing::Message() << action << " at call " << at << ", versions before: " << n_before);
        Reset(n_before);
        const Outcome outcome = PublishWithFault(action, at);
        const bool last = static_cast<int>(outcome.calls.size()) < at;
        const int64_t current = CurrentVerified();
        if (outcome.done()) {
          EXPECT_EQ(current, n_before + 1);
          if (last) break;
        } else {
          ASSERT_TRUE(outcome.failed()) << outcome.status;
          EXPECT_THAT(outcome.error,
                      testing::AllOf(testing::HasSubstr(reason), testing::HasSubstr(store_.root().string())));
          // Only the very last step, making the new CURRENT last, can fail after it is visible.
          const bool visible =
              outcome.calls.back() == "fsync " + store_.ModelPath(kModel).string() && current == n_before + 1;
          EXPECT_TRUE(current == n_before || visible) << current;
          EXPECT_EQ(static_cast<int64_t>(store_.Versions(kModel).size()), current);
          if (fs::exists(store_.ModelPath(kModel))) ExpectNoLeftovers();
        }
        ASSERT_EQ(Publish(store_.root().c_str()), 0);
        EXPECT_GT(CurrentVerified(), current);
        ASSERT_FALSE(HasFailure());
      }
    }
  }
}

TEST_F(PublishFaults, InterruptedAndShortWritesAreTakenUpAgain) {
  for (const std::string action : {"eintr", "short"}) {
    for (int at = 1;; ++at) {
      SCOPED_TRACE(testing::Message() << action << " at call " << at);
      Reset(0);
      const Outcome outcome = PublishWithFault(action, at);
      ASSERT_TRUE(outcome.done()) << outcome.error;
      EXPECT_EQ(CurrentVerified(), 1);
      if (static_cast<int>(outcome.calls.size()) < at) break;
    }
  }
}

TEST_F(PublishFaults, WhatIsVisibleHasBeenSynced) {
  Reset(1);
  const Outcome outcome = PublishWithFault("none", 0);
  ASSERT_TRUE(outcome.done());
  std::set<std::string> unsynced;
  int n_renames = 0;
  for (const std::string& line : outcome.calls) {
    const std::string call = line.substr(0, line.find(' '));
    const std::string path = line.substr(line.find(' ') + 1);
    const std::string parent = fs::path(path).parent_path().string();
    if (call == "write") unsynced.insert(path);
    if (call == "creat" && path != store_.ModelPath(kModel) / ".lock" &&
        path != store_.ModelPath(kModel) / "CURRENT.tmp")
      unsynced.insert(parent);
    if (call == "fsync") unsynced.erase(path);
    if (call == "rename") {
      EXPECT_THAT(unsynced, testing::IsEmpty()) << "before " << line;
      unsynced.insert(parent);
      ++n_renames;
    }
  }
  EXPECT_THAT(unsynced, testing::IsEmpty()) << "at the end";
  EXPECT_EQ(n_renames, 2);
}

}  // namespace
}  // namespace kindred

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "publish") return kindred::Publish(argv[2]);
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
