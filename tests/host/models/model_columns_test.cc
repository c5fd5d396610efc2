// The tables of items and users that a version keeps.
#include <gtest/gtest.h>

#include <algorithm>

#include "host/models/model.h"
#include "tests/support/errors.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

void ExpectSameNumbers(std::span<const double> found, std::span<const double> expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_TRUE(found[i] == expected[i] || (std::isnan(found[i]) && std::isnan(expected[i]))) << i;
}

void ExpectSameTables(const AttributeTable& found, const AttributeTable& expected) {
  EXPECT_EQ(found.n_rows(), expected.n_rows());
  ASSERT_EQ(found.columns().size(), expected.columns().size());
  for (size_t k = 0; k < expected.columns().size(); ++k) {
    const AttributeColumn &a = found.columns()[k], &b = expected.columns()[k];
    SCOPED_TRACE(b.name);
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.type, b.type);
    EXPECT_EQ(a.source, b.source);
    ExpectSameNumbers(a.numbers, b.numbers);
    EXPECT_TRUE(std::ranges::equal(a.booleans, b.booleans));
    EXPECT_TRUE(std::ranges::equal(a.times, b.times));
    EXPECT_TRUE(std::ranges::equal(a.codes, b.codes));
    EXPECT_TRUE(std::ranges::equal(a.indptr, b.indptr));
    EXPECT_TRUE(std::ranges::equal(a.texts.bytes, b.texts.bytes));
    EXPECT_TRUE(std::ranges::equal(a.dictionary.bytes, b.dictionary.bytes));
  }
}

TEST(ModelColumns, ComeBackOfEveryKindOfModel) {
  const TemporaryFolder folder;
  const ModelStore store{folder.path()};
  for (const int n_factors : {0, 3}) {
    const SmallModel model = SmallModel(5, 33, n_factors).AddColumns();
    PublishModel(store, "m", model.view(), {});
    const auto opened = Model::Open(store, "m");
    ASSERT_EQ(opened->view().item_columns.columns().size(), 6u);
    ExpectSameTables(opened->view().item_columns, model.view().item_columns);
    ExpectSameTables(opened->view().user_columns, model.view().user_columns);
  }
}

TEST(ModelColumns, AVersionMayHaveNone) {
  const TemporaryFolder folder;
  const ModelStore store{folder.path()};
  PublishModel(store, "m", SmallModel().view(), {});
  const auto opened = Model::Open(store, "m");
  EXPECT_FALSE(opened->manifest().contains("item_columns"));
  EXPECT_FALSE(opened->manifest().contains("user_columns"));
  EXPECT_TRUE(opened->view().item_columns.columns().empty());
  EXPECT_EQ(opened->view().item_columns.n_rows(), 7);
}

TEST(ModelColumns, OfAnotherNumberOfRowsAreRefused) {
  const TemporaryFolder folder;
  const ModelStore store{folder.path()};
  const SmallModel model = SmallModel().AddColumns();
  ModelView view = model.view();
  std::swap(view.item_columns, view.user_columns);
  ExpectError(ErrorCode::kInvalidArgument, "item_columns has size 5; expected 7",
              [&] { PublishModel(store, "m", view, {}); });
  view.item_columns = {};
  ExpectError(ErrorCode::kInvalidArgument, "user_columns has size 7; expected 5",
              [&] { PublishModel(store, "m", view, {}); });
}

}  // namespace
}  // namespace kindred
