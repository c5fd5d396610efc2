// Versions made by older programs (tests/golden/make.sh) are read as what they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "host/models/model.h"
#include "host/models/store_report.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::ElementsAre;

class Golden : public testing::TestWithParam<const char*> {
 protected:
  ModelStore store_{std::filesystem::path(KINDRED_GOLDEN) / GetParam()};
};

TEST_P(Golden, IsWholeAndListed) {
  EXPECT_TRUE(VerifyReport(store_, "shop", 1)["damages"].empty());
  const nlohmann::json models = StoreReport(store_)["models"];
  ASSERT_EQ(models.size(), 1u);
  EXPECT_TRUE(models[0]["problems"].empty()) << models;
  EXPECT_TRUE(models[0]["others"].empty()) << models;
  EXPECT_EQ(models[0]["versions"][0]["algorithm"], "als");
}

TEST_P(Golden, HoldsWhatItWasMadeOf) {
  const auto opened = Model::Open(store_, "shop");
  const ModelView& model = opened->view();
  EXPECT_FALSE(opened->manifest().contains("schema_version"));
  EXPECT_EQ(model.users.Find("cyd"), 2);
  EXPECT_EQ(model.items.Find("K\xc3\xa4se, jung"), 3);
  EXPECT_THAT(model.history.indptr, ElementsAre(0, 2, 4, 7));
  EXPECT_THAT(model.history.indices, ElementsAre(0, 1, 0, 2, 1, 2, 3));
  EXPECT_THAT(model.history.values, ElementsAre(2, 1, 2, 3, 1, 1, 4));
  EXPECT_THAT(model.popularity, ElementsAre(2, 2, 2, 1));
  EXPECT_EQ(model.n_factors(), 3);
  EXPECT_FLOAT_EQ(model.objective.regularization, 0.01f);
  for (int64_t user = 0; user < model.n_users(); ++user)
    for (const int32_t item : model.history.row(user)) {
      const auto x = model.user_factors.row(user), y = model.item_factors.row(item);
      EXPECT_NEAR(std::inner_product(x.begin(), x.end(), y.begin(), 0.0), 1, 0.25) << user << " " << item;
    }
}

TEST_P(Golden, HasTheEventsItsProgramKept) {
  const auto opened = Model::Open(store_, "shop");
  const EventsView& events = opened->view().events;
  if (std::string_view(GetParam()) == "without_events") {
    EXPECT_TRUE(events.indptr.empty());
    EXPECT_EQ(events.size(), 0);
    return;
  }
  EXPECT_THAT(events.indptr, ElementsAre(0, 2, 5, 8));
  EXPECT_THAT(events.items, ElementsAre(0, 1, 0, 2, 0, 1, 2, 3));
  EXPECT_THAT(events.types, ElementsAre(0, 1, 1, 0, 1, 1, 1, 0));
  EXPECT_THAT(events.type_names, ElementsAre("buy", "view"));
  EXPECT_EQ(events.times[0], 1704067200);
}

INSTANTIATE_TEST_SUITE_P(Versions, Golden, testing::Values("without_events", "schema_1"),
                         [](const auto& version) { return std::string(version.param); });

}  // namespace
}  // namespace kindred
