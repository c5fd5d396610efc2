// Ids to numbers on many threads; in the end, to indices in the order of their first appearance.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "host/data/id_map.h"
#include "kernels/cpu/parallel.h"

namespace kindred {

/// While ids come in, each has a number that depends on the threads; Finish makes indices that do not.
///
/// Ids are spread by their hash over shards, each a table of its own behind a lock that is held for a few hundred
/// nanoseconds a batch. Ids of up to 16 bytes are compared within their slot; longer ones are kept in full, so that
/// no two ids are ever taken for one.
/// Memory: about 70 bytes an id, and the bytes of those above 16.
class IdInterner {
 public:
  IdInterner();
  ~IdInterner();
  IdInterner(IdInterner&&) noexcept;
  IdInterner& operator=(IdInterner&&) noexcept;

  /// The numbers of the ids, which stand one after another in the input from `position` on; positions order the ids,
  /// whatever order the calls come in. `numbers` may be stored and later mapped. At most kMaxBatch ids.
  /// Throws kUnsupported at 2^31 - 1 different ids.
  void Intern(std::span<const std::string_view> ids, int64_t position, int32_t* numbers);
  static constexpr size_t kMaxBatch = 2048;

  int64_t size() const;

  struct Finished {
    IdMapBuilder ids;
    std::vector<int32_t> index_of;  // [number]
  };
  /// Ends. The first `n_before` ids of `before` come before all others, with their indices there.
  Finished Finish(const IdMap& before = {}, int64_t n_before = 0);

 private:
  struct Shard;
  static constexpr size_t kShards = 64;

  std::unique_ptr<std::array<Shard, kShards>> shards_;
  std::unique_ptr<std::atomic<int32_t>> n_ids_;
};

}  // namespace kindred
