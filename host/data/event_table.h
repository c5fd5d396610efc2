// Events gathered from many threads and put in order: by user, then time, then input.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "host/data/array.h"
#include "host/data/dataset.h"
#include "host/data/event_batch.h"
#include "host/data/id_interner.h"
#include "host/data/id_map.h"

namespace kindred {

/// Events in the order of a dataset (host/data/dataset.h), with what there is to count.
struct EventTable {
  IdMapBuilder users, items;    // ids without events may be put behind
  std::vector<int64_t> indptr;  // [users with events + 1]
  Array<int32_t> event_items;
  Array<float> values;
  Array<int64_t> times;  // empty: no times
  Array<uint8_t> types;  // empty: no types
  std::vector<std::string> type_names;
  std::vector<int64_t> type_counts;
  Array<int64_t> id_hashes;  // [n_ids, 2] XXH3-128 of the event ids, ascending; empty: no ids
  int64_t n_duplicates = 0;  // events that were left out since their id was there before
  int64_t n_event_items = 0;
  int64_t n_entries = 0;  // different pairs of user and item
};

class EventTableBuilder {
 public:
  EventTableBuilder();
  ~EventTableBuilder();

  /// As EventSink::events is called. Throws kInvalidArgument for the 257th type of event of a block.
  void Add(const EventBatch& batch);

  struct Parts {
    bool times = false;
    bool types = false;
    bool ids = false;
  };
  /// Sorts. `before`: a dataset whose events come first, or null; it must have the same parts. The builder is empty
  /// afterwards. Throws kInvalidArgument for the 257th type.
  /// Cost: a few passes at the speed of memory, on all threads. Memory: beside the result 24 bytes an event, or before
  /// that 32 where events have ids.
  EventTable Finish(const Parts& parts, const Dataset* before, ThreadPool& pool);

 private:
  struct Block;

  /// A new one has room for what the batch has of columns.
  Block& BlockOf(int64_t number, const EventBatch& batch);

  IdInterner users_, items_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::atomic<size_t> largest_block_ = 0;
};

}  // namespace kindred
