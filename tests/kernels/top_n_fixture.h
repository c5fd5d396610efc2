// Top-N against a full sort by the definition: the same ids and the same bits.
#pragma once

#include <cstring>
#include <vector>

#include "tests/reference/reference.h"
#include "tests/support/backends.h"

namespace kindred {

class TopNTest : public BackendTest {
 protected:
  struct Answer {
    std::vector<int32_t> items;
    std::vector<float> scores;
  };

  virtual std::unique_ptr<ItemIndex> NewIndex(MatrixView<const float> items) {
    return backend().NewItemIndex(context(), items);
  }
  virtual void TopN(const ItemIndex& index, const TopNRequest& request) { backend().TopN(context(), index, request); }

  Answer Ask(const std::vector<float>& items, int64_t n_items, const std::vector<float>& queries, int64_t n_queries,
             int64_t f, int64_t n, const std::vector<std::vector<int32_t>>& excluded = {}) {
    const Resident<float> y = ToBackend(items, n_items, f), q = ToBackend(queries, n_queries, f);
    std::vector<int64_t> indptr;
    std::vector<int32_t> flat;
    if (!excluded.empty()) {
      indptr.push_back(0);
      for (const auto& list : excluded) {
        flat.insert(flat.end(), list.begin(), list.end());
        indptr.push_back(static_cast<int64_t>(flat.size()));
      }
    }
    const Resident<int64_t> excluded_indptr = ToBackend(indptr, static_cast<int64_t>(indptr.size()));
    const Resident<int32_t> excluded_items = ToBackend(flat, static_cast<int64_t>(flat.size()));
    const Resident<int32_t> out_items(backend(), n_queries, n);
    const Resident<float> out_scores(backend(), n_queries, n);
    const auto index = NewIndex(y.matrix());
    TopN(*index, {q.matrix(), excluded_indptr.view(), excluded_items.view(), out_items.matrix(), out_scores.matrix()});
    context().Wait();
    return {ToHost(out_items), ToHost(out_scores)};
  }

  void ExpectExact(const std::vector<float>& items, int64_t n_items, const std::vector<float>& queries,
                   int64_t n_queries, int64_t f, int64_t n, const std::vector<std::vector<int32_t>>& excluded = {}) {
    const Answer found = Ask(items, n_items, queries, n_queries, f, n, excluded);
    for (int64_t q = 0; q < n_queries; ++q) {
      const std::span<const float> query(queries.data() + q * f, static_cast<size_t>(f));
      const auto list =
          excluded.empty() ? std::span<const int32_t>() : std::span<const int32_t>(excluded[static_cast<size_t>(q)]);
      const auto expected = reference::TopN(query, {items.data(), n_items, f}, list, n);
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
};

}  // namespace kindred
