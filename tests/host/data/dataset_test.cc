#include "host/data/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <random>

#include "host/data/interactions.h"
#include "tests/support/dataset_writer.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

class DatasetTest : public testing::Test {
 protected:
  std::shared_ptr<const Dataset> Write(DatasetWriter& writer, bool has_times = true, bool has_types = true) {
    manifest_ = writer.Write(path_, has_times, has_types, {{"origin", "test"}}, true);
    return Dataset::Open(path_);
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "dataset";
  nlohmann::json manifest_;
};

template <class T>
std::vector<T> Copy(std::span<const T> from) {
  return {from.begin(), from.end()};
}

TEST_F(DatasetTest, EventsComeByUserThenTimeThenInput) {
  DatasetWriter writer;
  writer.Add({"b", "x", "view", 1, 30});
  writer.Add({"a", "y", "buy", 5, 10});
  writer.Add({"b", "y", "view", 2, 10});
  writer.Add({"b", "x", "cart", 3, 10});
  writer.Add({"b", "x", "buy", 0, -5});
  const auto dataset = Write(writer);
  EXPECT_EQ(dataset->users().Id(0), "b");
  EXPECT_EQ(dataset->users().Find("a"), 1);
  EXPECT_EQ(dataset->items().Find("y"), 1);
  const EventsView& events = dataset->events();
  EXPECT_EQ(Copy(events.indptr), (std::vector<int64_t>{0, 4, 5}));
  EXPECT_EQ(Copy(events.items), (std::vector<int32_t>{0, 1, 0, 0, 1}));
  EXPECT_EQ(Copy(events.values), (std::vector<float>{0, 2, 3, 1, 5}));
  EXPECT_EQ(Copy(events.times), (std::vector<int64_t>{-5, 10, 10, 30, 10}));
  EXPECT_EQ(dataset->event_types(), (std::vector<std::string>{"view", "buy", "cart"}));
  EXPECT_EQ(Copy(events.types), (std::vector<uint8_t>{1, 0, 2, 0, 1}));
}

TEST_F(DatasetTest, TheManifestCounts) {
  DatasetWriter writer;
  writer.Add({"b", "x", "view", 1, 30});
  writer.Add({"a", "y", "buy", 5, 10});
  writer.Add({"b", "x", "view", 2, 10});
  const auto dataset = Write(writer);
  const nlohmann::json& manifest = dataset->manifest();
  EXPECT_EQ(manifest["origin"], "test");
  EXPECT_EQ(manifest["schema_version"], 2);
  EXPECT_EQ(manifest["n_users"], 2);
  EXPECT_EQ(manifest["n_items"], 2);
  EXPECT_EQ(manifest["n_events"], 3);
  EXPECT_EQ(manifest["n_entries"], 2);
  EXPECT_EQ(manifest["time_range"], nlohmann::json({10, 30}));
  EXPECT_EQ(manifest["event_types"],
            nlohmann::json::parse(R"([{"name": "view", "n_events": 2}, {"name": "buy", "n_events": 1}])"));
  EXPECT_EQ(manifest["created_at"].get<std::string>().size(), std::string("2024-01-01T00:00:00Z").size());
  EXPECT_EQ(manifest_["n_entries"], 2);
}

TEST_F(DatasetTest, ColumnsTheExportHasNotAreAbsent) {
  DatasetWriter writer;
  writer.Add({"a", "x", "", 1, 0});
  writer.Add({"a", "x", "", 1, 0});
  const auto dataset = Write(writer, false, false);
  EXPECT_TRUE(dataset->events().times.empty());
  EXPECT_TRUE(dataset->events().types.empty());
  EXPECT_TRUE(dataset->event_types().empty());
  EXPECT_EQ(Copy(dataset->events().values), (std::vector<float>{1, 1}));
  EXPECT_EQ(dataset->manifest()["time_range"], nullptr);
  EXPECT_FALSE(std::filesystem::exists(path_ / "event_times.npy"));
  EXPECT_FALSE(std::filesystem::exists(path_ / "event_types.npy"));
}

TEST_F(DatasetTest, AColumnOfDefaultsIsStillThere) {
  DatasetWriter writer;
  for (int i = 0; i < 3; ++i) writer.Add({"a", "x", "view", 1, 0});
  writer.Add({"a", "x", "view", 1, 7});
  const auto dataset = Write(writer);
  EXPECT_EQ(Copy(dataset->events().times), (std::vector<int64_t>{0, 0, 0, 7}));
  EXPECT_EQ(Copy(dataset->events().types), (std::vector<uint8_t>{0, 0, 0, 0}));
}

TEST_F(DatasetTest, AgreesWithASortOfTheEvents) {
  struct Row {
    int user, item;
    int64_t time;
    float value;
  };
  for (const int n : {1, 31, 32, 33, 5000}) {
    std::mt19937 random(static_cast<unsigned>(n));
    std::vector<Row> rows;
    DatasetWriter writer;
    for (int i = 0; i < n; ++i) {
      rows.push_back({static_cast<int>(random() % 40), static_cast<int>(random() % 30),
                      static_cast<int64_t>(random() % 10), static_cast<float>(i + 1)});
      const Row& row = rows.back();
      writer.Add({std::to_string(row.user), std::to_string(row.item), "t", row.value, row.time});
    }
    const auto dataset = Write(writer);
    std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
      const int32_t user_a = dataset->users().Find(std::to_string(a.user));
      const int32_t user_b = dataset->users().Find(std::to_string(b.user));
      return user_a != user_b ? user_a < user_b : a.time < b.time;
    });
    const EventsView& events = dataset->events();
    ASSERT_EQ(events.size(), n);
    for (int64_t user = 0; user < events.n_users(); ++user) {
      for (int64_t at = events.indptr[user]; at < events.indptr[user + 1]; ++at) {
        const Row& row = rows[static_cast<size_t>(at)];
        EXPECT_EQ(dataset->users().Id(user), std::to_string(row.user));
        EXPECT_EQ(dataset->items().Id(events.items[at]), std::to_string(row.item));
        EXPECT_EQ(events.times[at], row.time);
        EXPECT_EQ(events.values[at], row.value);
      }
    }
    EXPECT_EQ(manifest_["n_entries"], SumEvents(events, dataset->items().size()).view().nnz());
  }
}

TEST_F(DatasetTest, MoreTypesThanAByteHolds) {
  DatasetWriter writer;
  for (int i = 0; i < 256; ++i) writer.Add({"a", "x", "type " + std::to_string(i), 1, 0});
  try {
    writer.Add({"a", "x", "type 256", 1, 0});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("type 256"), std::string::npos) << error.what();
  }
  EXPECT_EQ(Write(writer)->event_types().size(), 256u);
}

TEST_F(DatasetTest, NothingThereIsNotFoundAndNothingIsOverwrittenUnasked) {
  EXPECT_THROW(Dataset::Open(path_), Error);
  DatasetWriter writer;
  writer.Add({"a", "x", "", 1, 0});
  writer.Write(path_, false, false, {}, false);
  writer.Add({"b", "x", "", 1, 0});
  EXPECT_THROW(writer.Write(path_, false, false, {}, false), Error);
  EXPECT_EQ(Dataset::Open(path_)->users().Id(0), "a");
}

/// A dataset of arrays that need not fit.
struct Parts {
  std::vector<int64_t> indptr = {0, 1, 2};
  std::vector<int32_t> items = {0, 1};
  std::vector<float> values = {1, 2};
  std::vector<int64_t> times = {1, 2};
  std::vector<uint8_t> types = {0, 0};
  nlohmann::json manifest = {{"schema_version", 1}, {"event_types", {{{"name", "view"}, {"n_events", 2}}}}};
};

class DatasetParts : public DatasetTest {
 protected:
  ErrorCode Open(const Parts& parts) {
    IdMapBuilder ids;
    ids.Intern("a");
    ids.Intern("b");
    ArtifactWriter writer(path_, kDatasetKind);
    ids.view().AddTo(writer, "user_ids");
    ids.view().AddTo(writer, "item_ids");
    writer.AddArray<int64_t>("event_indptr", parts.indptr);
    writer.AddArray<int32_t>("event_items", parts.items);
    writer.AddArray<float>("event_values", parts.values);
    writer.AddArray<int64_t>("event_times", parts.times);
    writer.AddArray<uint8_t>("event_types", parts.types);
    writer.Commit(parts.manifest, true);
    try {
      Dataset::Open(path_);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kUsage;  // never thrown here: it opened
  }
  void ExpectCorrupt(const std::function<void(Parts&)>& change) {
    Parts parts;
    change(parts);
    EXPECT_EQ(Open(parts), ErrorCode::kCorrupt);
  }
};

TEST_F(DatasetParts, ThoseThatDoNotFitAreRefused) {
  EXPECT_EQ(Open(Parts()), ErrorCode::kUsage);
  Parts rated;
  rated.values = {1, -1};  // ratings may be negative
  EXPECT_EQ(Open(rated), ErrorCode::kUsage);
  ExpectCorrupt([](Parts& p) { p.indptr = {0, 2}; });
  ExpectCorrupt([](Parts& p) { p.indptr = {1, 1, 2}; });
  ExpectCorrupt([](Parts& p) { p.indptr = {0, 3, 2}; });
  ExpectCorrupt([](Parts& p) { p.indptr = {0, 1, 3}; });
  ExpectCorrupt([](Parts& p) { p.items = {0, 2}; });
  ExpectCorrupt([](Parts& p) { p.items = {0, -1}; });
  ExpectCorrupt([](Parts& p) { p.values = {1}; });
  ExpectCorrupt([](Parts& p) { p.values = {1, std::numeric_limits<float>::quiet_NaN()}; });
  ExpectCorrupt([](Parts& p) { p.values = {1, std::numeric_limits<float>::infinity()}; });
  ExpectCorrupt([](Parts& p) { p.times = {1}; });
  ExpectCorrupt([](Parts& p) { p.times = {}; });
  ExpectCorrupt([](Parts& p) { p.types = {0, 1}; });
  ExpectCorrupt([](Parts& p) { p.types = {0}; });
  ExpectCorrupt([](Parts& p) { p.manifest["event_types"] = nullptr; });
  ExpectCorrupt([](Parts& p) { p.manifest["event_types"] = {"view"}; });
  ExpectCorrupt([](Parts& p) { p.manifest["event_types"] = {{{"name", 1}}}; });
  ExpectCorrupt([](Parts& p) { p.manifest.erase("schema_version"); });
}

TEST_F(DatasetParts, ANewerSchemaIsUnsupported) {
  Parts parts;
  parts.manifest["schema_version"] = kDatasetSchema + 1;
  EXPECT_EQ(Open(parts), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace kindred
