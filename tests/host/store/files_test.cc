#include "host/store/files.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <iterator>

#include "tests/support/errors.h"
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

TEST(WriteNewFile, WhatIsFilledByPartsIsThereWholeOrNotAtAll) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "file";
  const auto write = [&](const Descriptor& file, std::string_view text) {
    WriteAll(file, std::as_bytes(std::span(text)), path);
  };
  WriteNewFile(
      path,
      [&](const Descriptor& file) {
        write(file, "one ");
        EXPECT_FALSE(fs::exists(path));
        write(file, "two");
      },
      false);
  EXPECT_EQ(Content(path), "one two");
  const auto fail = [&](const Descriptor& file) {
    write(file, "half");
    throw Error(ErrorCode::kIo, "the source ended");
  };
  ExpectError(ErrorCode::kIo, "the source ended", [&] { WriteNewFile(path, fail, true); });
  EXPECT_EQ(Content(path), "one two");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(CheckNewFile, RefusesWhatWriteNewFileWouldAndCreatesNothing) {
  const TemporaryFolder folder;
  const fs::path file = folder.Write("file", "old");
  const auto refused = [](ErrorCode code, const fs::path& path, bool overwrite) {
    SCOPED_TRACE(path);
    try {
      CheckNewFile(path, overwrite);
      ADD_FAILURE() << "not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
    }
  };
  CheckNewFile(folder.path() / "new", false);
  CheckNewFile(folder.path() / "a" / "b" / "new", false);
  CheckNewFile(file, true);
  refused(ErrorCode::kAlreadyExists, file, false);
  refused(ErrorCode::kAlreadyExists, folder.path(), true);
  refused(ErrorCode::kInvalidArgument, folder.path() / "a" / "", false);
  refused(ErrorCode::kInvalidArgument, "", false);
  refused(ErrorCode::kIo, file / "below a file", false);
  fs::create_directory(folder.path() / "closed");
  fs::permissions(folder.path() / "closed", fs::perms::owner_read | fs::perms::owner_exec);
  if (::access((folder.path() / "closed").c_str(), W_OK) != 0)  // root may write everywhere
    refused(ErrorCode::kIo, folder.path() / "closed" / "new", false);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 2);
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
