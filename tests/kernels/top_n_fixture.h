// Top-N against a full sort by the definition: the same ids and the same bits.
#pragma once

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "tests/reference/reference.h"
#include "tests/support/backends.h"

namespace kindred {

using Entries = std::vector<std::pair<int32_t, float>>;

/// S, and a history for each query.
struct Histories {
  std::vector<int64_t> indptr = {0};
  std::vector<int32_t> items;
  std::vector<float> values;
  std::vector<Entries> of_query;

  void AddRow(const Entries& row) {
    for (const auto& [item, value] : row) {
      items.push_back(item);
      values.push_back(value);
    }
    indptr.push_back(static_cast<int64_t>(items.size()));
  }
  CsrView item_item() const {
    const auto n_items = static_cast<int64_t>(indptr.size()) - 1;
    return {n_items, n_items, indptr, items, values};
  }
};

/// Each item with a chance of 1 in `one_of`, by a normal number; 0: none.
inline Entries RandomEntries(int64_t n_items, uint64_t one_of, std::mt19937_64& engine) {
  std::normal_distribution<float> normal;
  Entries entries;
  for (int32_t i = 0; one_of > 0 && i < n_items; ++i)
    if (engine() % one_of == 0) entries.push_back({i, normal(engine)});
  return entries;
}

/// A third of the rows are empty, one has every item, the others few. Histories in turn: none, one item, those of the
/// first three and the last rows, a few, all.
inline Histories RandomHistories(int64_t n_items, int64_t n_queries, uint64_t seed) {
  std::mt19937_64 engine(seed);
  Histories histories;
  for (int64_t j = 0; j < n_items; ++j)
    histories.AddRow(RandomEntries(n_items, j == n_items / 2 ? 1 : j % 3 == 0 ? 0 : 20, engine));
  for (int64_t q = 0; q < n_queries; ++q) {
    const auto few = static_cast<uint64_t>(std::max<int64_t>(n_items / 10, 1));
    Entries history = RandomEntries(n_items, q % 4 == 0 ? 0 : q % 4 == 3 ? 1 : few, engine);
    if (q % 4 == 1) history.resize(std::min<size_t>(history.size(), 1));
    for (size_t place = 0; place < history.size(); place += 5) history[place].second = 0;
    histories.of_query.push_back(history);
  }
  return histories;
}

class TopNTest : public BackendTest {
 protected:
  struct Answer {
    std::vector<int32_t> items;
    std::vector<float> scores;
  };

  virtual std::unique_ptr<ItemIndex> NewIndex(MatrixView<const float> items, const ItemItemView& item_item) {
    return backend().NewItemIndex(context(), items, item_item, stored_);
  }
  virtual void TopN(const ItemIndex& index, const TopNRequest& request) { backend().TopN(context(), index, request); }

  Answer Ask(const std::vector<float>& items, int64_t n_items, const std::vector<float>& queries, int64_t n_queries,
             int64_t f, int64_t n, const std::vector<std::vector<int32_t>>& excluded = {},
             const Histories* histories = nullptr) {
    const Resident<float> y = ToBackend(items, n_items, f), q = ToBackend(queries, n_queries, f);
    const auto [excluded_indptr, excluded_items, no_weights] =
        ListsToBackend(excluded, [](int32_t item) { return std::pair(item, 0.0f); });
    const std::vector<Entries> none;
    const auto [history_indptr, history_items, history_weights] =
        ListsToBackend(histories != nullptr ? histories->of_query : none, [](const auto& entry) { return entry; });
    const Resident<int64_t> indptr = AllToBackend(histories != nullptr ? histories->indptr : std::vector<int64_t>());
    const Resident<int32_t> columns = AllToBackend(histories != nullptr ? histories->items : std::vector<int32_t>());
    const Resident<float> values = AllToBackend(histories != nullptr ? histories->values : std::vector<float>());
    const Resident<int32_t> out_items(backend(), n_queries, n);
    const Resident<float> out_scores(backend(), n_queries, n);
    const Resident<TopNCost> costs(backend(), n_queries);
    const auto index = NewIndex(y.matrix(), {indptr.view(), columns.view(), values.view()});
    const auto filter = eligible_.empty() ? nullptr : backend().NewItemFilter(context(), *index, eligible_);
    TopN(*index, {q.matrix(), excluded_indptr.view(), excluded_items.view(), out_items.matrix(), out_scores.matrix(),
                  history_indptr.view(), history_items.view(), history_weights.view(), filter.get(), costs.view()});
    context().Wait();
    Answer answer = {ToHost(out_items), ToHost(out_scores)};
    const std::vector<TopNCost> told = ToHost(costs);
    for (int64_t query = 0; query < n_queries; ++query) {
      const TopNCost& cost = told[static_cast<size_t>(query)];
      const auto first = answer.items.begin() + query * n;
      const int64_t n_filled = n - std::count(first, first + n, -1);
      const int64_t n_eligible = filter != nullptr ? filter->n_eligible() : n_items;
      EXPECT_TRUE(cost.scanned >= 0 && cost.scanned <= (n_eligible > 0 ? n_items : 0)) << cost.scanned << " scanned";
      EXPECT_TRUE(cost.rescored >= 0 && cost.rescored <= n_eligible) << cost.rescored << " of " << n_eligible;
      const auto of_query = queries.begin() + query * f;
      const bool is_zero = std::all_of(of_query, of_query + f, [](float x) { return x == 0; });
      EXPECT_TRUE(cost.scanned + cost.rescored >= n_filled || is_zero)
          << cost.scanned << " scanned, " << cost.rescored << " rescored for " << n_filled << " places";
    }
    return answer;
  }

  void ExpectExact(const std::vector<float>& items, int64_t n_items, const std::vector<float>& queries,
                   int64_t n_queries, int64_t f, int64_t n, const std::vector<std::vector<int32_t>>& excluded = {},
                   const Histories* histories = nullptr) {
    const Answer found = Ask(items, n_items, queries, n_queries, f, n, excluded, histories);
    for (int64_t q = 0; q < n_queries; ++q) {
      const std::span<const float> query(queries.data() + q * f, static_cast<size_t>(f));
      std::vector<int32_t> list = excluded.empty() ? std::vector<int32_t>() : excluded[static_cast<size_t>(q)];
      const std::vector<int32_t> ineligible = Ineligible(n_items);
      list.insert(list.end(), ineligible.begin(), ineligible.end());
      std::sort(list.begin(), list.end());
      std::vector<int32_t> history_items;
      std::vector<float> weights;
      if (histories != nullptr && !histories->of_query.empty())
        for (const auto& [item, weight] : histories->of_query[static_cast<size_t>(q)]) {
          history_items.push_back(item);
          weights.push_back(weight);
        }
      reference::History history = {{}, history_items, weights};
      if (histories != nullptr) history.item_item = histories->item_item();
      const auto expected = reference::TopN(query, {items.data(), n_items, f}, list, n, history);
      for (int64_t place = 0; place < n; ++place) {
        const auto at = static_cast<size_t>(q * n + place);
        const bool filled = place < static_cast<int64_t>(expected.size());
        ASSERT_EQ(found.items[at], filled ? expected[static_cast<size_t>(place)].item : -1)
            << "query " << q << " place " << place;
        const float score = filled ? expected[static_cast<size_t>(place)].score + 0.0f : 0;
        ASSERT_EQ(std::memcmp(&found.scores[at], &score, sizeof score), 0)
            << "query " << q << " place " << place << ": " << found.scores[at] << " for " << score;
      }
    }
  }

  /// Each item with a chance of 1 in `one_of`; bits after the last item are set.
  static std::vector<uint64_t> RandomEligible(int64_t n_items, uint64_t one_of, uint64_t seed) {
    std::mt19937_64 engine(seed);
    std::vector<uint64_t> bits(static_cast<size_t>((n_items + 63) / 64), 0);
    for (int64_t i = 0; i < n_items; ++i)
      if (engine() % one_of == 0) bits[static_cast<size_t>(i / 64)] |= uint64_t{1} << i % 64;
    if (n_items % 64 != 0) bits.back() |= ~uint64_t{0} << n_items % 64;
    return bits;
  }

  std::vector<uint64_t> eligible_;         // the filter of what is asked; empty: none
  const ItemCodesView* stored_ = nullptr;  // what the index is made with

 private:
  std::vector<int32_t> Ineligible(int64_t n_items) const {
    std::vector<int32_t> items;
    for (int32_t i = 0; !eligible_.empty() && i < n_items; ++i)
      if ((eligible_[static_cast<size_t>(i / 64)] >> i % 64 & 1) == 0) items.push_back(i);
    return items;
  }

  struct Lists {
    Resident<int64_t> indptr;
    Resident<int32_t> items;
    Resident<float> weights;
  };

  template <class T>
  Resident<T> AllToBackend(const std::vector<T>& values) {
    return ToBackend(values, static_cast<int64_t>(values.size()));
  }

  /// Lists of entries, which `split` makes an item and a weight, as a request has them; no lists give nothing at all.
  template <class Entry, class Split>
  Lists ListsToBackend(const std::vector<std::vector<Entry>>& lists, const Split& split) {
    std::vector<int64_t> indptr;
    std::vector<int32_t> items;
    std::vector<float> weights;
    if (!lists.empty()) indptr.push_back(0);
    for (const auto& list : lists) {
      for (const auto& entry : list) {
        const auto [item, weight] = split(entry);
        items.push_back(item);
        weights.push_back(weight);
      }
      indptr.push_back(static_cast<int64_t>(items.size()));
    }
    return {AllToBackend(indptr), AllToBackend(items), AllToBackend(weights)};
  }
};

}  // namespace kindred
