#include "host/store/model_store.h"

#include <dirent.h>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>

#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace {

int n_until_error = -1;  // calls of readdir that succeed before all of them fail; negative: all succeed

}  // namespace

/// In front of the system's, for the C++ library too.
extern "C" dirent* readdir(DIR* folder) {
  static const auto real = reinterpret_cast<dirent* (*)(DIR*)>(::dlsym(RTLD_NEXT, "readdir"));
  if (n_until_error < 0) return real(folder);
  if (n_until_error > 0) return --n_until_error, real(folder);
  errno = EIO;
  return nullptr;
}

namespace kindred {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::Pair;

class ModelStoreTest : public testing::Test {
 protected:
  void AddVersion(const std::string& model, int64_t version) const {
    fs::create_directories(store_.VersionPath(model, version));
  }

  TemporaryFolder folder_;
  ModelStore store_{folder_.path() / "store"};
};

TEST_F(ModelStoreTest, NamesAreChecked) {
  for (const char* name : {"a", "A-b_c.9", "0"}) EXPECT_EQ(store_.ModelPath(name), store_.root() / name);
  for (const char* name : {"", ".", "..", ".a", "a/b", "a b", "\xc3\xa4", "a\n"})
    ExpectError(ErrorCode::kInvalidArgument, "no name for a model", [&] { store_.ModelPath(name); });
  EXPECT_EQ(store_.VersionPath("a", 12), store_.root() / "a" / "12");
}

TEST_F(ModelStoreTest, AnEmptyStoreSaysSo) {
  EXPECT_THAT(store_.Models(), ElementsAre());
  EXPECT_THAT(store_.Versions("a"), ElementsAre());
  EXPECT_EQ(store_.NextVersion("a"), 1);
  ExpectError(ErrorCode::kNotFound, "of model 'a'; it has no models", [&] { store_.Current("a"); });
  ExpectError(ErrorCode::kNotFound, "has no version 1", [&] { store_.SetCurrent("a", 1); });
}

TEST_F(ModelStoreTest, VersionsAreNumbers) {
  for (const int64_t version : {10, 2, 7}) AddVersion("a", version);
  for (const char* name : {"0", "007", "-1", "8x", ".9.tmp-1", "99999999999999999999"})
    fs::create_directory(store_.ModelPath("a") / name);
  std::ofstream(store_.ModelPath("a") / "12") << "a file";
  EXPECT_THAT(store_.Versions("a"), ElementsAre(2, 7, 10));
  EXPECT_EQ(store_.NextVersion("a"), 11);
}

TEST_F(ModelStoreTest, CurrentIsSetAndRead) {
  AddVersion("a", 1);
  AddVersion("a", 2);
  AddVersion("b", 1);
  fs::create_directory(store_.root() / "no_versions");
  EXPECT_THAT(store_.Models(), ElementsAre("a", "b"));
  ExpectError(ErrorCode::kNotFound, "of model 'c'; it has a, b", [&] { store_.Current("c"); });
  store_.SetCurrent("a", 2);
  EXPECT_EQ(store_.Current("a"), 2);
  EXPECT_EQ(Content(store_.ModelPath("a") / "CURRENT"), "2\n");
  store_.SetCurrent("a", 1);
  EXPECT_EQ(store_.Current("a"), 1);
  EXPECT_FALSE(fs::exists(store_.ModelPath("a") / "CURRENT.tmp"));
  ExpectError(ErrorCode::kNotFound, "has no version 3", [&] { store_.SetCurrent("a", 3); });
  EXPECT_EQ(store_.Current("a"), 1);
}

TEST_F(ModelStoreTest, ADamagedCurrentIsRefusedAndReplaced) {
  AddVersion("a", 1);
  for (const char* text : {"", "\n", "1", "1 \n", "01\n", "-1\n", "0\n", "1\n\n", "99999999999999999999\n"}) {
    std::ofstream(store_.ModelPath("a") / "CURRENT") << text;
    ExpectError(ErrorCode::kCorrupt, "does not hold a version's number", [&] { store_.Current("a"); });
  }
  EXPECT_EQ(store_.NextVersion("a"), 2);
  store_.SetCurrent("a", 1);
  EXPECT_EQ(store_.Current("a"), 1);
}

TEST_F(ModelStoreTest, NoNumberIsUsedTwice) {
  AddVersion("a", 5);
  store_.SetCurrent("a", 5);
  fs::remove_all(store_.VersionPath("a", 5));
  AddVersion("a", 3);
  EXPECT_EQ(store_.NextVersion("a"), 6);
}

TEST_F(ModelStoreTest, AFolderThatCannotBeReadToItsEndHasWhatWasRead) {
  for (const int64_t version : {1, 2, 3}) AddVersion("a", version);
  for (int n = 0; n < 4; ++n) {
    n_until_error = n;
    const std::vector<int64_t> versions = store_.Versions("a");
    n_until_error = n;
    EXPECT_NO_THROW(store_.Models());
    n_until_error = n;
    ExpectError(ErrorCode::kNotFound, "has no current version", [&] { store_.Current("c"); });
    n_until_error = -1;
    EXPECT_LE(versions.size(), static_cast<size_t>(n));
  }
  EXPECT_EQ(store_.Versions("a").size(), 3u);
}

TEST_F(ModelStoreTest, TheCurrentVersionIsNotRemoved) {
  for (const int64_t version : {1, 2}) AddVersion("a", version);
  store_.SetCurrent("a", 2);
  ExpectError(ErrorCode::kInvalidArgument, "is the current one", [&] { store_.Remove("a", 2); });
  store_.Remove("a", 1);
  EXPECT_THAT(store_.Versions("a"), ElementsAre(2));
  ExpectError(ErrorCode::kIo, "cannot remove", [&] { store_.Remove("a", 1); });
}

TEST_F(ModelStoreTest, LabelsNameVersions) {
  for (const int64_t version : {1, 2}) AddVersion("a", version);
  EXPECT_TRUE(store_.Labels("a").empty());
  store_.SetLabel("a", "good", 1);
  store_.SetLabel("a", "A-b_c.9", 2);
  EXPECT_THAT(store_.Labels("a"), ElementsAre(Pair("A-b_c.9", 2), Pair("good", 1)));
  EXPECT_EQ(Content(store_.ModelPath("a") / "labels" / "good"), "1\n");
  store_.SetLabel("a", "good", 2);
  EXPECT_EQ(store_.Labels("a").at("good"), 2);
  EXPECT_THAT(store_.Versions("a"), ElementsAre(1, 2));
  ExpectError(ErrorCode::kNotFound, "has no version 3", [&] { store_.SetLabel("a", "good", 3); });
  EXPECT_EQ(store_.Labels("a").at("good"), 2);
  store_.RemoveLabel("a", "good");
  EXPECT_THAT(store_.Labels("a"), ElementsAre(Pair("A-b_c.9", 2)));
  ExpectError(ErrorCode::kNotFound, "has no label 'good'; it has A-b_c.9", [&] { store_.RemoveLabel("a", "good"); });
}

TEST_F(ModelStoreTest, LabelsAreChecked) {
  AddVersion("a", 1);
  for (const std::string label : {"", ".", "..", ".a", "-a", "a/b", "../a", "a b", "\xc3\xa4", "a\n", "7", "007", "0",
                                  "99999999999999999999", "current", "CURRENT"}) {
    ExpectError(ErrorCode::kInvalidArgument, "is no label: letters", [&] { store_.SetLabel("a", label, 1); });
    ExpectError(ErrorCode::kInvalidArgument, "is no label: letters", [&] { store_.RemoveLabel("a", label); });
  }
  EXPECT_FALSE(fs::exists(store_.ModelPath("a") / "labels"));
}

TEST_F(ModelStoreTest, VersionsAsUsersNameThem) {
  for (const int64_t version : {1, 2}) AddVersion("a", version);
  store_.SetCurrent("a", 2);
  store_.SetLabel("a", "good", 1);
  for (const char* version : {"current", "0", "2"}) EXPECT_EQ(store_.Resolve("a", version), 2) << version;
  for (const char* version : {"good", "1"}) EXPECT_EQ(store_.Resolve("a", version), 1) << version;
  EXPECT_EQ(store_.Resolve("a", "9"), 9);  // whoever opens it says that it is not there
  for (const char* version : {"", "007", "-1", "1.5 ", "../1", "a/b", "99999999999999999999", "CURRENT"})
    ExpectError(ErrorCode::kInvalidArgument, "is no version: expected its number, a label or 'current'",
                [&] { store_.Resolve("a", version); });
  ExpectError(ErrorCode::kNotFound, "model 'a' in '" + store_.root().string() + "' has no label 'bad'; it has good",
              [&] { store_.Resolve("a", "bad"); });
  ExpectError(ErrorCode::kNotFound, "has no label 'x'; it has none", [&] { store_.Resolve("b", "x"); });
  ExpectError(ErrorCode::kNotFound, "no current version of model 'b'", [&] { store_.Resolve("b", "current"); });
}

TEST_F(ModelStoreTest, ALabelThatIsDamagedIsNoAnswer) {
  AddVersion("a", 1);
  store_.SetLabel("a", "good", 1);
  const fs::path path = store_.ModelPath("a") / "labels" / "good";
  std::ofstream(path) << "one\n";
  ExpectError(ErrorCode::kCorrupt, path.string(), [&] { store_.Labels("a"); });
  ExpectError(ErrorCode::kCorrupt, path.string(), [&] { store_.Resolve("a", "good"); });
  store_.SetLabel("a", "good", 1);
  EXPECT_EQ(store_.Resolve("a", "good"), 1);
  std::ofstream(path.parent_path() / ".good.tmp") << "left behind";
  std::ofstream(path.parent_path() / "good~") << "an editor's";
  EXPECT_THAT(store_.Labels("a"), ElementsAre(Pair("good", 1)));
  n_until_error = 1;
  ExpectError(ErrorCode::kIo, "labels': Input/output error", [&] { store_.Labels("a"); });
  n_until_error = -1;
}

TEST_F(ModelStoreTest, WhatBelongsToAModelsFolder) {
  AddVersion("a", 1);
  store_.SetCurrent("a", 1);
  store_.SetLabel("a", "good", 1);
  store_.Lock("a");
  for (const char* name : {"1", "CURRENT", "labels", ".lock"}) EXPECT_TRUE(store_.IsPart("a", name)) << name;
  std::ofstream(store_.ModelPath("a") / "3") << "a file";
  for (const char* name : {"2", "3", ".1.tmp-7", "notes", "01", ".."}) EXPECT_FALSE(store_.IsPart("a", name)) << name;
  EXPECT_NO_THROW(store_.CheckHas("a"));
  ExpectError(ErrorCode::kNotFound, "has no version of model 'b'; it has a", [&] { store_.CheckHas("b"); });
}

TEST_F(ModelStoreTest, RoomIsAskedForBeforeItIsNeeded) {
  store_.Lock("a");
  EXPECT_NO_THROW(store_.CheckRoom("a", 1000));
  ExpectError(ErrorCode::kIo, "bytes left; the new version needs at least 4611686018427387904",
              [&] { store_.CheckRoom("a", int64_t{1} << 62); });
  EXPECT_EQ(std::distance(fs::directory_iterator(store_.ModelPath("a")), {}), 1) << "only the lock stays";
  ExpectError(ErrorCode::kIo, "cannot create", [&] { store_.CheckRoom("not_there", 1); });
}

/// A process that takes the lock and lives until it is killed.
pid_t Holder(const ModelStore& store, const std::string& model) {
  int ready[2];
  if (::pipe(ready) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    const ModelLock lock = store.Lock(model, "prune");
    if (::write(ready[1], "", 1) == 1) ::pause();
    ::_exit(1);
  }
  char byte = 1;
  EXPECT_EQ(::read(ready[0], &byte, 1), 1);
  ::close(ready[0]);
  ::close(ready[1]);
  return child;
}

TEST_F(ModelStoreTest, WritersExcludeEachOther) {
  std::optional<ModelLock> lock(store_.Lock("a"));
  EXPECT_NO_THROW(store_.Lock("b"));
  ExpectError(ErrorCode::kAlreadyExists,
              "model 'a' is being changed by process " + std::to_string(::getpid()) + " (train) since 2",
              [&] { store_.Lock("a"); });
  lock.reset();
  EXPECT_NO_THROW(store_.Lock("a"));
}

TEST_F(ModelStoreTest, TheLockGoesWithTheProcessHoweverItEnds) {
  const pid_t child = Holder(store_, "a");
  ASSERT_GT(child, 0);
  const fs::path path = store_.ModelPath("a") / ".lock";
  ExpectError(ErrorCode::kAlreadyExists, "by process " + std::to_string(child) + " (prune) since ",
              [&] { store_.Lock("a"); });
  ExpectError(ErrorCode::kAlreadyExists, "Z, which holds '" + path.string() + "'", [&] { store_.Lock("a"); });
  for (const std::string note : {"", "\n", "12\n", "12 now", "\x1b[2J now train\n"}) {
    std::ofstream(path) << note;
    ExpectError(ErrorCode::kAlreadyExists, "is being changed by another process", [&] { store_.Lock("a"); });
  }
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_NO_THROW(store_.Lock("a", "train"));
  EXPECT_THAT(Content(path), testing::MatchesRegex(std::to_string(::getpid()) + " [0-9-]+T[0-9:]+Z train\n"));
}

}  // namespace
}  // namespace kindred
