#include "host/data/id_map.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <random>
#include <unordered_map>

#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

TEST(IdMap, NothingIsFoundInAnEmptyOne) {
  EXPECT_EQ(IdMap().Find(""), -1);
  EXPECT_EQ(IdMap().size(), 0);
  const IdMapBuilder builder;
  EXPECT_EQ(builder.view().size(), 0);
  EXPECT_EQ(builder.view().Find("a"), -1);
}

TEST(IdMap, IndicesAreInOrderOfFirstAppearance) {
  IdMapBuilder builder;
  EXPECT_EQ(builder.Intern("b"), 0);
  EXPECT_EQ(builder.Intern("a"), 1);
  EXPECT_EQ(builder.Intern("b"), 0);
  EXPECT_EQ(builder.Intern(""), 2);
  EXPECT_EQ(builder.view().Id(1), "a");
  EXPECT_EQ(builder.view().Find(""), 2);
  EXPECT_EQ(builder.view().Find("c"), -1);
}

TEST(IdMap, AnyBytesComeBack) {
  using namespace std::string_view_literals;
  const std::string_view ids[] = {"a\0b"sv, "a\0"sv, "a"sv, "\xff\xfe"sv, "\""sv, ",\n"sv, "Z\u00fcrich"sv};
  IdMapBuilder builder;
  for (const std::string_view id : ids) builder.Intern(id);
  for (size_t i = 0; i < std::size(ids); ++i) {
    EXPECT_EQ(builder.view().Id(static_cast<int64_t>(i)), ids[i]);
    EXPECT_EQ(builder.view().Find(ids[i]), static_cast<int32_t>(i));
  }
}

TEST(IdMap, AgreesWithAStandardMap) {
  std::mt19937 random(1);
  IdMapBuilder builder;
  std::unordered_map<std::string, int32_t> expected;
  for (int i = 0; i < 50000; ++i) {
    std::string id = std::to_string(random() % 20000);
    id.append(random() % 3, '\0');
    const int32_t next = static_cast<int32_t>(expected.size());
    EXPECT_EQ(builder.Intern(id), expected.emplace(id, next).first->second);
  }
  ASSERT_EQ(builder.size(), static_cast<int64_t>(expected.size()));
  for (const auto& [id, index] : expected) {
    EXPECT_EQ(builder.view().Find(id), index);
    EXPECT_EQ(builder.view().Id(index), id);
    EXPECT_EQ(builder.view().Find(id + "x"), -1);
  }
}

class IdMapFile : public testing::Test {
 protected:
  /// Writes the arrays as they are and reads them as an id map.
  IdMap Reopen(std::vector<uint8_t> bytes, std::vector<int64_t> offsets, std::vector<int32_t> slots) {
    ArtifactWriter writer(folder_.path() / "ids", "dataset");
    IdMap(bytes, offsets, slots).AddTo(writer, "x");
    writer.Commit({}, true);
    artifact_ = Artifact::Open(folder_.path() / "ids", "dataset");
    return IdMap::FromArtifact(*artifact_, "x");
  }

  void ExpectCorrupt(std::vector<uint8_t> bytes, std::vector<int64_t> offsets, std::vector<int32_t> slots) {
    try {
      Reopen(bytes, offsets, slots);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorrupt) << error.what();
    }
  }

  TemporaryFolder folder_;
  std::shared_ptr<const Artifact> artifact_;
};

TEST_F(IdMapFile, ComesBackFromAnArtifact) {
  for (const int n : {0, 1, 2, 3, 1000}) {
    IdMapBuilder builder;
    for (int i = 0; i < n; ++i) builder.Intern("id" + std::to_string(i * 7));
    ArtifactWriter writer(folder_.path() / "ids", "dataset");
    builder.view().AddTo(writer, "x");
    writer.Commit({}, true);
    const auto artifact = Artifact::Open(folder_.path() / "ids", "dataset");
    const IdMap map = IdMap::FromArtifact(*artifact, "x");
    ASSERT_EQ(map.size(), n);
    for (int i = 0; i < n; ++i) EXPECT_EQ(map.Find("id" + std::to_string(i * 7)), i);
    EXPECT_EQ(map.Find("other"), -1);
  }
}

TEST_F(IdMapFile, ArraysThatDoNotFitAreRefused) {
  EXPECT_EQ(Reopen({'a', 'b'}, {0, 1, 2}, {0, 1, -1, -1}).size(), 2);
  ExpectCorrupt({'a', 'b'}, {}, {0, 1, -1, -1});
  ExpectCorrupt({'a', 'b'}, {1, 1, 2}, {0, 1, -1, -1});
  ExpectCorrupt({'a', 'b'}, {0, 3, 2}, {0, 1, -1, -1});
  ExpectCorrupt({'a', 'b'}, {0, -1, 2}, {0, 1, -1, -1});
  ExpectCorrupt({'a', 'b'}, {0, 1, 3}, {0, 1, -1, -1});
  ExpectCorrupt({'a', 'b'}, {0, 1, 2}, {0, 1, -1});
  ExpectCorrupt({'a', 'b'}, {0, 1, 2}, {0, 1});
  ExpectCorrupt({'a', 'b'}, {0, 1, 2}, {});
  ExpectCorrupt({'a', 'b'}, {0, 1, 2}, {0, 2, -1, -1});
  ExpectCorrupt({'a', 'b'}, {0, 1, 2}, {0, -2, -1, -1});
  ExpectCorrupt({'a', 'b'}, {0, 1, 2}, {0, 1, 0, 1});
  ExpectCorrupt({'a', 'b'}, {0, 1, 2}, {0, -1, -1, -1});
}

}  // namespace
}  // namespace kindred
