#include "host/models/checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>

#include "host/store/checksum.h"
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kModel = "m";

/// Of 3 users, 4 items and n_factors; nothing in it is a round number. With biases where it is of ratings.
Checkpoint SmallCheckpoint(int64_t n_half_steps = 5, size_t n_factors = 2, bool of_ratings = false) {
  Checkpoint checkpoint;
  checkpoint.settings = {{"seed", 18446744073709551615u}, {"objective", {{"regularization", 0.1f}}}};
  checkpoint.phase = "refit";
  checkpoint.report = {{"metrics", {{"recall", 1.0 / 3}}}};
  checkpoint.seconds = {{"fit", 0.1}};
  checkpoint.next_version = 7;
  for (int64_t epoch = 1; epoch <= n_half_steps / 2; ++epoch)
    checkpoint.epochs.push_back({epoch, 1e3 / static_cast<double>(3 * epoch)});
  if (n_half_steps > 3) checkpoint.epochs[0].metrics = {{"mrr", 1.0 / 3}, {"ndcg_at_20", 1e-17}};
  const auto some = [](size_t n, float scale) {
    std::vector<float> values;
    for (size_t i = 0; i < n; ++i) values.push_back(scale * std::sin(static_cast<float>(i) + 1));
    return values;
  };
  checkpoint.state = {
      n_half_steps, 2.0 / 3, {some(3 * n_factors, 1), some(4 * n_factors, 1e-38f), some(n_factors, 1e38f), 1.0 / 7}};
  if (of_ratings) checkpoint.state.biases = {-3.3f, some(3, 0.7f), some(4, -1e-3f)};
  return checkpoint;
}

void ExpectSame(const Checkpoint& found, const Checkpoint& expected) {
  EXPECT_EQ(found.settings, expected.settings);
  EXPECT_EQ(found.phase, expected.phase);
  EXPECT_EQ(found.report, expected.report);
  EXPECT_EQ(found.seconds, expected.seconds);
  EXPECT_EQ(found.next_version, expected.next_version);
  EXPECT_EQ(found.state.n_half_steps, expected.state.n_half_steps);
  EXPECT_EQ(found.state.penalty, expected.state.penalty);
  EXPECT_EQ(found.state.factors.loss, expected.state.factors.loss);
  EXPECT_EQ(found.state.factors.user_factors, expected.state.factors.user_factors);
  EXPECT_EQ(found.state.factors.item_factors, expected.state.factors.item_factors);
  EXPECT_EQ(found.state.factors.eigenvalues, expected.state.factors.eigenvalues);
  EXPECT_EQ(found.state.biases.mean, expected.state.biases.mean);
  EXPECT_EQ(found.state.biases.users, expected.state.biases.users);
  EXPECT_EQ(found.state.biases.items, expected.state.biases.items);
  ASSERT_EQ(found.epochs.size(), expected.epochs.size());
  for (size_t e = 0; e < found.epochs.size(); ++e) {
    EXPECT_EQ(found.epochs[e].epoch, expected.epochs[e].epoch);
    EXPECT_EQ(found.epochs[e].loss, expected.epochs[e].loss);
    EXPECT_EQ(found.epochs[e].metrics, expected.epochs[e].metrics);
  }
}

class CheckpointTest : public testing::Test {
 protected:
  void Put(const json& manifest) const {
    std::ofstream(Place() / "manifest.json", std::ios::binary) << manifest.dump();
    std::ofstream(Place() / "manifest.json.sha256") << Sha256(manifest.dump()) << "  manifest.json\n";
  }
  fs::path Place() const { return CheckpointPath(store_, kModel); }
  Checkpoint Read() const { return ReadCheckpoint(store_, kModel); }
  std::vector<std::string> Names() const {
    std::error_code error;
    return NamesIn(store_.ModelPath(kModel), error);
  }

  TemporaryFolder folder_;
  const ModelStore store_{folder_.path()};
};

TEST_F(CheckpointTest, ComesBackAsItWas) {
  for (const bool of_ratings : {false, true})
    for (const size_t n_factors : {1, 2, 33})
      for (const int64_t n_half_steps : {0, 1, 2, 7}) {
        const Checkpoint checkpoint = SmallCheckpoint(n_half_steps, n_factors, of_ratings);
        WriteCheckpoint(store_, kModel, checkpoint);
        ExpectSame(Read(), checkpoint);
      }
  EXPECT_EQ(Names(), (std::vector<std::string>{"checkpoint"}));
  EXPECT_TRUE(store_.Versions(kModel).empty());
}

TEST_F(CheckpointTest, WhatIsNotFiniteReplacesNothing) {
  const Checkpoint good = SmallCheckpoint();
  WriteCheckpoint(store_, kModel, good);
  for (auto factors : {&AlsFactors::user_factors, &AlsFactors::item_factors, &AlsFactors::eigenvalues}) {
    Checkpoint bad = SmallCheckpoint(7);
    (bad.state.factors.*factors)[1] = NAN;
    ExpectError(ErrorCode::kNumeric, "holds nan at 1", [&] { WriteCheckpoint(store_, kModel, bad); });
  }
  for (auto biases : {&RatingBiases::users, &RatingBiases::items}) {
    Checkpoint bad = SmallCheckpoint(7, 2, true);
    (bad.state.biases.*biases)[1] = INFINITY;
    ExpectError(ErrorCode::kNumeric, "biases holds inf at 1", [&] { WriteCheckpoint(store_, kModel, bad); });
  }
  Checkpoint bad = SmallCheckpoint(7, 2, true);
  bad.state.biases.mean = NAN;
  ExpectError(ErrorCode::kNumeric, "rating_mean holds nan", [&] { WriteCheckpoint(store_, kModel, bad); });
  ExpectSame(Read(), good);
}

TEST_F(CheckpointTest, IsRemovedWithWhatDeadProcessesLeft) {
  RemoveCheckpoint(store_, kModel);  // there is none
  WriteCheckpoint(store_, kModel, SmallCheckpoint());
  fs::create_directory(store_.ModelPath(kModel) / ".checkpoint.tmp-1");
  RemoveCheckpoint(store_, kModel);
  EXPECT_TRUE(Names().empty());
  ExpectError(ErrorCode::kNotFound, "there is no checkpoint at '" + Place().string(), [&] { Read(); });
}

TEST_F(CheckpointTest, WhatIsNoCheckpointStays) {
  fs::create_directories(Place());
  std::ofstream(Place() / "notes.txt") << "mine";
  ExpectError(ErrorCode::kAlreadyExists, "is no checkpoint", [&] { RemoveCheckpoint(store_, kModel); });
  ExpectError(ErrorCode::kAlreadyExists, "is no checkpoint",
              [&] { WriteCheckpoint(store_, kModel, SmallCheckpoint()); });
  EXPECT_EQ(Content(Place() / "notes.txt"), "mine");
  EXPECT_EQ(Names(), (std::vector<std::string>{"checkpoint"}));
}

TEST_F(CheckpointTest, EveryMemberOfTheManifestIsChecked) {
  WriteCheckpoint(store_, kModel, SmallCheckpoint());
  const json manifest = json::parse(Content(Place() / "manifest.json"));
  for (const char* key : {"checkpoint_format", "settings", "phase", "report", "seconds", "next_version", "n_half_steps",
                          "penalty", "loss", "epochs"}) {
    SCOPED_TRACE(key);
    json changed = manifest;
    changed.erase(key);
    Put(changed);
    ExpectError(ErrorCode::kCorrupt, std::string("the manifest: no '") + key + "'", [&] { Read(); });
    for (const json& wrong : {json(), json(true), json(json::array({1}))}) {
      changed[key] = wrong;
      Put(changed);
      ExpectError(ErrorCode::kCorrupt, std::string("the manifest: '") + key + "' is not ", [&] { Read(); });
    }
  }
  const auto refused = [&](const std::string& part, const auto& change) {
    json changed = manifest;
    change(changed);
    Put(changed);
    ExpectError(ErrorCode::kCorrupt, part, [&] { Read(); });
  };
  refused("'n_half_steps'", [](json& m) { m["n_half_steps"] = -1; });
  refused("'epochs' is not a list of 3", [](json& m) { m["n_half_steps"] = 6; });
  refused("'epochs': 2: 'epoch' is not a whole number from 2 to 2", [](json& m) { m["epochs"][1]["epoch"] = 1; });
  refused("'epochs': 2: no 'loss'", [](json& m) { m["epochs"][1].erase("loss"); });
  refused("'epochs': 1: 'metrics' is not an object", [](json& m) { m["epochs"][0]["metrics"] = json::array({1}); });
  refused("'metrics': 'mrr' is not a number", [](json& m) { m["epochs"][0]["metrics"]["mrr"] = "high"; });
  refused("'seconds': 'fit' is not a number", [](json& m) { m["seconds"]["fit"] = "long"; });
  refused("nested more than 64 deep", [](json& m) {
    json deep = 1;
    for (int i = 0; i < 1'000; ++i) deep = json::array({std::move(deep)});
    m["report"]["deep"] = std::move(deep);
  });
}

TEST_F(CheckpointTest, ArraysMustFitEachOther) {
  WriteCheckpoint(store_, "wider", SmallCheckpoint(5, 3));
  WriteCheckpoint(store_, kModel, SmallCheckpoint(5, 2));
  json manifest = json::parse(Content(Place() / "manifest.json"));
  const json wider = json::parse(Content(CheckpointPath(store_, "wider") / "manifest.json"));
  for (const char* name : {"user_factors.npy", "item_factors.npy", "eigenvalues.npy"}) {
    WriteCheckpoint(store_, kModel, SmallCheckpoint(5, 2));
    fs::copy_file(CheckpointPath(store_, "wider") / name, Place() / name, fs::copy_options::overwrite_existing);
    json changed = manifest;
    changed["files"][name] = wider["files"][name];
    Put(changed);
    ExpectError(ErrorCode::kCorrupt, "factors of users", [&] { Read(); });
  }
}

TEST_F(CheckpointTest, OnlyOneOfRatingsHasBiases) {
  WriteCheckpoint(store_, kModel, SmallCheckpoint());
  const json without = json::parse(Content(Place() / "manifest.json"));
  EXPECT_FALSE(without.contains("rating_mean"));
  EXPECT_EQ(without["files"].size(), 3u);
  WriteCheckpoint(store_, "rated", SmallCheckpoint(5, 2, true));
  const fs::path rated = CheckpointPath(store_, "rated");
  const json manifest = json::parse(Content(rated / "manifest.json"));
  EXPECT_EQ(manifest["checkpoint_format"], without["checkpoint_format"]);
  EXPECT_EQ(manifest["files"].size(), 5u);

  fs::remove_all(Place());
  fs::copy(rated, Place());
  const auto refused = [&](const std::string& part, const auto& change) {
    json changed = manifest;
    change(changed);
    Put(changed);
    ExpectError(ErrorCode::kCorrupt, part, [&] { Read(); });
  };
  for (const json& wrong : {json(), json(true), json("3"), json(1e39), json(-1e300), json::array({1})})
    refused("the manifest: 'rating_mean' is not a number", [&](json& m) { m["rating_mean"] = wrong; });
  for (const char* name : {"user_biases.npy", "item_biases.npy"}) {
    refused(name, [&](json& m) { m["files"].erase(name); });
    // 2 eigenvalues are no biases of 3 users or 4 items.
    fs::copy_file(rated / "eigenvalues.npy", Place() / name, fs::copy_options::overwrite_existing);
    refused(name == std::string("user_biases.npy") ? "2 user_biases for 3 rows" : "2 item_biases for 4 rows",
            [&](json& m) { m["files"][name] = m["files"]["eigenvalues.npy"]; });
    fs::copy_file(rated / name, Place() / name, fs::copy_options::overwrite_existing);
  }
  Put(manifest);
  ExpectSame(Read(), SmallCheckpoint(5, 2, true));
}

}  // namespace
}  // namespace kindred
