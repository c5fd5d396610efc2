// Weights, caps and decay from the command line to the published version.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "host/data/dataset.h"
#include "host/models/model.h"
#include "tests/support/captured_run.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using Words = std::vector<std::string>;
using Confidences = std::map<std::pair<std::string, std::string>, double>;

Confidences History(const Model& model) {
  Confidences out;
  const ModelView& view = model.view();
  for (int64_t user = 0; user < view.n_users(); ++user)
    for (size_t i = 0; i < view.history.row(user).size(); ++i)
      out[{std::string(view.users.Id(user)), std::string(view.items.Id(view.history.row(user)[i]))}] =
          view.history.row_values(user)[i];
  return out;
}

class WeightingTest : public testing::Test {
 protected:
  int RunProgram(const Words& words) {
    CommandLine program;
    AddPrepareCommand(program);
    AddTrainCommand(program);
    AddEvaluateCommand(program);
    return RunCaptured(program, words, &out_, &err_);
  }

  void Prepare(const std::string& file) {
    ASSERT_EQ(RunProgram({"prepare", file, "--out", Path("data"), "--overwrite", "--json"}), 0) << err_;
  }
  void PrepareText(const std::string& text) { Prepare(folder_.Write("events.csv", text)); }

  /// The dataset again, with another manifest.
  void ChangeManifest(const json& changes) {
    const auto dataset = Artifact::Open(Path("data"), "dataset");
    json manifest = dataset->manifest();
    manifest.update(changes);
    ArtifactWriter writer(Path("data"), "dataset");
    for (const char* name : {"user_ids_bytes", "item_ids_bytes", "event_types"})
      writer.AddArray(name, dataset->Array<uint8_t>(name));
    for (const char* name : {"user_ids_offsets", "item_ids_offsets", "event_indptr", "event_times"})
      writer.AddArray(name, dataset->Array<int64_t>(name));
    for (const char* name : {"user_ids_slots", "item_ids_slots", "event_items"})
      writer.AddArray(name, dataset->Array<int32_t>(name));
    writer.AddArray("event_values", dataset->Array<float>("event_values"));
    writer.Commit(manifest, true);
  }

  int Train(const Words& more) {
    Words words = {"train", Path("data"), "--store", Path("models"), "--model", "m", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return RunProgram(words);
  }
  Confidences Trained(Words more) {
    more.insert(more.end(), {"--algorithm", "popularity"});
    EXPECT_EQ(Train(more), 0) << err_;
    return History(*Published());
  }
  void ExpectRefused(const std::string& part, const Words& more) {
    EXPECT_EQ(Train(more), 1);
    EXPECT_THAT(err_, HasSubstr(part));
    EXPECT_FALSE(std::filesystem::exists(Path("models") + "/m/CURRENT"));
  }

  std::shared_ptr<const Model> Published() const { return Model::Open(ModelStore(Path("models")), "m"); }
  std::string Path(const std::string& name) const { return (folder_.path() / name).string(); }

  TemporaryFolder folder_;
  std::string out_, err_;
};

// Days 0, 1 and 2 of 1970; ann viewed, carted and viewed again; bob viewed one thing.
constexpr const char* kShop =
    "user,item,event,value,time\n"
    "ann,pen,view,1,0\n"
    "ann,ink,cart,2,86400\n"
    "ann,pen,view,1,172800\n"
    "bob,pen,view,8,86400\n";

TEST_F(WeightingTest, TrainingTakesTheFlags) {
  PrepareText(kShop);
  const auto confidences = [](double ann_ink, double ann_pen, double bob_pen) {
    return Confidences{{{"ann", "ink"}, ann_ink}, {{"ann", "pen"}, ann_pen}, {{"bob", "pen"}, bob_pen}};
  };
  EXPECT_EQ(Trained({}), confidences(2, 2, 8));
  EXPECT_EQ(Trained({"--event-weight", "view=1,cart=3"}), confidences(6, 2, 8));
  EXPECT_EQ(Trained({"--event-weight", "view=1", "--event-weight", "cart=3"}), confidences(6, 2, 8));
  EXPECT_EQ(Trained({"--event-weight", "cart=3,*=0.5"}), confidences(6, 1, 4));
  EXPECT_EQ(Trained({"--event-weight", "cart=3,*=0"}), (Confidences{{{"ann", "ink"}, 6}}));
  EXPECT_EQ(Trained({"--value-cap", "1.5"}), confidences(1.5, 2, 1.5));
  EXPECT_EQ(Trained({"--confidence-cap", "4"}), confidences(2, 2, 4));
  EXPECT_EQ(Trained({"--half-life", "1d"}), confidences(1, 1.25, 4));
  EXPECT_EQ(Trained({"--event-weight", "view=1,cart=3", "--value-cap", "4", "--confidence-cap", "1.75", "--half-life",
                     "24h"}),
            confidences(1.75, 1.25, 1.75));
  const json expected = {{"event_weights", {{"cart", 3.0}, {"view", 1.0}}},
                         {"value_cap", 4.0},
                         {"confidence_cap", 1.75},
                         {"half_life_seconds", 86400.0},
                         {"reference_time", 172800}};
  EXPECT_EQ(json::parse(out_)["weighting"], expected);
  EXPECT_EQ(Published()->manifest()["weighting"], expected);
}

TEST_F(WeightingTest, TheDatasetsWeightingHoldsUnlessAFlagSaysOtherwise) {
  PrepareText(kShop);
  const EventWeighting weighting = {.event_weights = {{"view", 1}, {"cart", 3}}, .value_cap = 4, .half_life = 86400};
  ChangeManifest({{"weighting", WeightingJson(weighting)}});
  EXPECT_EQ(Dataset::Open(Path("data"))->weighting(), weighting);
  const std::pair<std::string, std::string> ann_ink = {"ann", "ink"}, bob_pen = {"bob", "pen"};
  Confidences found = Trained({});
  EXPECT_EQ(found[ann_ink], 3);
  EXPECT_EQ(found[bob_pen], 2);
  found = Trained({"--half-life", "none"});
  EXPECT_EQ(found[ann_ink], 6);
  EXPECT_EQ(found[bob_pen], 4);
  found = Trained({"--event-weight", "none", "--value-cap", "6"});
  EXPECT_EQ(found[ann_ink], 1);
  EXPECT_EQ(found[bob_pen], 3);
  EXPECT_EQ(json::parse(out_)["weighting"]["event_weights"], json());
  EXPECT_EQ(json::parse(out_)["weighting"]["half_life_seconds"], 86400);

  ChangeManifest({{"weighting", {{"value_cap", -1}}}});
  ASSERT_EQ(Train({}), 1);
  EXPECT_THAT(err_, HasSubstr("/data': weighting: the value cap is -1; expected a number > 0"));
}

TEST_F(WeightingTest, WhatDoesNotFitTheDatasetIsRefused) {
  PrepareText(kShop);
  ExpectRefused("events of type 'cart' and no weight for them, only for 'view'", {"--event-weight", "view=1"});
  ExpectRefused("'buy', which is no type of event; this dataset has 'view', 'cart'", {"--event-weight", "buy=1,*=1"});
  ExpectRefused("no interactions to train on: all events count 0", {"--event-weight", "*=0"});
  ExpectRefused("all events count 0", {"--event-weight", "*=0", "--split", "random"});
  ExpectRefused("for which there is no weight", {"--event-weight", "view=1,cart=1", "--test",
                                                 folder_.Write("t.csv", "user,item,event\nann,pen,buy\n")});
  PrepareText("user,item\nann,pen\nbob,ink\n");
  ExpectRefused("this dataset has none; prepare it with --event-column", {"--event-weight", "view=1"});
  ExpectRefused("this dataset has none; prepare it with --time-column", {"--half-life", "30d"});
  EXPECT_EQ(Train({"--event-weight", "view=1", "--event-weight", "view=2"}), 2);
  EXPECT_THAT(err_, HasSubstr("'view' has two weights"));
}

TEST_F(WeightingTest, AnEventInTheFutureIsWarnedOf) {
  PrepareText(std::string(kShop) + "cid,pen,view,1,32472144000\n");
  EXPECT_EQ(Trained({"--half-life", "30d"}).size(), 1u);
  EXPECT_THAT(err_, HasSubstr("days in the future, and the half-life counts back from there"));
  Trained({});
  EXPECT_THAT(err_, testing::Not(HasSubstr("in the future")));
}

TEST_F(WeightingTest, TheVersionKeepsTheEventsItWasTrainedOn) {
  PrepareText(kShop);
  const auto dataset = Dataset::Open(Path("data"));
  Trained({"--event-weight", "view=0,cart=1"});
  const auto model = Published();
  EventsView events = model->view().events;
  EXPECT_THAT(events.type_names, ElementsAre("view", "cart"));
  EXPECT_THAT(events.indptr, ElementsAreArray(dataset->events().indptr));
  EXPECT_THAT(events.items, ElementsAreArray(dataset->events().items));
  EXPECT_THAT(events.times, ElementsAreArray(dataset->events().times));
  EXPECT_THAT(events.types, ElementsAreArray(dataset->events().types));

  Trained({"--test", folder_.Write("test.csv", "user,item\nann,pen\n")});
  const auto evaluated = Published();
  events = evaluated->view().events;
  EXPECT_THAT(events.indptr, ElementsAre(0, 1, 2));
  EXPECT_THAT(events.times, ElementsAre(86400, 86400));
  EXPECT_THAT(events.types, ElementsAre(1, 0));
}

TEST_F(WeightingTest, TheReferenceIsTheLastEventThatIsTrainedOn) {
  PrepareText(std::string(kShop) + "bob,ink,cart,1,345600\n");
  const Words split = {"--split", "time", "--split-time", "172800", "--half-life", "1d"};
  Words no_refit = split;
  no_refit.push_back("--no-refit");
  Confidences found = Trained(no_refit);
  EXPECT_EQ(json::parse(out_)["weighting"]["reference_time"], 86400);
  EXPECT_EQ(found, (Confidences{{{"ann", "ink"}, 2}, {{"ann", "pen"}, 0.5}, {{"bob", "pen"}, 8}}));
  EXPECT_EQ(Published()->view().events.size(), 3);
  found = Trained(split);
  EXPECT_EQ(json::parse(out_)["weighting"]["reference_time"], 345600);
  EXPECT_EQ((found[{"bob", "pen"}]), 1);
  EXPECT_EQ(Published()->view().events.size(), 5);
}

TEST_F(WeightingTest, AnEvaluationCountsAsItsTrainingDid) {
  PrepareText(kShop);
  const std::string test = folder_.Write("test.csv", "user,item,event\nann,pen,view\nbob,ink,cart\n");
  Trained({"--event-weight", "view=0,cart=1", "--test", test});
  EXPECT_EQ(json::parse(out_)["holdout"]["n_pairs"], 1);
  ASSERT_EQ(RunProgram({"evaluate", "--store", Path("models"), "--model", "m", "--test", test, "--json"}), 0) << err_;
  EXPECT_EQ(json::parse(out_)["holdout"]["n_pairs"], 1);
}

// Users like `him` put things of one kind into their carts and look at those of another a little more often.
TEST_F(WeightingTest, WeightsChangeTheRanking) {
  std::string text = "user,item,event\n";
  for (int user = 0; user < 60; ++user)
    for (int i = 0; i < 8; ++i) {
      const std::string id = "u" + std::to_string(user), kind = user % 2 == 0 ? "tea" : "rum";
      text += id + "," + kind + std::to_string((user / 2 + i) % 10) + ",view\n";
    }
  text += "him,tea0,cart\nhim,tea1,cart\nhim,rum0,view\nhim,rum1,view\nhim,rum2,view\n";
  PrepareText(text);
  const auto first_for_him = [&](const Words& more) {
    Words words = {"--n-factors", "8", "--epochs", "10", "--regularization", "0.05", "--threads", "1"};
    words.insert(words.end(), more.begin(), more.end());
    EXPECT_EQ(Train(words), 0) << err_;
    const auto model = Published();
    const ModelView& view = model->view();
    const int64_t him = view.users.Find("him");
    double best = -1;
    std::string name;
    const auto seen = view.history.row(him);
    for (int64_t item = 0; item < view.n_items(); ++item) {
      if (std::binary_search(seen.begin(), seen.end(), static_cast<int32_t>(item))) continue;
      double score = 0;
      for (int64_t f = 0; f < view.n_factors(); ++f)
        score += double{view.user_factors.row(him)[f]} * view.item_factors.row(item)[f];
      if (score > best) best = score, name = view.items.Id(item);
    }
    return name.substr(0, 3);
  };
  EXPECT_EQ(first_for_him({}), "rum");
  EXPECT_EQ(first_for_him({"--event-weight", "view=1,cart=3"}), "tea");
  EXPECT_EQ(first_for_him({"--event-weight", "view=3,cart=1"}), "rum");
}

TEST_F(WeightingTest, DecayThatLeavesNextToNothingTrainsAllTheSame) {
  std::string text = "user,item,time\n";
  for (int user = 0; user < 40; ++user)
    for (int i = 0; i < 10; ++i)
      text += "u" + std::to_string(user) + ",i" + std::to_string((user * 7 + i * i) % 30) + "," +
              std::to_string(2'000'000'000 - int64_t{86'400} * (user * 10 + i)) + "\n";
  PrepareText(text);
  ASSERT_EQ(Train({"--half-life", "2d", "--n-factors", "4", "--epochs", "3"}), 0) << err_;
  const auto model = Published();
  float least = 1;
  for (const float value : model->view().history.values) least = std::min(least, value);
  EXPECT_GT(least, 0);
  EXPECT_LT(least, std::numeric_limits<float>::min());  // subnormal
  for (const float factor : model->view().user_factors.all()) ASSERT_TRUE(std::isfinite(factor));
}

std::string Unzipped(const std::string& path) {
  std::string text(1 << 26, '\0');
  gzFile file = gzopen(path.c_str(), "rb");
  text.resize(static_cast<size_t>(std::max(0, gzread(file, text.data(), static_cast<unsigned>(text.size())))));
  gzclose(file);
  return text;
}

TEST_F(WeightingTest, Tmall) {
  const char* folder = std::getenv("KINDRED_DATA_DIR");
  if (folder == nullptr) GTEST_SKIP() << "KINDRED_DATA_DIR names no folder of real data";
  const std::string path = std::string(folder) + "/tmall/events.csv.gz";
  Prepare(path);
  const Confidences found = Trained(
      {"--event-weight", "fav=0.5,cart=3,buy=5", "--half-life", "36h", "--confidence-cap", "8", "--threads", "2"});

  struct Row {
    double time;
    std::string user, item, type;
  };
  std::vector<Row> rows;
  std::istringstream lines(Unzipped(path));
  std::string line, time;
  std::getline(lines, line);
  ASSERT_EQ(line, "timestamp,user_id,item_id,event");
  for (Row row; std::getline(lines, line); rows.push_back(row)) {
    std::istringstream fields(line);
    for (std::string* field : {&time, &row.user, &row.item, &row.type}) std::getline(fields, *field, ',');
    row.time = std::stod(time);
  }
  ASSERT_EQ(rows.size(), 357412u);
  double last = 0;
  for (const Row& row : rows) last = std::max(last, row.time);
  const std::map<std::string, double> weights = {{"fav", 0.5}, {"cart", 3}, {"buy", 5}};
  Confidences expected;
  for (const Row& row : rows)
    expected[{row.user, row.item}] += weights.at(row.type) * std::pow(2.0, -(last - row.time) / (36 * 3600));
  ASSERT_EQ(found.size(), expected.size());
  size_t n_capped = 0, n_wrong = 0;
  for (const auto& [pair, sum] : expected) {
    const double confidence = std::min(sum, 8.0);
    n_capped += sum > 8;
    n_wrong += !(std::abs(found.at(pair) - confidence) <= 1e-6 * confidence);
  }
  EXPECT_GT(n_capped, 0u);
  EXPECT_EQ(n_wrong, 0u);
  EXPECT_EQ(json::parse(out_)["weighting"]["reference_time"], static_cast<int64_t>(last));
  EXPECT_EQ(Published()->view().events.size(), 357412);
}

}  // namespace
}  // namespace kindred
