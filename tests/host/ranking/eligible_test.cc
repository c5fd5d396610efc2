// Lists of eligible items alone.
#include <random>

#include "host/ranking/ranker.h"
#include "host/ranking/ruled_ranking.h"
#include "kernels/cpu/backend.h"
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

/// Counts the filters that it is asked for, and those that are there.
class CountingBackend : public CpuBackend {
 public:
  CountingBackend() : CpuBackend(1) {}

  std::unique_ptr<ItemFilter> NewItemFilter(Context& context, const ItemIndex& index,
                                            std::span<const uint64_t> eligible) override {
    ++n_made;
    return std::make_unique<Counted>(index, CpuBackend::NewItemFilter(context, index, eligible), n_alive);
  }
  void TopN(Context& context, const ItemIndex& index, const TopNRequest& request) override {
    TopNRequest inner = request;
    if (request.eligible) inner.eligible = static_cast<const Counted*>(request.eligible)->inner.get();
    CpuBackend::TopN(context, index, inner);
  }

  int n_made = 0, n_alive = 0;

 private:
  struct Counted : ItemFilter {
    Counted(const ItemIndex& index, std::unique_ptr<ItemFilter> of, int& n)
        : ItemFilter(index, of->n_eligible()), inner(std::move(of)), n_alive(n) {
      ++n_alive;
    }
    ~Counted() override { --n_alive; }
    std::unique_ptr<ItemFilter> inner;
    int& n_alive;
  };
};

class KeptFiltersTest : public ::testing::Test {
 protected:
  std::shared_ptr<const ItemBits> NewBits() { return std::make_shared<const ItemBits>(40, std::vector<int32_t>{3, 5}); }
  void Ask(const RankOptions& options) {
    Queries queries;
    ranker_.AddUser(1, &queries);
    ASSERT_EQ(ranker_.ByModel(*context_, queries, {}, 40, options).Items(0).size(), 2u);
  }

  CountingBackend backend_;
  std::unique_ptr<Context> context_ = backend_.NewContext(1);
  SmallModel model_{5, 40, 3};
  Ranker ranker_{backend_, model_.view(), nullptr};
};

TEST_F(KeptFiltersTest, AreThoseThatSomebodyCanAskWithAgain) {
  std::vector<std::shared_ptr<const ItemBits>> held;
  for (int i = 0; i < 10; ++i) Ask({.eligible = held.emplace_back(NewBits())});
  for (int i = 0; i < 300; ++i) {
    Ask({.eligible = NewBits()});
    ASSERT_LE(backend_.n_alive, 20) << i;
  }
  const int n_made = backend_.n_made;
  for (const auto& bits : held) Ask({.eligible = bits});
  EXPECT_EQ(backend_.n_made, n_made);
}

TEST_F(KeptFiltersTest, NothingIsKeptOfBitsThatAreAskedWithOnce) {
  const auto bits = NewBits();
  for (int i = 0; i < 3; ++i) Ask({.eligible = bits, .eligible_once = true});
  EXPECT_EQ(backend_.n_made, 3);
  EXPECT_EQ(backend_.n_alive, 0);
}

// Caps ask again and again, each time with another set.
TEST_F(KeptFiltersTest, NothingIsKeptOfWhatCapsLeave) {
  std::vector<int32_t> brands(40, 1);
  brands[17] = 2;
  RankingRules rules;
  rules.caps = {{"brand", brands, 1}};
  BoostClassCache parts(1 << 20);
  Queries queries;
  ranker_.AddUser(1, &queries);
  EXPECT_EQ(RankByModel(*context_, ranker_, queries, {}, 2, rules, {.parts = &parts})[0].items.size(), 2u);
  EXPECT_GT(backend_.n_made, 0);
  EXPECT_EQ(backend_.n_alive, 0);
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
