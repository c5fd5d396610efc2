// A catalogue on a backend, and the n best of it: what every ranked list comes from.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "host/conditions/item_bits.h"
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
  std::shared_ptr<const ItemBits> eligible = nullptr;  // for every query; null: all of the catalogue is
  bool with_costs = false;
  bool eligible_once = false;  // nobody asks with `eligible` again: nothing is kept for it
};

/// The two parts of a scorer (kernels/backend.h), resident, and the index over them. What it ranks need not be items.
class Catalogue {
 public:
  Catalogue() = default;
  /// At least one column of factors; an item_item without offsets: no such part; `codes` of these factors, or empty.
  /// All outlive it, by `keep` or by the caller's care.
  Catalogue(Backend& backend, HostMatrix<const float> factors, const CsrView& item_item,
            const std::shared_ptr<const void>& keep, const ItemCodesView& codes = {});

  /// The n best for each row of `queries`, with the row of `histories` where these have entries. What `eligible` takes
  /// on the backend is made when it is first asked with, and kept for as long as somebody holds the bits, and a little
  /// longer: each new set of bits drops what it finds of such as are gone. Of those that are asked with once nothing is
  /// kept.
  RankedLists Best(Backend& backend, Context& context, HostMatrix<const float> queries, const CsrView& histories,
                   const Exclusions& excluded, int64_t n, const RankOptions& options = {}) const;

 private:
  /// A sparse matrix on a backend.
  struct ResidentCsr {
    Resident<int64_t> indptr;
    Resident<int32_t> items;
    Resident<float> values;
  };

  struct KeptFilter {
    std::weak_ptr<const ItemBits> bits;
    std::shared_ptr<const ItemFilter> filter;
  };
  struct KeptFilters {
    std::mutex mutex;
    std::map<const ItemBits*, KeptFilter> by_bits;
    const ItemBits* looked_at = nullptr;  // where the last look for those that are gone ended
  };

  std::shared_ptr<const ItemFilter> FilterOf(Backend& backend, Context& context,
                                             const std::shared_ptr<const ItemBits>& bits) const;
  static std::vector<KeptFilter> TakeSomeThatAreGone(KeptFilters& kept);

  std::shared_ptr<const void> keep_;
  Resident<float> factors_;
  ResidentCsr others_;
  std::unique_ptr<ItemIndex> index_;
  std::unique_ptr<KeptFilters> filters_ = std::make_unique<KeptFilters>();  // of the index
};

/// The rows at length 1; those of zeros stay.
std::vector<float> NormalizedRows(HostMatrix<const float> matrix);

}  // namespace kindred
