#include "host/intake/input_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <string>

#include "kernels/error.h"
#include "tests/support/errors.h"
#include "tests/support/gzip.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/zstd.h"

namespace kindred {
namespace {

using testing::HasSubstr;

std::string ReadAllOf(InputFile& file, size_t portion) {
  std::string text;
  std::string buffer(portion, '\0');
  for (size_t got = 1; got > 0;) {
    got = file.Read(buffer.data(), portion);
    EXPECT_LE(got, portion);
    text.append(buffer, 0, got);
  }
  return text;
}

std::string Unpack(std::string_view content, const std::string& name, size_t portion = 1 << 16) {
  const TemporaryFolder folder;
  InputFile file(folder.Write(name, content));
  EXPECT_EQ(file.size(), static_cast<int64_t>(content.size()));
  std::string text = ReadAllOf(file, portion);
  EXPECT_EQ(file.stored_bytes(), static_cast<int64_t>(content.size()));
  EXPECT_EQ(file.Sha256(), Sha256(content));
  return text;
}

std::string SomeText(size_t lines) {
  std::mt19937 random(7);
  std::string text;
  for (size_t i = 0; i < lines; ++i) text += std::to_string(random()) + "," + std::to_string(i % 100) + "\n";
  return text;
}

/// A frame of n bytes that readers skip.
std::string SkippableFrame(size_t n) {
  std::string frame("\x5A\x2A\x4D\x18", 4);
  for (int shift = 0; shift < 32; shift += 8) frame.push_back(static_cast<char>(n >> shift & 0xFF));
  return frame + std::string(n, '\xAA');
}

TEST(InputFile, PlainInPortionsOfAnySize) {
  for (const size_t lines : {0, 1, 20, 60000}) {
    const std::string text = SomeText(lines);
    for (const size_t portion : {1, 3, 4096, 1 << 18, 4 << 20}) {
      if (portion < 4096 && lines > 100) continue;
      EXPECT_EQ(Unpack(text, "a.csv", portion), text) << lines << " " << portion;
    }
  }
}

TEST(InputFile, PackedIsKnownByNameOrFirstBytes) {
  const std::string text = SomeText(100000);
  for (const std::string& packed : {Gzip(text), Zstd(text)})
    for (const char* name : {"a.csv", "a.gz", "a.zst"}) {
      EXPECT_EQ(Unpack(packed, name), text) << name;
      EXPECT_EQ(Unpack(packed, name, 4 << 20), text) << name;
    }
  EXPECT_EQ(Unpack(Zstd(SomeText(10)), "a", 1), SomeText(10));
  EXPECT_EQ(Unpack(Zstd(""), "a.zst"), "");
  EXPECT_EQ(Unpack(std::string("\x28\xB5\x2F"), "a"), "\x28\xB5\x2F");
}

TEST(InputFile, FramesOfZstd) {
  const std::string text = SomeText(50);
  for (const size_t cut : {size_t{0}, size_t{1}, text.size() / 2, text.size()}) {
    const std::string frames = SkippableFrame(9) + Zstd(text.substr(0, cut)) + SkippableFrame(0) +
                               Zstd(text.substr(cut)) + SkippableFrame(300000);
    for (const size_t portion : {size_t{1}, size_t{7}, size_t{1} << 16}) EXPECT_EQ(Unpack(frames, "a", portion), text);
  }
  EXPECT_EQ(Unpack(SkippableFrame(4), "a.zst"), "");
}

TEST(InputFile, ZstdThatIsCutShortSaysHowMuchWasRead) {
  const std::string packed = Zstd(SomeText(30)) + Zstd(SomeText(3));
  const size_t whole = Zstd(SomeText(30)).size();
  for (size_t bytes = 0; bytes < packed.size(); ++bytes) {
    if (bytes == whole) continue;
    ExpectError(ErrorCode::kCorrupt,
                "a.zst' is cut short: its " + std::to_string(bytes) + " bytes end within the zstd data",
                [&] { Unpack(packed.substr(0, bytes), "a.zst"); });
  }
  ExpectError(ErrorCode::kCorrupt, "cut short", [] { Unpack(SkippableFrame(100).substr(0, 50), "a.zst"); });
}

TEST(InputFile, ZstdThatIsDamaged) {
  const std::string packed = Zstd(SomeText(1000));
  ExpectError(ErrorCode::kCorrupt, "a.zst' is no whole zstd file: ", [&] { Unpack(packed + "garbage", "a.zst"); });
  ExpectError(ErrorCode::kCorrupt, "at byte " + std::to_string(packed.size()),
              [&] { Unpack(packed + "garbage", "a.zst"); });
  ExpectError(ErrorCode::kCorrupt, "at byte ", [] { Unpack("user,item\n", "a.zst"); });
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 300; ++i) {  // without a checksum some damage cannot be seen
    std::string damaged = packed;
    damaged[4 + random() % (damaged.size() - 4)] ^= static_cast<char>(1 + random() % 255);
    try {
      Unpack(damaged, "a.zst");
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("a.zst'"));
      ++refused;
    }
  }
  EXPECT_GT(refused, 30);
}

TEST(InputFile, ZstdWithAWindowThatIsTooLarge) {
  // Magic, a header without content size, and a window of 2^31 bytes.
  const std::string packed("\x28\xB5\x2F\xFD\x00\xA8\x01\x00\x00", 9);
  ExpectError(ErrorCode::kUnsupported, "128 MiB", [&] { Unpack(packed, "a.zst"); });
}

/// Another file as standard input, for as long as it lives.
class StandardInput {
 public:
  explicit StandardInput(int descriptor) : saved_(::dup(STDIN_FILENO)) {
    ::dup2(descriptor, STDIN_FILENO);
    ::close(descriptor);
  }
  ~StandardInput() {
    ::dup2(saved_, STDIN_FILENO);
    ::close(saved_);
  }

 private:
  int saved_;
};

TEST(InputFile, StandardInput) {
  for (const std::string& content : {SomeText(20), Gzip(SomeText(20)), Zstd(SomeText(20))}) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ASSERT_EQ(::write(ends[1], content.data(), content.size()), static_cast<ssize_t>(content.size()));
    ::close(ends[1]);
    const StandardInput input(ends[0]);
    InputFile file("-");
    EXPECT_EQ(file.path(), "-");
    EXPECT_EQ(file.size(), 0);
    EXPECT_EQ(ReadAllOf(file, 5), SomeText(20));
    EXPECT_EQ(file.Sha256(), Sha256(content));
  }
}

TEST(InputFile, WhatIsNoFile) {
  const TemporaryFolder folder;
  ExpectError(ErrorCode::kNotFound, "none", [&] { InputFile(folder.path().string() + "/none"); });
  ExpectError(ErrorCode::kIo, "is a folder", [&] { InputFile file(folder.path().string()); });
}

}  // namespace
}  // namespace kindred
