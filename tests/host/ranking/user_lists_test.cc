#include "host/ranking/user_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/backends.h"
#include "tests/support/small_model.h"

namespace kindred {
namespace {

using UserListsTest = BackendTest;
KINDRED_ON_ALL_BACKENDS(UserListsTest);

TEST_P(UserListsTest, ListsOfManyAreThoseOfEachAlone) {
  for (const int64_t n_users : {1, 2, 33})
    for (const int64_t n_items : {1, 5, 40}) {
      SCOPED_TRACE(testing::Message() << n_users << " users, " << n_items << " items");
      const SmallModel small(n_users, n_items);
      const Ranker ranker(backend(), small.view(), nullptr);
      std::vector<int32_t> users = {-1};  // popularity, the model, and both in turns
      for (int64_t user = n_users - 1; user >= 0; --user) users.push_back(static_cast<int32_t>(user));
      for (const int64_t n : {int64_t{1}, int64_t{7}})
        for (const bool include_seen : {false, true}) {
          const RankedLists lists = RankUsers(context(), ranker, users, {n, include_seen});
          ASSERT_EQ(lists.n, std::min(n, n_items));
          for (size_t i = 0; i < users.size(); ++i) {
            const RankedLists alone = RankUsers(context(), ranker, {&users[i], 1}, {n, include_seen});
            const auto q = static_cast<int64_t>(i);
            EXPECT_THAT(lists.Items(q), testing::ElementsAreArray(alone.Items(0))) << users[i];
            EXPECT_THAT(lists.Scores(q), testing::ElementsAreArray(alone.Scores(0))) << users[i];
            for (const int32_t item : lists.Items(q)) {
              if (users[i] < 0 || include_seen) continue;
              const auto history = small.view().history;
              EXPECT_FALSE(std::ranges::binary_search(history.row(users[i]), item)) << users[i];
            }
            if (include_seen) {
              EXPECT_EQ(std::ssize(lists.Items(q)), lists.n);
            }
          }
        }
    }
}

TEST_P(UserListsTest, OfNobodyThereIsNothing) {
  const SmallModel small;
  const Ranker ranker(backend(), small.view(), nullptr);
  EXPECT_TRUE(RankUsers(context(), ranker, {}, {}).items.empty());
}

TEST(UserListSources, GoByWhatTheModelKnows) {
  const SmallModel als(5, 7, 3), popularity(5, 7, 0);
  SmallModel content(5, 7, 3);
  content.KnowAttributes();
  EXPECT_EQ(ListSourceOf(als.view(), -1), ListSource::kUnknownUser);
  EXPECT_EQ(ListSourceOf(als.view(), 0), ListSource::kNoHistory);
  EXPECT_EQ(ListSourceOf(als.view(), 1), ListSource::kHistory);
  EXPECT_EQ(ListSourceOf(content.view(), 0), ListSource::kAttributes);
  for (const int64_t user : {-1, 0, 1}) EXPECT_EQ(ListSourceOf(popularity.view(), user), ListSource::kEverybody);
  EXPECT_STREQ(ListSourceName(ListSource::kUnknownUser), "unknown_user");
}

}  // namespace
}  // namespace kindred
