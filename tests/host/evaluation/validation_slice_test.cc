#include "host/evaluation/validation_slice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "host/evaluation/split.h"
#include "tests/support/errors.h"
#include "tests/support/interactions.h"

namespace kindred {
namespace {

using Pairs = std::vector<std::pair<int32_t, float>>;

Pairs Row(const Csr& matrix, int64_t row) {
  Pairs pairs;
  for (size_t e = 0; e < matrix.view().row(row).size(); ++e)
    pairs.emplace_back(matrix.view().row(row)[e], matrix.view().row_values(row)[e]);
  return pairs;
}

TEST(ValidationSlice, PartsTheInteractions) {
  const Csr all = RandomInteractions(400, 60, 4, 3);
  const ValidationSlice slice = HoldOutSlice(all.view(), {.fraction = 0.25, .seed = 9});
  int64_t n_users = 0;
  for (int64_t user = 0; user < all.n_rows; ++user) {
    const Pairs held = Row(slice.held_out.relevant, user), rest = Row(slice.rest, user);
    Pairs both;
    std::ranges::merge(held, rest, std::back_inserter(both));
    EXPECT_EQ(both, Row(all, user)) << user;
    n_users += held.empty() ? 0 : 1;
  }
  EXPECT_EQ(slice.n_users, n_users);
  EXPECT_EQ(slice.held_out.n_missing_items, std::vector<int64_t>(400, 0));
  EXPECT_EQ(slice.held_out.relevant.n_cols, 60);
  const auto n = static_cast<double>(all.view().nnz());
  EXPECT_NEAR(static_cast<double>(slice.held_out.relevant.view().nnz()) / n, 0.25, 0.03);
}

TEST(ValidationSlice, UsersWithFewItemsKeepTheirs) {
  Csr all;
  all.n_cols = 10;
  for (int64_t user = 0; user < 300; ++user) {
    for (int32_t item = 0; item < user % 4; ++item) {
      all.indices.push_back(item);
      all.values.push_back(1);
    }
    all.indptr.push_back(std::ssize(all.indices));
    ++all.n_rows;
  }
  const ValidationSlice slice = HoldOutSlice(all.view(), {.fraction = 0.9, .seed = 1});
  for (int64_t user = 0; user < 300; ++user)
    EXPECT_TRUE(user % 4 == 3 || slice.held_out.relevant.view().row(user).empty()) << user;
  EXPECT_GT(slice.n_users, 60);
}

TEST(ValidationSlice, AboutSoManyUsersAreChosen) {
  const Csr all = RandomInteractions(2000, 40, 3, 5);
  EXPECT_NEAR(static_cast<double>(HoldOutSlice(all.view(), {.max_users = 500, .seed = 2}).n_users), 500, 80);
  EXPECT_GT(HoldOutSlice(all.view(), {.max_users = 5000, .seed = 2}).n_users, 1800);
}

TEST(ValidationSlice, FollowsTheSeedAndNotTheRestOfTheRow) {
  const Csr all = RandomInteractions(200, 50, 3, 7);
  const SliceOptions options = {.seed = 4};
  const ValidationSlice slice = HoldOutSlice(all.view(), options);
  EXPECT_EQ(HoldOutSlice(all.view(), options).held_out.relevant.indices, slice.held_out.relevant.indices);
  EXPECT_NE(HoldOutSlice(all.view(), {.seed = 5}).held_out.relevant.indices, slice.held_out.relevant.indices);
  EXPECT_EQ(HoldOutSlice(slice.rest.view(), options).n_users, 0) << "pairs are chosen whatever else a user has";
}

TEST(ValidationSlice, IsNoPartOfARandomSplitOfTheSameSeed) {
  const Csr all = RandomInteractions(500, 50, 3, 8);
  EventsView events;
  events.indptr = all.indptr;
  events.items = all.indices;
  const Split split = SplitEvents(events, all.n_cols, {.kind = SplitKind::kRandom, .fraction = 0.2, .seed = 6});
  const Csr rest = SumEvents(events, all.n_cols, {.keep = split.keep});
  const ValidationSlice slice = HoldOutSlice(rest.view(), {.fraction = 0.2, .seed = 6});
  const double part =
      static_cast<double>(slice.held_out.relevant.view().nnz()) / static_cast<double>(rest.view().nnz());
  EXPECT_NEAR(part, 0.2, 0.03);
}

TEST(ValidationSlice, FractionsOutOfRangeAreRefused) {
  const Csr all = RandomInteractions(3, 3, 1, 1);
  for (const double fraction : {0.0, 1.0, -0.5, 2.0, static_cast<double>(NAN)})
    ExpectError(ErrorCode::kInvalidArgument, "the fraction is",
                [&] { HoldOutSlice(all.view(), {.fraction = fraction}); });
}

}  // namespace
}  // namespace kindred
