#include "host/data/id_interner.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "host/data/array.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kInlineBytes = 16;
constexpr int64_t kFirstSlots = 64;
constexpr size_t kChunkBytes = size_t{1} << 20;

uint64_t Load8(const char* at) {
  uint64_t value;
  std::memcpy(&value, at, 8);
  return value;
}
uint64_t Load4(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, 4);
  return value;
}

/// An id as it stands in a slot: with its length, `head` and `tail` say everything about one of up to 16 bytes (from 8
/// bytes on its first and last 8, which may overlap; of less, its first and last 4; of 1 to 3, these).
struct Key {
  uint64_t head = 0;
  uint64_t tail = 0;
  uint64_t hash = 0;
};

/// The high and low halves of a 128-bit product, mixed: as in wyhash (Wang Yi 2019).
uint64_t Mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

Key KeyOf(std::string_view id) {
  const char* at = id.data();
  const size_t n = id.size();
  Key key;
  if (n > kInlineBytes) {
    key.hash = XXH3_64bits(at, n);
    key.head = key.hash;
    return key;
  }
  if (n >= 8) {
    key.head = Load8(at);
    key.tail = Load8(at + n - 8);
  } else if (n >= 4) {
    key.head = Load4(at);
    key.tail = Load4(at + n - 4);
  } else if (n > 0) {
    key.head = static_cast<unsigned char>(at[0]) | uint64_t{static_cast<unsigned char>(at[n / 2])} << 8 |
               uint64_t{static_cast<unsigned char>(at[n - 1])} << 16;
  }
  key.hash = Mix(key.head ^ 0xa0761d6478bd642fULL, key.tail ^ 0xe7037ed1a0b428dbULL ^ n * 0x8ebc6af09c88c6e3ULL);
  return key;
}

/// A slot of 32 bytes, two a cache line.
struct Slot {
  uint64_t head = 0;
  uint64_t tail = 0;  // of a long id, where its bytes are
  int64_t first = 0;
  int32_t number = -1;  // -1: free
  uint32_t length = 0;

  std::string_view Bytes(char (&buffer)[kInlineBytes]) const {
    if (length > kInlineBytes) return {reinterpret_cast<const char*>(tail), length};
    if (length >= 8) {
      std::memcpy(buffer, &head, 8);
      std::memcpy(buffer + length - 8, &tail, 8);
    } else if (length >= 4) {
      std::memcpy(buffer, &head, 4);
      std::memcpy(buffer + length - 4, &tail, 4);
    } else {
      const char bytes[] = {static_cast<char>(head), static_cast<char>(head >> 8), static_cast<char>(head >> 16)};
      if (length > 0) buffer[0] = bytes[0];
      if (length == 2) buffer[1] = bytes[2];
      if (length == 3) std::memcpy(buffer, bytes, 3);
    }
    return {buffer, length};
  }
};

}  // namespace

struct alignas(64) IdInterner::Shard {
  std::mutex mutex;
  Array<Slot> slots = Array<Slot>(kFirstSlots);
  size_t n_ids = 0;
  std::vector<std::unique_ptr<char[]>> chunks;  // bytes of long ids
  size_t chunk_left = 0;
  char* chunk_at = nullptr;

  size_t Start(uint64_t hash) const { return (hash >> 6) & (slots.size() - 1); }

  Slot& Find(std::string_view id, const Key& key) {
    const size_t mask = slots.size() - 1;
    for (size_t at = Start(key.hash);; at = (at + 1) & mask) {
      Slot& slot = slots.data()[at];
      if (slot.number < 0) return slot;
      if (slot.head != key.head || slot.length != id.size()) continue;
      if (id.size() <= kInlineBytes ? slot.tail == key.tail
                                    : std::memcmp(reinterpret_cast<const char*>(slot.tail), id.data(), id.size()) == 0)
        return slot;
    }
  }

  uint64_t Keep(std::string_view id) {
    if (id.size() > chunk_left) {
      const size_t bytes = std::max(id.size(), kChunkBytes);
      chunks.push_back(std::unique_ptr<char[]>(new char[bytes]));
      chunk_at = chunks.back().get();
      chunk_left = bytes;
    }
    std::memcpy(chunk_at, id.data(), id.size());
    const auto place = reinterpret_cast<uint64_t>(chunk_at);
    chunk_at += id.size();
    chunk_left -= id.size();
    return place;
  }

  void Grow() {
    const Array<Slot> before = std::exchange(slots, Array<Slot>(2 * static_cast<int64_t>(slots.size())));
    char buffer[kInlineBytes];
    for (const Slot& slot : before.view())
      if (slot.number >= 0) {
        const std::string_view id = slot.Bytes(buffer);
        Find(id, KeyOf(id)) = slot;
      }
  }
};

IdInterner::IdInterner()
    : shards_(std::make_unique<std::array<Shard, kShards>>()), n_ids_(std::make_unique<std::atomic<int32_t>>(0)) {}
IdInterner::~IdInterner() = default;
IdInterner::IdInterner(IdInterner&&) noexcept = default;
IdInterner& IdInterner::operator=(IdInterner&&) noexcept = default;

int64_t IdInterner::size() const {
  return n_ids_->load();
}

void IdInterner::Intern(std::span<const std::string_view> ids, int64_t position, int32_t* numbers) {
  Key keys[kMaxBatch];
  uint16_t order[kMaxBatch];
  uint16_t ends[kShards + 1] = {};
  for (size_t i = 0; i < ids.size(); ++i) {
    keys[i] = KeyOf(ids[i]);
    ++ends[keys[i].hash % kShards + 1];
  }
  for (size_t s = 0; s < kShards; ++s) ends[s + 1] = static_cast<uint16_t>(ends[s + 1] + ends[s]);
  uint16_t next[kShards];
  std::copy_n(ends, kShards, next);
  for (size_t i = 0; i < ids.size(); ++i) order[next[keys[i].hash % kShards]++] = static_cast<uint16_t>(i);

  const size_t turn = static_cast<size_t>(position / static_cast<int64_t>(kMaxBatch));  // threads begin apart
  for (size_t s = 0; s < kShards; ++s) {
    const size_t which = (s + turn) % kShards;
    if (ends[which] == ends[which + 1]) continue;
    Shard& shard = (*shards_)[which];
    const std::lock_guard lock(shard.mutex);
    for (size_t at = ends[which]; at < ends[which + 1]; ++at)
      __builtin_prefetch(shard.slots.data() + shard.Start(keys[order[at]].hash));
    for (size_t at = ends[which]; at < ends[which + 1]; ++at) {
      const size_t i = order[at];
      const int64_t place = position + static_cast<int64_t>(i);
      Slot* slot = &shard.Find(ids[i], keys[i]);
      if (slot->number < 0) {
        if (8 * (shard.n_ids + 1) > 5 * shard.slots.size()) {
          shard.Grow();
          slot = &shard.Find(ids[i], keys[i]);
        }
        const int32_t number = n_ids_->fetch_add(1);
        if (number < 0 || number == std::numeric_limits<int32_t>::max()) {
          n_ids_->store(std::numeric_limits<int32_t>::max());
          throw Error(ErrorCode::kUnsupported, fmt::format("more than {} different ids", number));
        }
        const uint64_t tail = ids[i].size() > kInlineBytes ? shard.Keep(ids[i]) : keys[i].tail;
        *slot = {keys[i].head, tail, place, number, static_cast<uint32_t>(ids[i].size())};
        ++shard.n_ids;
      } else if (place < slot->first) {
        slot->first = place;
      }
      numbers[i] = slot->number;
    }
  }
}

IdInterner::Finished IdInterner::Finish(const IdMap& before, int64_t n_before) {
  struct Entry {
    int64_t first;
    const Slot* slot;
  };
  std::vector<Entry> entries;
  entries.reserve(static_cast<size_t>(size()));
  for (const Shard& shard : *shards_)
    for (const Slot& slot : shard.slots.view())
      if (slot.number >= 0) entries.push_back({slot.first, &slot});
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.first < b.first; });

  char buffer[kInlineBytes];
  int64_t n_new = 0;
  for (const Entry& entry : entries) {
    const int32_t index = n_before > 0 ? before.Find(entry.slot->Bytes(buffer)) : -1;
    n_new += index < 0 || index >= n_before;
  }
  Finished finished;
  finished.ids.Reserve(n_before + n_new);
  for (int64_t i = 0; i < n_before; ++i) finished.ids.Intern(before.Id(i));
  finished.index_of.resize(entries.size());
  for (const Entry& entry : entries)
    finished.index_of[static_cast<size_t>(entry.slot->number)] = finished.ids.Intern(entry.slot->Bytes(buffer));
  return finished;
}

}  // namespace kindred
