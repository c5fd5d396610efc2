// Rankers of models that keep the index of their items.
#include "host/ranking/ranker.h"
#include "kernels/cpu/backend.h"
#include "kernels/cpu/item_codes.h"
#include "tests/support/backends.h"
#include "tests/support/small_model.h"

namespace kindred {
namespace {

class CodesTest : public BackendTest {
 protected:
  RankedLists Ask(const ModelView& model) {
    const Ranker ranker(backend(), model, nullptr);
    Queries queries;
    Exclusions excluded;
    for (int64_t user = 0; user < model.n_users(); ++user) {
      ranker.AddUser(user, &queries);
      excluded.Add(model.history.row(user));
    }
    return ranker.ByModel(context(), queries, excluded, 20);
  }
};

TEST_P(CodesTest, AnswersAreTheSameWithAndWithout) {
  const SmallModel small(6, 1100, 3);
  const SmallModel content = SmallModel(6, 1100, 3).KnowAttributes();
  ModelView with_others = content.view();
  std::vector<int64_t> indptr(1101);
  std::vector<int32_t> items;
  for (int32_t j = 0; j < 1100; ++j) {
    for (int32_t i = j % 7; i < 1100; i += 97) items.push_back(i);
    indptr[static_cast<size_t>(j) + 1] = std::ssize(items);
  }
  const std::vector<float> values(items.size(), 0.75f);
  with_others.item_item = {1100, 1100, indptr, items, values};
  for (ModelView model : {small.view(), with_others}) {
    const RankedLists without = Ask(model);
    const ItemCodes codes = ItemCodes::Of(model.item_factors, !model.has_item_item(), 1);
    model.item_codes = codes.view();
    const RankedLists with = Ask(model);
    EXPECT_EQ(with.items, without.items) << model.algorithm;
    EXPECT_EQ(with.scores, without.scores) << model.algorithm;
  }
}

KINDRED_ON_ALL_BACKENDS(CodesTest);

TEST(Codes, AreGivenToTheBackendThatRanks) {
  class Backend : public CpuBackend {
   public:
    Backend() : CpuBackend(1) {}
    std::unique_ptr<ItemIndex> NewItemIndex(Context& context, MatrixView<const float> factors,
                                            const ItemItemView& item_item, const ItemCodesView* stored) override {
      if (stored != nullptr) given.push_back(stored->codes.data);
      return CpuBackend::NewItemIndex(context, factors, item_item, stored);
    }
    std::vector<const uint8_t*> given;
  } backend;
  const SmallModel small(6, 100, 3);
  ModelView model = small.view();
  const Ranker without(backend, model, nullptr);
  EXPECT_TRUE(backend.given.empty());
  const ItemCodes codes = ItemCodes::Of(model.item_factors, true, 1);
  model.item_codes = codes.view();
  const Ranker with(backend, model, nullptr);
  EXPECT_EQ(backend.given, std::vector{codes.codes(0)});
}

}  // namespace
}  // namespace kindred
