#include "host/intake/inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class Inputs : public testing::Test {
 protected:
  std::string At(const std::string& name) const { return (folder_.path() / name).string(); }
  void Write(const std::string& name) const {
    fs::create_directories((folder_.path() / name).parent_path());
    folder_.Write(name, "x");
  }
  /// Without the folder's own path.
  std::vector<std::string> Expand(const std::vector<std::string>& names) const {
    std::vector<std::string> inputs;
    for (const std::string& name : names) inputs.push_back(name == "-" ? name : At(name));
    inputs = ExpandInputs(inputs);
    for (std::string& path : inputs)
      if (path != "-") path = path.substr(folder_.path().string().size() + 1);
    return inputs;
  }

  TemporaryFolder folder_;
};

TEST_F(Inputs, FilesAsTheyAre) {
  for (const char* name : {"b.csv", "a.csv", "[x]*.csv"}) Write(name);
  EXPECT_THAT(Expand({"b.csv", "-", "a.csv", "b.csv"}), ElementsAre("b.csv", "-", "a.csv", "b.csv"));
  EXPECT_THAT(Expand({"[x]*.csv"}), ElementsAre("[x]*.csv"));
  EXPECT_THAT(Expand({}), ElementsAre());
}

TEST_F(Inputs, Folders) {
  for (const char* name :
       {"d/day=2/part-1.csv", "d/day=2/part-0.csv", "d/day=1/part-9.csv", "d/day=1/_SUCCESS", "d/day=1/.part-9.csv.crc",
        "d/_temporary/0/part-0.csv", "d/.hidden/x.csv", "d/a.csv", "d/Z.csv"})
    Write(name);
  EXPECT_THAT(Expand({"d"}),
              ElementsAre("d/Z.csv", "d/a.csv", "d/day=1/part-9.csv", "d/day=2/part-0.csv", "d/day=2/part-1.csv"));
  EXPECT_THAT(Expand({"d/day=*"}), ElementsAre("d/day=1/part-9.csv", "d/day=2/part-0.csv", "d/day=2/part-1.csv"));
  EXPECT_THAT(Expand({"d/_temporary"}), ElementsAre("d/_temporary/0/part-0.csv"));
  fs::create_directory_symlink("d", At("link"));
  EXPECT_EQ(Expand({"link"}).size(), 5u);
  fs::create_directory(At("more"));
  fs::create_directory_symlink(At("d"), At("more/link"));
  EXPECT_EQ(Expand({"more"}).size(), 5u);
}

TEST_F(Inputs, Patterns) {
  for (const char* name : {"a2.csv", "a10.csv", "b1.csv", "_a1.csv", ".a1.csv", "s/a3.csv", "t/a4.csv"}) Write(name);
  EXPECT_THAT(Expand({"a*.csv"}), ElementsAre("a10.csv", "a2.csv"));
  EXPECT_THAT(Expand({"?1.csv"}), ElementsAre("b1.csv"));
  EXPECT_THAT(Expand({"[ab]?.csv", "-"}), ElementsAre("a2.csv", "b1.csv", "-"));
  EXPECT_THAT(Expand({"*/a?.csv"}), ElementsAre("s/a3.csv", "t/a4.csv"));
  EXPECT_THAT(Expand({"_*.csv"}), ElementsAre("_a1.csv"));
}

TEST_F(Inputs, WhatIsNotThereIsNamed) {
  Write("d/_SUCCESS");
  Write("a.csv");
  ExpectError(ErrorCode::kNotFound, "there is no file '" + At("b.csv") + "'", [&] { Expand({"a.csv", "b.csv"}); });
  ExpectError(ErrorCode::kNotFound, "no file matches '" + At("x*.csv") + "'", [&] { Expand({"x*.csv"}); });
  ExpectError(ErrorCode::kNotFound, "no file matches", [&] { Expand({"[x"}); });
  ExpectError(ErrorCode::kNotFound, "the folder '" + At("d") + "' has no files", [&] { Expand({"d"}); });
  ExpectError(ErrorCode::kUsage, "only once", [&] { Expand({"-", "a.csv", "-"}); });
  fs::create_directory(At("loop"));
  fs::create_directory_symlink(At("loop"), At("loop/again"));
  ExpectError(ErrorCode::kIo, "cannot list '", [&] { Expand({"loop"}); });
}

TEST_F(Inputs, AFolderThatCannotBeListed) {
  if (::geteuid() == 0) GTEST_SKIP() << "root lists every folder";
  Write("d/a.csv");
  fs::permissions(At("d"), fs::perms::none);
  ExpectError(ErrorCode::kIo, "cannot list '" + At("d"), [&] { Expand({"d"}); });
  fs::permissions(At("d"), fs::perms::owner_all);
}

TEST(FormatOf, IsWhatTheNameEndsWith) {
  const std::pair<const char*, InputFormat> cases[] = {
      {"a.csv", InputFormat::kCsv},           {"a.csv.gz", InputFormat::kCsv},
      {"d.tsv/a.csv.zst", InputFormat::kCsv}, {"a.b.tsv", InputFormat::kTsv},
      {"a.jsonl", InputFormat::kJsonLines},   {"a.ndjson.zst", InputFormat::kJsonLines},
      {"a.json.gz", InputFormat::kJsonLines}, {"a.mtx.gz", InputFormat::kMatrixMarket},
      {"a.npz", InputFormat::kNpz},           {"part-0.snappy.parquet", InputFormat::kParquet},
  };
  for (const auto& [name, format] : cases) EXPECT_EQ(FormatOf(name), format) << name;
  for (const char* name : {"", "-", "a", "csv", "a.txt", "a.gz", "a.csv.bz2", "a.csv/b", "a.CSV"})
    EXPECT_EQ(FormatOf(name), std::nullopt) << name;
}

}  // namespace
}  // namespace kindred
