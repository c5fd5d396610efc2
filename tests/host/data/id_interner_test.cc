#include "host/data/id_interner.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/parallel.h"

namespace kindred {
namespace {

std::vector<std::string> Texts(const IdMap& map) {
  std::vector<std::string> texts;
  for (int64_t i = 0; i < map.size(); ++i) texts.emplace_back(map.Id(i));
  return texts;
}

/// Ids of all lengths around those that are stored in different ways, many of them alike.
std::vector<std::string> RandomIds(size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::string> ids;
  for (size_t i = 0; i < n; ++i) {
    const size_t length = random() % 20 == 0 ? 1 + random() % 200 : 1 + random() % 20;
    std::string id(length, static_cast<char>(random() % 3));
    for (int change = 0; change < 2; ++change) id[random() % length] = static_cast<char>(random() % 5);
    ids.push_back(std::move(id));
  }
  return ids;
}

TEST(IdInterner, IndicesFollowTheFirstAppearance) {
  for (const size_t n : {0, 1, 31, 32, 33, 2047, 2048, 2049, 50000}) {
    const std::vector<std::string> ids = RandomIds(n, static_cast<unsigned>(n) + 1);
    IdMapBuilder expected;
    std::vector<int32_t> indices;
    for (const std::string& id : ids) indices.push_back(expected.Intern(id));
    for (const int n_threads : {1, 3}) {
      // Batches in any order of time; positions say where they stand.
      IdInterner interner;
      std::vector<std::string_view> views(ids.begin(), ids.end());
      std::vector<int32_t> numbers(n);
      ThreadPool pool(n_threads);
      constexpr size_t kBatch = 700;
      const auto n_batches = static_cast<int64_t>((n + kBatch - 1) / kBatch);
      pool.Run(n_batches, n_threads, [&](int64_t task, int) {
        const size_t begin = static_cast<size_t>(n_batches - 1 - task) * kBatch;
        interner.Intern(std::span(views).subspan(begin, std::min(kBatch, n - begin)), static_cast<int64_t>(begin),
                        numbers.data() + begin);
      });
      EXPECT_EQ(interner.size(), expected.size());
      const IdInterner::Finished finished = interner.Finish();
      EXPECT_EQ(Texts(finished.ids.view()), Texts(expected.view())) << n << " ids, " << n_threads << " threads";
      for (size_t i = 0; i < n; ++i) ASSERT_EQ(finished.index_of[static_cast<size_t>(numbers[i])], indices[i]) << i;
      for (size_t i = 0; i < n; ++i) ASSERT_EQ(finished.ids.view().Find(ids[i]), indices[i]);
    }
  }
}

TEST(IdInterner, ShortIdsThatDifferInOneByteOnly) {
  // Every place of every length in which an id is compared within its slot.
  std::vector<std::string> ids;
  for (size_t length = 1; length <= 18; ++length) {
    ids.emplace_back(length, 'a');
    for (size_t at = 0; at < length; ++at) {
      ids.emplace_back(length, 'a');
      ids.back()[at] = 'b';
    }
    ids.emplace_back(length, '\0');
  }
  IdInterner interner;
  const std::vector<std::string_view> views(ids.begin(), ids.end());
  std::vector<int32_t> numbers(ids.size());
  interner.Intern(views, 0, numbers.data());
  EXPECT_EQ(interner.size(), static_cast<int64_t>(ids.size()));
  EXPECT_EQ(Texts(interner.Finish().ids.view()), ids);
}

TEST(IdInterner, IdsOfAnEarlierMapComeFirst) {
  IdMapBuilder before;
  for (const char* id : {"x", "y", "only in a table"}) before.Intern(id);
  IdInterner interner;
  const std::vector<std::string_view> views = {"z", "y", "only in a table", "w"};
  int32_t numbers[4];
  interner.Intern(views, 0, numbers);
  const IdInterner::Finished finished = interner.Finish(before.view(), 2);
  EXPECT_EQ(Texts(finished.ids.view()), (std::vector<std::string>{"x", "y", "z", "only in a table", "w"}));
  EXPECT_EQ(finished.index_of[static_cast<size_t>(numbers[1])], 1);
  EXPECT_EQ(finished.index_of[static_cast<size_t>(numbers[3])], 4);
}

}  // namespace
}  // namespace kindred
