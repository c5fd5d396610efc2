#include "host/store/artifact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <numeric>

#include "host/store/checksum.h"
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

std::vector<std::string> Names(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  return names;
}

void Write(const fs::path& path, const std::vector<int32_t>& values, bool overwrite = false,
           const std::string& kind = "dataset") {
  ArtifactWriter writer(path, kind);
  writer.AddArray<int32_t>("values", values);
  writer.Commit({{"note", "n"}}, overwrite);
}

std::vector<int32_t> Read(const fs::path& path) {
  const auto artifact = Artifact::Open(path, "dataset");
  const auto values = artifact->Array<int32_t>("values");
  return {values.begin(), values.end()};
}

/// Replaces the manifest by one whose checksum is right.
void WriteManifest(const fs::path& path, const std::string& text) {
  std::ofstream(path / "manifest.json", std::ios::binary) << text;
  std::ofstream(path / "manifest.json.sha256") << Sha256(text) << "  manifest.json\n";
}

TEST(Artifact, GivesBackWhatWasWritten) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "new" / "deep" / "artifact";
  std::vector<float> large(700001);
  std::iota(large.begin(), large.end(), 0.0f);
  const std::vector<float> matrix = {1, 2, 3, 4, 5, 6};
  {
    ArtifactWriter writer(path, "dataset");
    writer.AddArray<float>("large", large);
    writer.AddMatrix("matrix", {matrix.data(), 2, 3});
    writer.AddMatrix("no_rows", {nullptr, 0, 3});
    writer.AddArray<uint8_t>("none", {});
    writer.AddArray<int64_t>("one", std::vector<int64_t>{-7});
    EXPECT_FALSE(fs::exists(path));
    writer.Commit({{"note", "\xff is no UTF-8"}, {"number", 0.25}});
  }
  EXPECT_THAT(Names(path.parent_path()), ElementsAre("artifact"));

  const auto artifact = Artifact::Open(path, "dataset");
  EXPECT_THAT(artifact->Array<float>("large"), testing::ElementsAreArray(large));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(artifact->Array<float>("large").data()) % 64, 0u);
  const auto read = artifact->Matrix<float>("matrix");
  EXPECT_EQ(read.n_rows, 2);
  EXPECT_EQ(read.n_cols, 3);
  EXPECT_THAT(read.row(1), ElementsAre(4, 5, 6));
  EXPECT_EQ(artifact->Matrix<float>("no_rows").n_rows, 0);
  EXPECT_TRUE(artifact->Array<uint8_t>("none").empty());
  EXPECT_THAT(artifact->Array<int64_t>("one"), ElementsAre(-7));
  EXPECT_TRUE(artifact->Has("one"));
  EXPECT_FALSE(artifact->Has("two"));
  EXPECT_EQ(artifact->manifest()["format"], kArtifactFormat);
  EXPECT_EQ(artifact->manifest()["kind"], "dataset");
  EXPECT_EQ(artifact->manifest()["number"], 0.25);
  EXPECT_EQ(artifact->manifest()["files"]["large.npy"]["xxh3_blocks"].size(), 3u);
  EXPECT_EQ(artifact->manifest()["files"]["large.npy"]["sha256"], Sha256(Content(path / "large.npy")));
  EXPECT_EQ(artifact->digest(), Sha256(Content(path / "manifest.json")));
  int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(path)) bytes += static_cast<int64_t>(entry.file_size());
  EXPECT_EQ(artifact->bytes(), bytes);
  EXPECT_EQ(std::system(("cd " + path.string() + " && sha256sum --quiet --strict -c manifest.json.sha256").c_str()), 0);

  ExpectError(ErrorCode::kCorrupt, "has no two.npy", [&] { artifact->Array<float>("two"); });
  ExpectError(ErrorCode::kCorrupt, "expected '<i4' in 1", [&] { artifact->Array<int32_t>("large"); });
  ExpectError(ErrorCode::kCorrupt, "expected '<f4' in 2", [&] { artifact->Matrix<float>("large"); });
}

TEST(Artifact, TheSameContentHasTheSameDigest) {
  const TemporaryFolder folder;
  Write(folder.path() / "a", {1, 2});
  Write(folder.path() / "b", {1, 2});
  Write(folder.path() / "c", {1, 3});
  const auto digest = [&](const char* name) { return Artifact::Open(folder.path() / name, "dataset")->digest(); };
  EXPECT_EQ(digest("a"), digest("b"));
  EXPECT_NE(digest("a"), digest("c"));
}

TEST(Artifact, EveryFlippedByteIsFound) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  {
    ArtifactWriter writer(path, "dataset");
    writer.AddArray<int32_t>("values", std::vector<int32_t>{1, 2, 3});
    writer.AddArray<float>("empty", {});
    writer.Commit({});
  }
  for (const std::string& name : Names(path)) {
    const std::string content = Content(path / name);
    for (size_t at = 0; at < content.size(); ++at) {
      std::string damaged = content;
      damaged[at] = static_cast<char>(damaged[at] ^ (at % 2 == 0 ? 1 : 0x80));
      folder.Write("a/" + name, damaged);
      EXPECT_THROW(Artifact::Open(path, "dataset"), Error) << name << ", byte " << at;
    }
    folder.Write("a/" + name, content);
  }
  EXPECT_NO_THROW(Artifact::Open(path, "dataset"));
}

TEST(Artifact, ADamagedBlockIsNamed) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  Write(path, std::vector<int32_t>(1000000, 5));
  std::string content = Content(path / "values.npy");
  content[2 * static_cast<size_t>(kChecksumBlockBytes)] ^= 1;
  folder.Write("a/values.npy", content);
  ExpectError(ErrorCode::kCorrupt, "values.npy': block 2 (from byte 2097152)", [&] { Read(path); });
}

TEST(Artifact, EveryDamagedFileIsNamed) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  const std::vector<int32_t> values(1000000, 5);
  {
    ArtifactWriter writer(path, "dataset");
    for (const char* name : {"flipped", "missing", "longer", "whole", "other"}) writer.AddArray<int32_t>(name, values);
    writer.Commit({});
  }
  EXPECT_THAT(Artifact::DamagedFiles(path, "dataset"), ElementsAre());
  std::string content = Content(path / "flipped.npy");
  content[3 * static_cast<size_t>(kChecksumBlockBytes) + 1] ^= 1;
  folder.Write("a/flipped.npy", content);
  folder.Write("a/longer.npy", Content(path / "longer.npy") + "x");
  fs::remove(path / "missing.npy");
  json manifest = json::parse(Content(path / "manifest.json"));
  EXPECT_EQ(Artifact::ReadManifest(path, "dataset"), manifest);
  manifest["files"]["other.npy"]["sha256"] = Sha256("other");  // which Open does not look at
  WriteManifest(path, manifest.dump());
  EXPECT_THAT(Artifact::DamagedFiles(path, "dataset"),
              ElementsAre(testing::HasSubstr("flipped.npy': block 3 (from byte 3145728) does not match its checksum"),
                          testing::HasSubstr("longer.npy': has 4000129 bytes; the manifest says 4000128"),
                          testing::HasSubstr("missing.npy': is missing"),
                          testing::HasSubstr("other.npy': does not match its SHA-256")));
  folder.Write("a/manifest.json", manifest.dump() + " ");
  ExpectError(ErrorCode::kCorrupt, "does not match the checksum", [&] { Artifact::DamagedFiles(path, "dataset"); });
  ExpectError(ErrorCode::kCorrupt, "does not match the checksum", [&] { Artifact::ReadManifest(path, "dataset"); });
}

TEST(Artifact, EveryTruncationIsFound) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  Write(path, {1, 2, 3});
  for (const std::string& name : Names(path)) {
    const std::string content = Content(path / name);
    for (size_t size = 0; size < content.size(); ++size) {
      folder.Write("a/" + name, content.substr(0, size));
      EXPECT_THROW(Read(path), Error) << name << ", " << size << " bytes";
    }
    folder.Write("a/" + name, content + "\n");
    EXPECT_THROW(Read(path), Error) << name << ", one byte more";
    fs::remove(path / name);
    EXPECT_THROW(Read(path), Error) << name << " removed";
    folder.Write("a/" + name, content);
  }
  EXPECT_NO_THROW(Read(path));
}

TEST(Artifact, MissingOrForeignPathsAreNamed) {
  const TemporaryFolder folder;
  ExpectError(ErrorCode::kNotFound, "no dataset at", [&] { Read(folder.path() / "nothing"); });
  ExpectError(ErrorCode::kNotFound, "no dataset at", [&] { Read(folder.path()); });
  ExpectError(ErrorCode::kNotFound, "no dataset at", [&] { Read(folder.Write("file", "text")); });
  Write(folder.path() / "a", {1}, false, "model");
  ExpectError(ErrorCode::kUnsupported, "of kind \"model\"; expected a dataset", [&] { Read(folder.path() / "a"); });
}

TEST(Artifact, ANewerFormatIsRefused) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  Write(path, {1});
  json manifest = json::parse(Content(path / "manifest.json"));
  manifest["format"] = kArtifactFormat + 1;
  const std::string refusal =
      "manifest.json' has format 2; this program, kindred " KINDRED_VERSION ", reads up to 1: use ";
  const auto refused = [&](const std::string& remedy) {
    WriteManifest(path, manifest.dump());
    ExpectError(ErrorCode::kUnsupported, refusal + remedy, [&] { Read(path); });
    ExpectError(ErrorCode::kUnsupported, refusal + remedy, [&] { Artifact::ReadManifest(path, "dataset"); });
    ExpectError(ErrorCode::kUnsupported, refusal + remedy, [&] { Artifact::DamagedFiles(path, "dataset"); });
  };
  refused("a newer one");
  manifest["kindred_version"] = "9.1\n";
  refused("kindred 9.1\\x0a, which made it, or a newer one");
  manifest["kindred_version"] = 9;
  refused("a newer one");
}

TEST(Artifact, AManifestThatLiesIsRefused) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  Write(path, {1});
  folder.Write("outside.npy", Content(path / "values.npy"));
  const json good = json::parse(Content(path / "manifest.json"));
  const json file = good["files"]["values.npy"];
  const auto refused = [&](const std::string& part, const std::function<void(json&)>& change) {
    json manifest = good;
    change(manifest);
    WriteManifest(path, manifest.dump());
    ExpectError(ErrorCode::kCorrupt, part, [&] { Read(path); });
  };
  refused("lists a file that is no array", [&](json& m) { m["files"]["../outside.npy"] = file; });
  refused("lists a file that is no array", [&](json& m) { m["files"][".npy"] = file; });
  refused("lists a file that is no array", [&](json& m) { m["files"]["manifest.json"] = file; });
  refused("more.npy': is missing", [&](json& m) { m["files"]["more.npy"] = file; });
  refused("'bytes' is missing or is no size", [](json& m) { m["files"]["values.npy"]["bytes"] = "132"; });
  refused("'bytes' is missing or is no size", [](json& m) { m["files"]["values.npy"]["bytes"] = -1; });
  refused("'bytes' is missing or is no size", [](json& m) { m["files"]["values.npy"] = 3; });
  refused("checksum for each block", [](json& m) { m["files"]["values.npy"]["bytes"] = int64_t{1} << 60; });
  refused("checksum for each block", [](json& m) { m["files"]["values.npy"]["xxh3_blocks"] = json::array(); });
  refused("has 132 bytes", [](json& m) { m["files"]["values.npy"]["bytes"] = 131; });
  refused("block 0", [](json& m) { m["files"]["values.npy"]["xxh3_blocks"][0] = 7; });
  refused("lists no files", [](json& m) { m["files"] = 3; });
  refused("lists no files", [](json& m) { m.erase("files"); });
  refused("'format' is missing", [](json& m) { m.erase("format"); });
  WriteManifest(path, "{\"format\": 1,");
  ExpectError(ErrorCode::kCorrupt, "no JSON object", [&] { Read(path); });
}

TEST(Artifact, FilesThatAreNotListedAreLeftAlone) {
  const TemporaryFolder folder;
  Write(folder.path() / "a", {1});
  folder.Write("a/other.npy", "no array");
  EXPECT_FALSE(Artifact::Open(folder.path() / "a", "dataset")->Has("other"));
}

TEST(Artifact, NothingIsOverwrittenUnasked) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  Write(path, {1});
  ExpectError(ErrorCode::kAlreadyExists, "there already", [&] { Write(path, {2}); });
  EXPECT_THAT(Read(path), ElementsAre(1));
  ExpectError(ErrorCode::kAlreadyExists, "there already", [&] { Write(folder.Write("file", "text"), {2}); });
  EXPECT_EQ(Content(folder.path() / "file"), "text");
  EXPECT_THAT(Names(folder.path()), UnorderedElementsAre("a", "file"));
  fs::create_directory(folder.path() / "empty");
  Write(folder.path() / "empty", {3});
  EXPECT_THAT(Read(folder.path() / "empty"), ElementsAre(3));
}

TEST(Artifact, OverwritingExchanges) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  Write(path, {1}, true);
  const auto old = Artifact::Open(path, "dataset");
  Write(path, {2}, true);
  EXPECT_THAT(Read(path), ElementsAre(2));
  EXPECT_THAT(old->Array<int32_t>("values"), ElementsAre(1));
  EXPECT_THAT(Names(folder.path()), ElementsAre("a"));
}

TEST(Artifact, OverwritingSparesWhatIsNoArtifact) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  fs::create_directory(path);
  folder.Write("a/precious", "text");
  ExpectError(ErrorCode::kAlreadyExists, "is no dataset", [&] { Write(path, {2}, true); });
  EXPECT_EQ(Content(path / "precious"), "text");

  Write(folder.path() / "b", {1});
  folder.Write("b/precious", "text");
  ExpectError(ErrorCode::kAlreadyExists, "holds 'precious'", [&] { Write(folder.path() / "b", {2}, true); });
  EXPECT_THAT(Read(folder.path() / "b"), ElementsAre(1));

  Write(folder.path() / "c", {1}, false, "model");
  ExpectError(ErrorCode::kAlreadyExists, "is no dataset", [&] { Write(folder.path() / "c", {2}, true); });
  EXPECT_THAT(Names(folder.path()), UnorderedElementsAre("a", "b", "c"));
}

TEST(Artifact, PathsAsTheyAreTyped) {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  Write("plain", {1});
  Write("slash/", {2});
  Write("deep/er//", {3});
  fs::create_directory("inside");
  fs::create_directory_symlink("plain", "link");
  Write("link", {4}, true);
  EXPECT_THAT(Read("plain/"), ElementsAre(4));
  EXPECT_TRUE(fs::is_symlink("link"));
  EXPECT_THAT(Read("slash"), ElementsAre(2));
  EXPECT_THAT(Read("deep/er"), ElementsAre(3));
  for (const char* path : {"", "/"})
    ExpectError(ErrorCode::kInvalidArgument, "no path for a new folder", [&] { Write(path, {5}); });
  fs::current_path(before);
}

TEST(Artifact, AWriterThatDoesNotCommitLeavesNothing) {
  const TemporaryFolder folder;
  {
    ArtifactWriter writer(folder.path() / "a", "dataset");
    writer.AddArray<int32_t>("values", std::vector<int32_t>{1});
    EXPECT_THAT(Names(folder.path()), ElementsAre(".a.tmp-" + std::to_string(::getpid())));
    ExpectError(ErrorCode::kInvalidArgument, "no name for an array", [&] { writer.AddArray<float>("../x", {}); });
    ExpectError(ErrorCode::kIo, "File exists", [&] { writer.AddArray<float>("values", {}); });
  }
  EXPECT_THAT(Names(folder.path()), ElementsAre());
}

TEST(Artifact, LeftoversOfDeadProcessesAreRemoved) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ArtifactWriter writer(path, "dataset");
    ::_exit(0);  // no destructor runs
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  fs::create_directory(folder.path() / ".a.tmp-x");
  fs::create_directory(folder.path() / ".ab.tmp-1");
  EXPECT_THAT(Names(folder.path()), UnorderedElementsAre(".a.tmp-" + std::to_string(child), ".a.tmp-x", ".ab.tmp-1"));
  Write(path, {1});
  EXPECT_THAT(Names(folder.path()), UnorderedElementsAre("a", ".a.tmp-x", ".ab.tmp-1"));
}

TEST(Artifact, TheFolderOfALivingProcessStays) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a";
  int ready[2];
  int done[2];
  ASSERT_EQ(::pipe(ready) + ::pipe(done), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ArtifactWriter writer(path, "dataset");
    char byte = 0;
    if (::write(ready[1], &byte, 1) != 1 || ::read(done[0], &byte, 1) != 1) ::_exit(1);
    writer.Commit({}, true);
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  Write(path, {1});
  EXPECT_TRUE(fs::exists(folder.path() / (".a.tmp-" + std::to_string(child))));
  ASSERT_EQ(::write(done[1], &byte, 1), 1);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_THAT(Names(folder.path()), ElementsAre("a"));
  for (const int end : {ready[0], ready[1], done[0], done[1]}) ::close(end);
}

}  // namespace
}  // namespace kindred
