#include "host/data/id_map.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "kernels/error.h"

namespace kindred {
namespace {

/// Where probing for the id ends: at its slot, or at the free one where it would go. `slots` has a free one.
size_t Probe(const IdMap& ids, std::span<const int32_t> slots, std::string_view id) {
  const size_t mask = slots.size() - 1;
  size_t at = XXH3_64bits(id.data(), id.size()) & mask;
  while (slots[at] >= 0 && ids.Id(slots[at]) != id) at = (at + 1) & mask;
  return at;
}

template <class... Args>
[[noreturn]] void Refuse(const std::string& where, fmt::format_string<Args...> what, Args&&... args) {
  throw Error(ErrorCode::kCorrupt,
              fmt::format("id map '{}': {}", where, fmt::format(what, std::forward<Args>(args)...)));
}

}  // namespace

IdMap IdMap::FromArtifact(const Artifact& artifact, const std::string& prefix) {
  const IdMap map(artifact.Array<uint8_t>(prefix + "_bytes"), artifact.Array<int64_t>(prefix + "_offsets"),
                  artifact.Array<int32_t>(prefix + "_slots"));
  const std::string where = (artifact.path() / prefix).string();
  if (map.offsets_.empty() || map.offsets_[0] != 0) Refuse(where, "the offsets do not start at 0");
  if (map.size() > std::numeric_limits<int32_t>::max())
    Refuse(where, "{} ids, more than an index can name", map.size());
  for (size_t i = 1; i < map.offsets_.size(); ++i)
    if (map.offsets_[i - 1] > map.offsets_[i]) Refuse(where, "offset {} is below the one before", i);
  if (map.offsets_.back() != static_cast<int64_t>(map.bytes_.size()))
    Refuse(where, "the offsets end at {}, the bytes at {}", map.offsets_.back(), map.bytes_.size());

  const size_t n_slots = map.slots_.size();
  if (n_slots < 2 || !std::has_single_bit(n_slots) || n_slots / 2 < static_cast<size_t>(map.size()))
    Refuse(where, "{} slots for {} ids; expected a power of two, at least twice as many", n_slots, map.size());
  int64_t n_used = 0;
  for (const int32_t slot : map.slots_) {
    if (slot < -1 || slot >= map.size()) Refuse(where, "a slot names id {} of {}", slot, map.size());
    n_used += slot >= 0;
  }
  if (n_used != map.size()) Refuse(where, "{} slots are taken by {} ids", n_used, map.size());
  return map;
}

void IdMap::AddTo(ArtifactWriter& writer, const std::string& prefix) const {
  writer.AddArray<uint8_t>(prefix + "_bytes", bytes_);
  writer.AddArray<int64_t>(prefix + "_offsets", offsets_);
  writer.AddArray<int32_t>(prefix + "_slots", slots_);
}

int32_t IdMap::Find(std::string_view id) const {
  return slots_.empty() ? -1 : slots_[Probe(*this, slots_, id)];
}

IdMapBuilder::IdMapBuilder() : offsets_(1, 0), slots_(2, -1) {}

int32_t IdMapBuilder::Intern(std::string_view id) {
  size_t at = Probe(view(), slots_, id);
  if (slots_[at] >= 0) return slots_[at];
  if (size() == std::numeric_limits<int32_t>::max())
    throw Error(ErrorCode::kUnsupported, fmt::format("more than {} different ids", size()));
  if (2 * (static_cast<size_t>(size()) + 1) > slots_.size()) {
    Rehash(2 * slots_.size());
    at = Probe(view(), slots_, id);
  }
  const auto index = static_cast<int32_t>(size());
  bytes_.insert(bytes_.end(), id.begin(), id.end());
  offsets_.push_back(static_cast<int64_t>(bytes_.size()));
  slots_[at] = index;
  return index;
}

void IdMapBuilder::Reserve(int64_t n_ids) {
  const size_t n_slots = std::bit_ceil(std::max<size_t>(2 * static_cast<size_t>(n_ids), 2));
  if (n_slots > slots_.size()) Rehash(n_slots);
  offsets_.reserve(static_cast<size_t>(n_ids) + 1);
}

void IdMapBuilder::Rehash(size_t n_slots) {
  slots_.assign(n_slots, -1);
  for (int64_t i = 0; i < size(); ++i) {
    const std::string_view id = view().Id(i);
    slots_[Probe(view(), slots_, id)] = static_cast<int32_t>(i);
  }
}

}  // namespace kindred
