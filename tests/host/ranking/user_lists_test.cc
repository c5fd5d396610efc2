#include "host/ranking/user_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/backends.h"
#include "tests/support/small_model.h"

namespace kindred {
namespace {

using UserListsTest = BackendTest;
KINDRED_ON_ALL_BACKENDS(UserListsTest);

/// A model of lists: those of everybody, and of two groups, which the users are in by turns; the last is in none.
class Lists {
 public:
  Lists(int64_t n_users, int64_t n_items) : small_(n_users, n_items) {
    for (int64_t u = 0; u < n_users; ++u)
      for (int64_t f = 0; f < 3; ++f) users_.push_back(f == (u + 1 == n_users ? 0 : 1 + u % 2) ? 1.0f : 0);
    for (int64_t i = 0; i < n_items; ++i)
      for (int64_t f = 0; f < 3; ++f) items_.push_back(static_cast<float>((i * (5 + 2 * f)) % 11));
  }
  ModelView view() const {
    ModelView view = small_.view();
    view.algorithm = "popular";
    view.eigenvalues = {};
    view.user_factors = {users_.data(), view.n_users(), 3};
    view.item_factors = {items_.data(), view.n_items(), 3};
    view.base_query = base_query_;
    view.list_groups = {"country", groups_};
    return view;
  }

 private:
  SmallModel small_;
  std::vector<float> users_, items_, base_query_ = {1, 0, 0};
  std::vector<std::string> groups_ = {"DE", "FR"};
};

/// One user, asked for as its kind of list is defined.
RankedLists Alone(Context& context, const Ranker& ranker, int32_t user, int64_t n, bool include_seen) {
  const ModelView& model = ranker.model();
  Exclusions excluded;
  if (!include_seen && user >= 0) excluded.Add(model.history.row(user));
  Queries query;
  if (user >= 0 && model.Knows(user))
    ranker.AddUser(user, &query);
  else if (model.has_lists())
    query.Add(model.base_query);
  else
    return ranker.ByPopularity(context, 1, excluded, n);
  return ranker.ByModel(context, query, excluded, n);
}

TEST_P(UserListsTest, ListsOfManyAreThoseOfEachAlone) {
  for (const int64_t n_users : {1, 2, 33})
    for (const int64_t n_items : {1, 5, 40}) {
      const SmallModel als(n_users, n_items), popularity(n_users, n_items, 0);
      SmallModel content(n_users, n_items);
      content.KnowAttributes();
      const Lists lists(n_users, n_items);
      for (const ModelView& model : {als.view(), content.view(), lists.view(), popularity.view()}) {
        SCOPED_TRACE(testing::Message() << model.algorithm << ", " << n_users << " users, " << n_items << " items");
        const Ranker ranker(backend(), model, nullptr);
        std::vector<int32_t> users = {-1};  // popularity, the model, and both in turns
        for (int64_t user = n_users - 1; user >= 0; --user) users.push_back(static_cast<int32_t>(user));
        for (const int64_t n : {int64_t{1}, int64_t{7}})
          for (const bool include_seen : {false, true}) {
            const RankedLists many = RankUsers(context(), ranker, users, {n, include_seen});
            ASSERT_EQ(many.n, std::min(n, n_items));
            for (size_t i = 0; i < users.size(); ++i) {
              const RankedLists alone = Alone(context(), ranker, users[i], many.n, include_seen);
              const auto q = static_cast<int64_t>(i);
              EXPECT_THAT(many.Items(q), testing::ElementsAreArray(alone.Items(0))) << users[i];
              EXPECT_THAT(many.Scores(q), testing::ElementsAreArray(alone.Scores(0))) << users[i];
              for (const int32_t item : many.Items(q)) {
                if (users[i] < 0 || include_seen) continue;
                EXPECT_FALSE(std::ranges::binary_search(model.history.row(users[i]), item)) << users[i];
              }
              if (include_seen) {
                EXPECT_EQ(std::ssize(many.Items(q)), many.n);
              }
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
  const Lists groups(5, 7);
  const ModelView lists = groups.view();
  for (const int64_t user : {0, 1, 2, 3}) EXPECT_EQ(ListSourceOf(lists, user), ListSource::kGroup) << user;
  for (const int64_t user : {-1, 4}) EXPECT_EQ(ListSourceOf(lists, user), ListSource::kEverybody) << user;
  EXPECT_STREQ(ListSourceName(ListSource::kGroup), "group");
  EXPECT_STREQ(ListSourceName(ListSource::kUnknownUser), "unknown_user");
}

}  // namespace
}  // namespace kindred
