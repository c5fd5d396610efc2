#include "host/store/new_folder.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <cerrno>
#include <functional>

#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace {

std::function<int()> before_lock;  // called before a folder is locked; what is not 0 becomes errno, and the lock fails

}  // namespace

/// In front of the system's.
extern "C" int flock(int file, int operation) noexcept {
  static const auto real = reinterpret_cast<int (*)(int, int)>(::dlsym(RTLD_NEXT, "flock"));
  if (const int problem = before_lock ? before_lock() : 0; problem != 0) {
    errno = problem;
    return -1;
  }
  return real(file, operation);
}

namespace kindred {
namespace {

namespace fs = std::filesystem;

class NewFolderTest : public testing::Test {
 protected:
  ~NewFolderTest() override { before_lock = nullptr; }

  /// Removes every folder that is about to be locked, `n` times.
  void RemoveBeforeLocking(int n) {
    before_lock = [this, n]() mutable {
      if (n-- > 0)
        for (const auto& entry : fs::directory_iterator(folder_.path())) fs::remove(entry.path());
      return 0;
    };
  }

  TemporaryFolder folder_;
  const fs::path place_ = folder_.path() / "new";
};

TEST_F(NewFolderTest, OneThatWasTakenForALeftoverIsMadeAgain) {
  RemoveBeforeLocking(1);
  NewFolder made(place_);
  EXPECT_TRUE(fs::is_directory(made.path()));
  made.Commit(false, {});
  EXPECT_TRUE(fs::is_directory(place_));
}

TEST_F(NewFolderTest, OneThatIsTakenAgainIsAnError) {
  RemoveBeforeLocking(2);
  ExpectError(ErrorCode::kIo, "was removed while it was made", [&] { NewFolder{place_}; });
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(NewFolderTest, OneThatCannotBeLockedIsAnErrorAndDoesNotStay) {
  before_lock = [] { return ENOLCK; };
  ExpectError(ErrorCode::kIo, "cannot lock", [&] { NewFolder{place_}; });
  EXPECT_TRUE(fs::is_empty(folder_.path()));
  int n_interrupted = 0;
  before_lock = [&] { return ++n_interrupted < 3 ? EINTR : 0; };
  EXPECT_NO_THROW(NewFolder{place_});
  before_lock = [] { return EOPNOTSUPP; };
  EXPECT_NO_THROW(NewFolder{place_});
}

}  // namespace
}  // namespace kindred
