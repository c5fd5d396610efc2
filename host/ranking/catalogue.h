// A catalogue on a backend, and the n best of it: what every ranked list comes from.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/backend.h"

namespace kindred {

/// n items a query, best first, by the defined score; unfilled places have item -1.
struct RankedLists {
  int64_t n = 0;  // places a query
  std::vector<int32_t> items;
  std::vector<float> scores;
  std::vector<TopNCost> costs;  // of each query, where they were asked for

  /// The filled places of one query.
  std::span<const int32_t> Items(int64_t query) const;
  std::span<const float> Scores(int64_t query) const;
};

/// Item lists a query must not return: increasing within a query; empty indptr means none at all.
struct Exclusions {
  std::vector<int64_t> indptr;
  std::vector<int32_t> items;

  /// Adds the next query's list, sorting it and dropping repeats.
  void Add(std::span<const int32_t> list);
};

struct RankOptions {
  const ItemFilter* eligible = nullptr;  // of the catalogue; nullptr: all of it is eligible
  bool with_costs = false;
};

/// The two parts of a scorer (kernels/backend.h), resident, and the index over them. What it ranks need not be items.
class Catalogue {
 public:
  Catalogue() = default;
  /// At least one column of factors; an item_item without offsets: no such part. Both outlive it, by `keep` or by the
  /// caller's care.
  Catalogue(Backend& backend, HostMatrix<const float> factors, const CsrView& item_item,
            const std::shared_ptr<const void>& keep);

  const ItemIndex& index() const { return *index_; }

  /// The n best for each row of `queries`, with the row of `histories` where these have entries.
  RankedLists Best(Backend& backend, Context& context, HostMatrix<const float> queries, const CsrView& histories,
                   const Exclusions& excluded, int64_t n, const RankOptions& options = {}) const;

 private:
  /// A sparse matrix on a backend.
  struct ResidentCsr {
    Resident<int64_t> indptr;
    Resident<int32_t> items;
    Resident<float> values;
  };

  Resident<float> factors_;
  ResidentCsr others_;
  std::unique_ptr<ItemIndex> index_;
};

/// The rows at length 1; those of zeros stay.
std::vector<float> NormalizedRows(HostMatrix<const float> matrix);

}  // namespace kindred
