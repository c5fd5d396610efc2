// Lists of eligible items alone.
#include <random>

#include "host/ranking/ranker.h"
#include "tests/support/backends.h"
#include "tests/support/small_model.h"

namespace kindred {
namespace {

using Scored = std::vector<std::pair<int32_t, float>>;

Scored Of(const RankedLists& lists, int64_t query) {
  Scored found;
  for (size_t i = 0; i < lists.Items(query).size(); ++i)
    found.push_back({lists.Items(query)[i], lists.Scores(query)[i]});
  return found;
}

/// The first n of them that are among the bits.
Scored Among(const Scored& all, const ItemBits& bits, int64_t n) {
  Scored found;
  for (const auto& one : all)
    if (bits.Has(one.first) && std::ssize(found) < n) found.push_back(one);
  return found;
}

class EligibleTest : public BackendTest {
 protected:
  std::shared_ptr<const ItemBits> RandomBits(int64_t n_items, uint64_t one_in) {
    std::vector<int32_t> items;
    for (int32_t i = 0; i < n_items; ++i)
      if (random_() % one_in == 0) items.push_back(i);
    return std::make_shared<const ItemBits>(n_items, items);
  }

  /// All three ways to rank, with these bits and without.
  void ExpectOnly(const Ranker& ranker, const std::shared_ptr<const ItemBits>& bits, int64_t n) {
    const ModelView& model = ranker.model();
    const int64_t n_items = model.n_items();
    Queries queries;
    Exclusions excluded;
    for (const int64_t user : {1, 2, 3}) {
      ranker.AddUser(user, &queries);
      excluded.Add(model.history.row(user));
    }
    const RankedLists by_model = ranker.ByModel(context(), queries, excluded, n_items);
    const RankedLists by_popularity = ranker.ByPopularity(context(), 3, excluded, n_items);
    const int32_t asked[] = {0, static_cast<int32_t>(n_items) - 1, 0};
    const RankedLists similar = ranker.Similar(context(), asked, n_items);
    const RankedLists some[] = {ranker.ByModel(context(), queries, excluded, n, {.eligible = bits}),
                                ranker.ByPopularity(context(), 3, excluded, n, {.eligible = bits}),
                                ranker.Similar(context(), asked, n, {.eligible = bits})};
    for (int64_t query = 0; query < 3; ++query) {
      EXPECT_EQ(Of(some[0], query), Among(Of(by_model, query), *bits, n)) << "by the model, query " << query;
      EXPECT_EQ(Of(some[1], query), Among(Of(by_popularity, query), *bits, n)) << "by popularity, query " << query;
      EXPECT_EQ(Of(some[2], query), Among(Of(similar, query), *bits, n)) << "similar, query " << query;
    }
  }

  std::mt19937_64 random_{7};
};
KINDRED_ON_ALL_BACKENDS(EligibleTest);

TEST_P(EligibleTest, AreAllThatIsRanked) {
  for (const int64_t n_items : {1, 31, 32, 33, 64, 65, 130}) {
    const SmallModel model(5, n_items, 3);
    const Ranker ranker(backend(), model.view(), nullptr);
    for (const uint64_t one_in : {1, 2, 10}) {
      SCOPED_TRACE(testing::Message() << n_items << " items, one in " << one_in);
      ExpectOnly(ranker, RandomBits(n_items, one_in), 5);
    }
    ExpectOnly(ranker, std::make_shared<const ItemBits>(n_items), 5);  // none at all
  }
}

TEST_P(EligibleTest, BitsThatAreGoneAreNotTakenForOthersInTheirPlace) {
  const SmallModel model(5, 40, 3);
  const Ranker ranker(backend(), model.view(), nullptr);
  const auto kept = RandomBits(40, 2);
  for (int i = 0; i < 70; ++i) {  // more than are kept before it is looked which are gone
    Queries queries;
    ranker.AddUser(1, &queries);
    const auto bits = RandomBits(40, 3);
    for (const auto& some : {bits, kept, bits}) {
      const RankedLists lists = ranker.ByModel(context(), queries, {}, 40, {.eligible = some});
      ASSERT_EQ(std::ssize(lists.Items(0)), some->n_set);
      for (const int32_t item : lists.Items(0)) ASSERT_TRUE(some->Has(item));
    }
  }
}

}  // namespace
}  // namespace kindred
