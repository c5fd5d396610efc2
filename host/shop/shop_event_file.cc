#include "host/shop/shop_event_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "host/data/random.h"
#include "host/shop/put_text.h"

namespace kindred {
namespace {

constexpr int64_t kBatchSlices = 32;
constexpr size_t kMaxLineBytes = 128;
constexpr uint64_t kMissingStream = 100;
constexpr int kMissingBits = 21;  // three columns to a random number

struct TypeText {
  std::string_view name;
  char value;
};
constexpr TypeText kTypes[] = {{"view", '1'}, {"cart", '3'}, {"buy", '5'}};

bool Earlier(const ShopEvent& a, const ShopEvent& b) {
  return a.second < b.second;
}

/// Lines one after another.
class LineFormat {
 public:
  explicit LineFormat(const Shop& shop) : shop_(shop) {}

  /// At most kMaxLineBytes. `missing` has a bit for each optional column.
  char* Put(char* to, const ShopEvent& event, unsigned missing) {
    const Shop::Item& item = shop_.items()[static_cast<size_t>(event.item)];
    const TypeText& type = kTypes[static_cast<size_t>(event.type)];
    *to++ = 'u';
    to = PutPadded(to, static_cast<uint64_t>(event.user) + 1, Shop::kUserDigits);
    *to++ = ',';
    to = PutText(to, kCategories[static_cast<size_t>(item.category)].prefix);
    *to++ = '-';
    to = PutPadded(to, static_cast<uint64_t>(item.number), Shop::kItemDigits);
    *to++ = ',';
    to = PutText(to, type.name);
    *to++ = ',';
    *to++ = type.value;
    *to++ = ',';
    to = PutMoment(to, event.second);
    to = PutText(to, ",e");
    to = PutNumber(to, static_cast<uint64_t>(event.id));
    *to++ = ',';
    if ((missing & 1) == 0) {
      *to++ = 's';
      to = PutNumber(to, static_cast<uint64_t>(event.session));
    }
    *to++ = ',';
    if ((missing & 2) == 0) to = PutCents(to, event.cents);
    *to++ = ',';
    if ((missing & 4) == 0) *to++ = static_cast<char>('0' + event.quantity);
    *to++ = '\n';
    return to;
  }

 private:
  /// As PutTime, which is asked once an hour.
  char* PutMoment(char* to, int32_t second) {
    if (second / 3600 != hour_) {
      hour_ = second / 3600;
      PutTime(text_, ShopCalendar::kFirstSecond + int64_t{3600} * hour_);
    }
    to = PutText(to, {text_, 14});  // 2025-01-31T23:
    to = PutTwoDigits(to, second / 60 % 60);
    *to++ = ':';
    to = PutTwoDigits(to, second % 60);
    *to++ = 'Z';
    return to;
  }

  const Shop& shop_;
  int32_t hour_ = -1;
  char text_[20] = {};
};

class EventFileWriter {
 public:
  EventFileWriter(const Shop& shop, const ShopEvents& events, double missing_rate, std::string_view name)
      : shop_(shop),
        events_(events),
        name_(name),
        missing_seed_(RandomBits(shop.options().seed, kMissingStream)),
        missing_below_(static_cast<uint64_t>(missing_rate * (1 << kMissingBits))) {
    counts_.bot_events.resize(shop.bots().size());
  }

  EventFileCounts Run(ThreadPool& pool, TextFile& event_file, TextFile& duplicate_file, TextFile& missing_file,
                      const std::function<void(int64_t)>& progress) {
    const auto write = [&] {
      for (const Slice& slice : std::span(slices_).first(n_formatted_)) {
        event_file.Write({slice.text.data(), slice.text_bytes});
        duplicate_file.Write(slice.duplicate_text);
        missing_file.Write(slice.missing_text);
      }
    };
    slices_.resize(static_cast<size_t>(std::min(kBatchSlices, events_.n_slices())));
    for (int64_t first = 0; first < events_.n_slices(); first += kBatchSlices) {
      const int64_t n = std::min(kBatchSlices, events_.n_slices() - first);
      pool.Run(n + 1, pool.n_threads(), [&](int64_t task, int) {
        if (task == 0)
          write();  // the batch before
        else
          events_.Make(first + task - 1, slices_[static_cast<size_t>(task - 1)].events);
      });
      for (int64_t i = 0; i < n; ++i) Link(first + i, slices_[static_cast<size_t>(i)]);
      pool.Run(n, pool.n_threads(), [&](int64_t task, int) { Format(slices_[static_cast<size_t>(task)]); });
      n_formatted_ = static_cast<size_t>(n);
      for (const Slice& slice : std::span(slices_).first(n_formatted_)) Count(slice);
      if (progress) progress(n_lines_);
    }
    write();
    return counts_;
  }

 private:
  struct Slice {
    std::vector<ShopEvent> carried;  // of sessions that began in slices before
    std::vector<ShopEvent> events;   // the slice's own, of which
    size_t n_own = 0;                // happen in its time
    int64_t first_line = 0;

    std::vector<char> text;
    size_t text_bytes = 0;
    std::string duplicate_text, missing_text;
    int64_t n_duplicates = 0;
    std::array<int64_t, kEventsOptional.size()> missing{};
    std::vector<int32_t> bots;  // whose events there are
  };

  /// Finds what happens in a slice's time, in order of the slices.
  void Link(int64_t number, Slice& slice) {
    ShopEvent end;
    end.second = events_.FirstSecond(number + 1);
    const auto later = std::lower_bound(carry_.begin(), carry_.end(), end, Earlier);
    slice.carried.assign(carry_.begin(), later);
    carry_.erase(carry_.begin(), later);

    const auto own_later = std::lower_bound(slice.events.begin(), slice.events.end(), end, Earlier);
    slice.n_own = static_cast<size_t>(own_later - slice.events.begin());
    const auto n_carried = static_cast<std::ptrdiff_t>(carry_.size());
    carry_.insert(carry_.end(), own_later, slice.events.end());
    std::inplace_merge(carry_.begin(), carry_.begin() + n_carried, carry_.end(), Earlier);

    slice.first_line = 2 + n_lines_;
    n_lines_ += static_cast<int64_t>(slice.carried.size() + slice.n_own);
  }

  void Format(Slice& slice) const {
    slice.duplicate_text.clear();
    slice.missing_text.clear();
    slice.n_duplicates = 0;
    slice.missing = {};
    slice.bots.clear();
    const size_t n_lines = slice.carried.size() + slice.n_own;
    if (slice.text.size() < n_lines * kMaxLineBytes) slice.text.resize(n_lines * kMaxLineBytes);

    LineFormat format(shop_);
    char* to = slice.text.data();
    auto own = slice.events.cbegin();
    const auto own_end = own + static_cast<std::ptrdiff_t>(slice.n_own);
    auto carried = slice.carried.cbegin();
    for (int64_t line = slice.first_line; own != own_end || carried != slice.carried.cend(); ++line) {
      const bool from_own = carried == slice.carried.cend() || (own != own_end && Earlier(*own, *carried));
      const ShopEvent& event = from_own ? *own++ : *carried++;
      const unsigned missing = Missing(event.id);
      to = format.Put(to, event, missing);
      if ((missing != 0) | event.duplicate | event.bot) Note(event, missing, line, slice);
    }
    slice.text_bytes = static_cast<size_t>(to - slice.text.data());
  }

  /// The same for every line of an event.
  unsigned Missing(int64_t id) const {
    const uint64_t bits = RandomBits(missing_seed_, static_cast<uint64_t>(id));
    unsigned missing = 0;
    for (size_t column = 0; column < kEventsOptional.size(); ++column)
      missing |= unsigned{(bits >> (column * kMissingBits) & ((1 << kMissingBits) - 1)) < missing_below_} << column;
    return missing;
  }

  void Note(const ShopEvent& event, unsigned missing, int64_t line, Slice& slice) const {
    if (event.bot) slice.bots.push_back(event.user);
    if (event.duplicate) {
      ++slice.n_duplicates;
      fmt::format_to(std::back_inserter(slice.duplicate_text), "e{},{}\n", event.id, line);
    }
    for (size_t column = 0; column < kEventsOptional.size(); ++column) {
      if ((missing >> column & 1) == 0) continue;
      ++slice.missing[column];
      fmt::format_to(std::back_inserter(slice.missing_text), "{},{},{}\n", name_, line, kEventsOptional[column]);
    }
  }

  void Count(const Slice& slice) {
    counts_.n_duplicates += slice.n_duplicates;
    counts_.n_bot_events += static_cast<int64_t>(slice.bots.size());
    for (size_t column = 0; column < kEventsOptional.size(); ++column) counts_.missing[column] += slice.missing[column];
    const std::vector<int32_t>& bots = shop_.bots();
    for (const int32_t bot : slice.bots)
      ++counts_.bot_events[static_cast<size_t>(std::lower_bound(bots.begin(), bots.end(), bot) - bots.begin())];
  }

  const Shop& shop_;
  const ShopEvents& events_;
  std::string_view name_;
  uint64_t missing_seed_;
  uint64_t missing_below_;
  std::vector<Slice> slices_;
  size_t n_formatted_ = 0;
  std::vector<ShopEvent> carry_;  // in order of time
  int64_t n_lines_ = 0;
  EventFileCounts counts_;
};

}  // namespace

EventFileCounts WriteEventFile(const Shop& shop, const ShopEvents& events, double missing_rate, ThreadPool& pool,
                               std::string_view name, TextFile& event_file, TextFile& duplicate_file,
                               TextFile& missing_file, const std::function<void(int64_t)>& progress) {
  return EventFileWriter(shop, events, missing_rate, name)
      .Run(pool, event_file, duplicate_file, missing_file, progress);
}

}  // namespace kindred
