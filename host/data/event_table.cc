#include "host/data/event_table.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "host/data/scatter.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kMaxTypes = 256;  // an event's type is one byte
constexpr int64_t kBucketEvents = 1 << 15;
constexpr int64_t kMaxBuckets = 4096;

struct IdHash {
  uint64_t high = 0;
  uint64_t low = 0;

  auto operator<=>(const IdHash&) const = default;
};

struct SortedEvent {
  int64_t time;
  int32_t user;
  int32_t item;
  float value;
  uint8_t type;
};

[[noreturn]] void RefuseType(std::string_view name) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("more than {} types of event (the next is '{}'): is --event-column the right one?", kMaxTypes,
                          Printable(name)));
}

/// Few names, each with a small number.
class TypeNames {
 public:
  uint8_t CodeOf(std::string_view name) {
    if (last_ < names_.size() && names_[last_] == name) return static_cast<uint8_t>(last_);
    const auto found = std::find(names_.begin(), names_.end(), name);
    last_ = static_cast<size_t>(found - names_.begin());
    if (found == names_.end()) {
      if (names_.size() == kMaxTypes) RefuseType(name);
      names_.emplace_back(name);
    }
    return static_cast<uint8_t>(last_);
  }
  std::vector<std::string>& names() { return names_; }

 private:
  std::vector<std::string> names_;
  size_t last_ = 0;
};

}  // namespace

struct EventTableBuilder::Block {
  std::vector<int32_t> users, items;  // numbers of the interners
  std::vector<float> values;          // this and the following may be empty
  std::vector<int64_t> times;
  std::vector<uint8_t> types;
  std::vector<IdHash> ids;
  TypeNames type_names;
  std::vector<uint8_t> dropped;  // by event; empty: none
};

namespace {

/// What is sorted: the events of an earlier dataset, then those of the blocks.
template <class Block>
class EventSorter {
 public:
  EventSorter(std::vector<std::unique_ptr<Block>>& blocks, const Dataset* before, ThreadPool& pool)
      : blocks_(blocks), before_(before), pool_(pool) {}

  void DropDuplicates(EventTable& out);
  void MapTypes(EventTable& out);
  void Sort(const std::vector<int32_t>& user_of, const std::vector<int32_t>& item_of, bool times, bool types,
            EventTable& out);

 private:
  static constexpr int64_t kBeforeChunk = 1 << 16;  // users of the earlier dataset a chunk

  int64_t n_before_chunks() const {
    return before_ == nullptr ? 0 : (before_->events().n_users() + kBeforeChunk - 1) / kBeforeChunk;
  }
  template <class Take>
  void ForEachEvent(int64_t chunk, const std::vector<int32_t>& user_of, const std::vector<int32_t>& item_of,
                    const Take& take) const;
  struct Worker {
    std::vector<int32_t> last_user;  // by item
    std::vector<SortedEvent> sorted, moved;
    std::vector<uint64_t> order;
    int64_t n_entries = 0;
  };
  void SortBucket(std::span<SortedEvent> events, int64_t first_user, int64_t end_user, int64_t begin, EventTable& out,
                  Worker& worker) const;

  std::vector<std::unique_ptr<Block>>& blocks_;
  const Dataset* before_;
  ThreadPool& pool_;
  std::vector<std::vector<uint8_t>> type_codes_;  // of each block's types, in the whole
};

template <class Block>
void EventSorter<Block>::MapTypes(EventTable& out) {
  TypeNames names;
  if (before_ != nullptr)
    for (const std::string& name : before_->event_types()) names.CodeOf(name);
  for (const auto& block : blocks_) {
    std::vector<uint8_t>& codes = type_codes_.emplace_back();
    if (block == nullptr) continue;
    for (const std::string& name : block->type_names.names()) codes.push_back(names.CodeOf(name));
  }
  out.type_names = std::move(names.names());
}

template <class Block>
void EventSorter<Block>::DropDuplicates(EventTable& out) {
  struct Entry {
    IdHash id;
    int64_t block;
    int64_t row;

    auto operator<=>(const Entry&) const = default;
  };
  const std::span<const int64_t> known = before_ != nullptr ? before_->event_id_hashes() : std::span<const int64_t>();
  int64_t n = static_cast<int64_t>(known.size()) / 2;
  for (const auto& block : blocks_)
    if (block != nullptr) n += static_cast<int64_t>(block->ids.size());
  const int bits = std::clamp(static_cast<int>(std::bit_width(static_cast<uint64_t>(n / kBucketEvents))), 1, 12);
  const auto bucket_of = [&](const IdHash& id) { return static_cast<int64_t>(id.high >> (64 - bits)); };
  const auto n_blocks = static_cast<int64_t>(blocks_.size());
  Buckets<Entry> buckets = Scatter<Entry>(
      pool_, n_blocks + 1, int64_t{1} << bits,
      [&](int64_t chunk, const auto& take) {
        if (chunk == 0) {
          for (size_t i = 0; i < known.size(); i += 2) {
            const IdHash id{static_cast<uint64_t>(known[i]), static_cast<uint64_t>(known[i + 1])};
            take(bucket_of(id), [&] { return Entry{id, -1, 0}; });
          }
          return;
        }
        if (blocks_[static_cast<size_t>(chunk) - 1] == nullptr) return;
        const std::vector<IdHash>& ids = blocks_[static_cast<size_t>(chunk) - 1]->ids;
        for (size_t row = 0; row < ids.size(); ++row)
          take(bucket_of(ids[row]), [&] { return Entry{ids[row], chunk - 1, static_cast<int64_t>(row)}; });
      },
      [&](int64_t chunk) {
        if (chunk > 0 && blocks_[static_cast<size_t>(chunk) - 1] != nullptr)
          blocks_[static_cast<size_t>(chunk) - 1]->ids = {};
      });

  // The first with an id stays; of the others, their place is noted.
  std::vector<int64_t> n_kept(static_cast<size_t>(buckets.n_buckets()), 0);
  for (const auto& block : blocks_)
    if (block != nullptr) block->dropped.assign(block->users.size(), 0);
  pool_.Run(buckets.n_buckets(), pool_.n_threads(), [&](int64_t bucket, int) {
    const std::span<Entry> entries = buckets.of(bucket);
    std::sort(entries.begin(), entries.end());
    int64_t& kept = n_kept[static_cast<size_t>(bucket)];
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i == 0 || entries[i].id != entries[i - 1].id)
        ++kept;
      else
        blocks_[static_cast<size_t>(entries[i].block)]->dropped[static_cast<size_t>(entries[i].row)] = 1;
    }
  });
  std::vector<int64_t> begins(n_kept.size() + 1, 0);
  std::partial_sum(n_kept.begin(), n_kept.end(), begins.begin() + 1);
  out.id_hashes = Array<int64_t>(2 * begins.back());
  out.n_duplicates = n - begins.back();
  pool_.Run(buckets.n_buckets(), pool_.n_threads(), [&](int64_t bucket, int) {
    int64_t at = 2 * begins[static_cast<size_t>(bucket)];
    const std::span<Entry> entries = buckets.of(bucket);
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0 && entries[i].id == entries[i - 1].id) continue;
      out.id_hashes[at++] = static_cast<int64_t>(entries[i].id.high);
      out.id_hashes[at++] = static_cast<int64_t>(entries[i].id.low);
    }
  });
}

template <class Block>
template <class Take>
void EventSorter<Block>::ForEachEvent(int64_t chunk, const std::vector<int32_t>& user_of,
                                      const std::vector<int32_t>& item_of, const Take& take) const {
  if (chunk < n_before_chunks()) {
    const EventsView& events = before_->events();
    const int64_t end = std::min((chunk + 1) * kBeforeChunk, events.n_users());
    for (int64_t user = chunk * kBeforeChunk; user < end; ++user)
      for (int64_t e = events.indptr[static_cast<size_t>(user)]; e < events.indptr[static_cast<size_t>(user) + 1];
           ++e) {
        const auto at = static_cast<size_t>(e);
        take(static_cast<int32_t>(user), [&] {
          return SortedEvent{events.times.empty() ? 0 : events.times[at], static_cast<int32_t>(user), events.items[at],
                             events.values[at], events.types.empty() ? uint8_t{0} : events.types[at]};
        });
      }
    return;
  }
  const auto number = static_cast<size_t>(chunk - n_before_chunks());
  if (blocks_[number] == nullptr) return;
  const Block& block = *blocks_[number];
  for (size_t at = 0; at < block.users.size(); ++at) {
    if (!block.dropped.empty() && block.dropped[at] != 0) continue;
    const int32_t user = user_of[static_cast<size_t>(block.users[at])];
    take(user, [&] {
      return SortedEvent{block.times.empty() ? 0 : block.times[at], user, item_of[static_cast<size_t>(block.items[at])],
                         block.values.empty() ? 1.0f : block.values[at],
                         block.types.empty() ? uint8_t{0} : type_codes_[number][block.types[at]]};
    });
  }
}

template <class Block>
void EventSorter<Block>::Sort(const std::vector<int32_t>& user_of, const std::vector<int32_t>& item_of, bool times,
                              bool types, EventTable& out) {
  int64_t n_events = before_ != nullptr ? before_->events().size() : 0;
  for (const auto& block : blocks_)
    if (block != nullptr) n_events += static_cast<int64_t>(block->users.size());
  const int64_t n_users = out.users.size();
  const int64_t wanted = std::clamp<int64_t>(n_events / kBucketEvents, 1, kMaxBuckets);
  const int shift = static_cast<int>(std::bit_width(static_cast<uint64_t>((n_users + wanted - 1) / wanted)));
  const int64_t n_buckets = (n_users >> shift) + 1;
  const int64_t n_chunks = n_before_chunks() + static_cast<int64_t>(blocks_.size());
  Buckets<SortedEvent> buckets = Scatter<SortedEvent>(
      pool_, n_chunks, n_buckets,
      [&](int64_t chunk, const auto& take) {
        ForEachEvent(chunk, user_of, item_of, [&](int32_t user, const auto& event) { take(user >> shift, event); });
      },
      [&](int64_t chunk) {
        if (chunk >= n_before_chunks()) blocks_[static_cast<size_t>(chunk - n_before_chunks())].reset();
      });

  n_events = static_cast<int64_t>(buckets.values.size());
  out.indptr.assign(static_cast<size_t>(n_users) + 1, 0);
  out.event_items = Array<int32_t>(n_events);
  out.values = Array<float>(n_events);
  if (times) out.times = Array<int64_t>(n_events);
  if (types) out.types = Array<uint8_t>(n_events);
  std::vector<Worker> workers(static_cast<size_t>(pool_.n_threads()));
  pool_.Run(n_buckets, pool_.n_threads(), [&](int64_t bucket, int number) {
    Worker& worker = workers[static_cast<size_t>(number)];
    worker.last_user.resize(static_cast<size_t>(out.items.size()), -1);
    const int64_t first_user = bucket << shift;
    SortBucket(buckets.of(bucket), first_user, std::min(first_user + (int64_t{1} << shift), n_users),
               buckets.begins[static_cast<size_t>(bucket)], out, worker);
  });
  for (const Worker& worker : workers) out.n_entries += worker.n_entries;
}

/// Stable.
void SortByTime(std::span<SortedEvent> events, std::vector<uint64_t>& order, std::vector<SortedEvent>& moved) {
  constexpr int kPlaceBits = 24;
  const auto earlier = [](const SortedEvent& a, const SortedEvent& b) { return a.time < b.time; };
  if (std::is_sorted(events.begin(), events.end(), earlier)) return;
  const auto [first, last] = std::minmax_element(events.begin(), events.end(), earlier);
  const int64_t begin = first->time;
  const auto range = static_cast<uint64_t>(last->time) - static_cast<uint64_t>(begin);
  if (range >> (64 - kPlaceBits) != 0 || events.size() >> kPlaceBits != 0) {
    std::stable_sort(events.begin(), events.end(), earlier);
    return;
  }
  order.clear();
  for (size_t i = 0; i < events.size(); ++i)
    order.push_back((static_cast<uint64_t>(events[i].time) - static_cast<uint64_t>(begin)) << kPlaceBits | i);
  std::sort(order.begin(), order.end());
  moved.assign(events.begin(), events.end());
  for (size_t i = 0; i < order.size(); ++i) events[i] = moved[order[i] & ((1u << kPlaceBits) - 1)];
}

template <class Block>
void EventSorter<Block>::SortBucket(std::span<SortedEvent> events, int64_t first_user, int64_t end_user, int64_t begin,
                                    EventTable& out, Worker& worker) const {
  std::vector<SortedEvent>& sorted = worker.sorted;
  std::vector<int64_t> next(static_cast<size_t>(std::max<int64_t>(end_user - first_user, 0)) + 1, 0);
  for (const SortedEvent& event : events) ++next[static_cast<size_t>(event.user - first_user) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  for (int64_t user = first_user; user < end_user; ++user)
    out.indptr[static_cast<size_t>(user) + 1] = begin + next[static_cast<size_t>(user - first_user) + 1];
  sorted.resize(events.size());
  for (const SortedEvent& event : events)
    sorted[static_cast<size_t>(next[static_cast<size_t>(event.user - first_user)]++)] = event;

  for (size_t at = 0; at < sorted.size();) {
    const int32_t user = sorted[at].user;
    const auto first = sorted.begin() + static_cast<ptrdiff_t>(at);
    const auto last = sorted.begin() + next[static_cast<size_t>(user - first_user)];
    SortByTime({first, last}, worker.order, worker.moved);
    for (auto event = first; event != last; ++event)
      worker.n_entries += std::exchange(worker.last_user[static_cast<size_t>(event->item)], user) != user;
    at = static_cast<size_t>(last - sorted.begin());
  }
  for (size_t i = 0; i < sorted.size(); ++i) {
    const int64_t at = begin + static_cast<int64_t>(i);
    out.event_items[at] = sorted[i].item;
    out.values[at] = sorted[i].value;
    if (!out.times.empty()) out.times[at] = sorted[i].time;
    if (!out.types.empty()) out.types[at] = sorted[i].type;
  }
}

}  // namespace

EventTableBuilder::EventTableBuilder() = default;
EventTableBuilder::~EventTableBuilder() = default;

EventTableBuilder::Block& EventTableBuilder::BlockOf(int64_t number, const EventBatch& batch) {
  const std::lock_guard lock(mutex_);
  if (static_cast<size_t>(number) >= blocks_.size()) blocks_.resize(static_cast<size_t>(number) + 1);
  std::unique_ptr<Block>& block = blocks_[static_cast<size_t>(number)];
  if (block == nullptr) {
    const size_t n = std::max(batch.users.size(), largest_block_.load());  // so that columns seldom have to move
    block = std::make_unique<Block>();
    block->users.reserve(n);
    block->items.reserve(n);
    block->values.reserve(batch.values.empty() ? 0 : n);
    block->times.reserve(batch.times.empty() ? 0 : n);
    block->types.reserve(batch.types.empty() ? 0 : n);
    block->ids.reserve(batch.ids.empty() ? 0 : n);
  }
  return *block;
}

void EventTableBuilder::Add(const EventBatch& batch) {
  Block& block = BlockOf(batch.block, batch);
  for (const std::string_view type : batch.types) block.types.push_back(block.type_names.CodeOf(type));
  const size_t before = block.users.size(), n = batch.users.size();
  if (before + n > largest_block_.load()) largest_block_.store(before + n);  // about so large is good enough
  const auto position = (batch.block << 32) + static_cast<int64_t>(before);
  block.users.resize(before + n);
  block.items.resize(before + n);
  users_.Intern(batch.users, position, block.users.data() + before);
  items_.Intern(batch.items, position, block.items.data() + before);
  block.values.insert(block.values.end(), batch.values.begin(), batch.values.end());
  block.times.insert(block.times.end(), batch.times.begin(), batch.times.end());
  for (const std::string_view id : batch.ids) {
    const XXH128_hash_t hash = XXH3_128bits(id.data(), id.size());
    block.ids.push_back({hash.high64, hash.low64});
  }
}

EventTable EventTableBuilder::Finish(const Parts& parts, const Dataset* before, ThreadPool& pool) {
  EventTable out;
  EventSorter<Block> sorter(blocks_, before, pool);
  IdInterner::Finished sides[2];
  pool.Run(2, pool.n_threads(), [&](int64_t side, int) {
    IdInterner& ids = side == 0 ? users_ : items_;
    if (before == nullptr)
      sides[side] = ids.Finish();
    else if (side == 0)
      sides[side] = ids.Finish(before->users(), before->n_event_users());
    else
      sides[side] = ids.Finish(before->items(), before->n_event_items());
  });
  out.users = std::move(sides[0].ids);
  out.items = std::move(sides[1].ids);
  out.n_event_items = out.items.size();
  if (parts.ids) sorter.DropDuplicates(out);
  sorter.MapTypes(out);
  sorter.Sort(sides[0].index_of, sides[1].index_of, parts.times, parts.types, out);
  out.type_counts.assign(out.type_names.size(), 0);
  for (const uint8_t type : out.types.view()) ++out.type_counts[type];
  if (!parts.types) out.type_names.clear();
  blocks_.clear();
  users_ = IdInterner();
  items_ = IdInterner();
  return out;
}

}  // namespace kindred
