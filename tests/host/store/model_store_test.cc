#include "host/store/model_store.h"

#include <dirent.h>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
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

TEST_F(ModelStoreTest, TrainingsExcludeEachOther) {
  std::optional<TrainingLock> lock(store_.Lock("a"));
  EXPECT_NO_THROW(store_.Lock("b"));
  ExpectError(ErrorCode::kAlreadyExists, "another training of model 'a' is running", [&] { store_.Lock("a"); });
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      ModelStore(store_.root()).Lock("a");
    } catch (const Error& error) {
      ::_exit(error.code() == ErrorCode::kAlreadyExists ? 0 : 2);
    }
    ::_exit(1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  lock.reset();
  EXPECT_NO_THROW(store_.Lock("a"));
}

}  // namespace
}  // namespace kindred
