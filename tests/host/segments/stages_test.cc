// Who went from which stage to which.
#include "host/segments/stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace kindred {
namespace {

using testing::ElementsAre;

IdMapBuilder Ids(std::initializer_list<const char*> ids) {
  IdMapBuilder builder;
  for (const char* id : ids) builder.Intern(id);
  return builder;
}

TEST(Stages, UsersGoByTheirIds) {
  const IdMapBuilder last = Ids({"a", "b", "c", "gone", "gone without"}),
                     now = Ids({"new", "c", "b", "a", "new without"});
  const std::vector<int32_t> before = {0, 1, -1, 1, -1}, after = {0, 2, -1, 0, -1};
  EXPECT_THAT(LastValues(now.view(), last.view(), before), ElementsAre(-1, -1, 1, 0, -1));
  EXPECT_THAT(CountTransitions(last.view(), before, 2, now.view(), after, 3),
              ElementsAre(1, 0, 0, 0,    // a
                          0, 0, 0, 2,    // b, gone
                          1, 0, 1, 1));  // new, c, new without
}

TEST(Stages, NoUsersOrNoStages) {
  const IdMapBuilder none = Ids({}), one = Ids({"a"});
  const std::vector<int32_t> stage = {0}, no_stage = {-1};
  EXPECT_THAT(CountTransitions(none.view(), {}, 0, none.view(), {}, 0), ElementsAre(0));
  EXPECT_THAT(CountTransitions(none.view(), {}, 1, one.view(), stage, 1), ElementsAre(0, 0, 1, 0));
  EXPECT_THAT(CountTransitions(one.view(), stage, 1, none.view(), {}, 1), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(CountTransitions(one.view(), no_stage, 0, one.view(), no_stage, 0), ElementsAre(1));
}

TEST(Stages, AgreeWithMapsOfRandomVersions) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    const auto version = [&](IdMapBuilder& ids, int n_stages, std::map<std::string, int>& by_id) {
      std::vector<int32_t> stages;
      for (int i = 0; i < 40; ++i) {
        const std::string id = "u" + std::to_string(random() % 80);
        if (by_id.contains(id)) continue;
        ids.Intern(id);
        stages.push_back(static_cast<int32_t>(random() % static_cast<uint64_t>(n_stages + 1)) - 1);
        by_id[id] = stages.back();
      }
      return stages;
    };
    IdMapBuilder last_ids, ids;
    std::map<std::string, int> last_by_id, by_id;
    const std::vector<int32_t> last = version(last_ids, 3, last_by_id), now = version(ids, 2, by_id);
    std::vector<int64_t> expected(4 * 3);
    for (const auto& [id, stage] : by_id) {
      const int before = last_by_id.contains(id) ? last_by_id[id] : -1;
      ++expected[static_cast<size_t>((before < 0 ? 3 : before) * 3 + (stage < 0 ? 2 : stage))];
    }
    for (const auto& [id, stage] : last_by_id)
      if (!by_id.contains(id) && stage >= 0) ++expected[static_cast<size_t>(stage * 3 + 2)];
    EXPECT_EQ(CountTransitions(last_ids.view(), last, 3, ids.view(), now, 2), expected) << "seed " << seed;
  }
}

}  // namespace
}  // namespace kindred
