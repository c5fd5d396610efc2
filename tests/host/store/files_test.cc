#include "host/store/files.h"

#include <gtest/gtest.h>

#include <iterator>

#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;

ErrorCode CodeOf(const fs::path& path, bool overwrite) {
  try {
    WriteNewFile(path, "new", overwrite);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kUsage;
}

TEST(WriteNewFile, CreatesFoldersAndLeavesNothingElse) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a" / "b" / "file";
  WriteNewFile(path, "text", false);
  EXPECT_EQ(Content(path), "text");
  EXPECT_EQ(std::distance(fs::directory_iterator(path.parent_path()), {}), 1);
}

TEST(WriteNewFile, ReplacesAFileOnlyWhereAsked) {
  const TemporaryFolder folder;
  const fs::path path = folder.Write("file", "old");
  EXPECT_EQ(CodeOf(path, false), ErrorCode::kAlreadyExists);
  EXPECT_EQ(Content(path), "old");
  WriteNewFile(path, "new", true);
  EXPECT_EQ(Content(path), "new");
  fs::create_directory(folder.path() / "folder");
  EXPECT_EQ(CodeOf(folder.path() / "folder", true), ErrorCode::kAlreadyExists);
  EXPECT_EQ(CodeOf(folder.path() / "folder", false), ErrorCode::kAlreadyExists);
  EXPECT_EQ(CodeOf(folder.path() / "folder" / "", true), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(path / "below a file", true), ErrorCode::kIo);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 2) << "no temporary file stays";
}

TEST(LiesIn, TheFolderAndWhatIsBelow) {
  const TemporaryFolder folder;
  const fs::path in = folder.path() / "a";
  fs::create_directory(in);
  fs::create_directory_symlink(in, folder.path() / "link");
  for (const fs::path& inside : {in, in / "", in / "x", in / "x" / ".." / "y", folder.path() / "b" / ".." / "a" / "x",
                                 folder.path() / "link" / "x"})
    for (const fs::path& outer : {in, in / ""}) EXPECT_TRUE(LiesIn(inside, outer)) << inside << " " << outer;
  for (const fs::path& outside : {folder.path(), folder.path() / "ab", in / "..", in / ".." / "b"})
    EXPECT_FALSE(LiesIn(outside, in)) << outside;
}

}  // namespace
}  // namespace kindred
