#include "host/data/events.h"

#include <algorithm>

namespace kindred {
namespace {

template <class T>
std::vector<T> Kept(std::span<const T> column, std::span<const uint8_t> keep, size_t n_kept) {
  std::vector<T> out;
  if (column.empty()) return out;
  out.reserve(n_kept);
  for (size_t e = 0; e < column.size(); ++e)
    if (keep[e] != 0) out.push_back(column[e]);
  return out;
}

}  // namespace

std::optional<int64_t> LastTime(const EventsView& events, std::span<const uint8_t> keep) {
  std::optional<int64_t> last;
  for (size_t e = 0; e < events.times.size(); ++e)
    if ((keep.empty() || keep[e] != 0) && (!last || events.times[e] > *last)) last = events.times[e];
  return last;
}

EventArrays KeepEvents(const EventsView& events, std::span<const uint8_t> keep) {
  EventArrays out;
  out.indptr.reserve(events.indptr.size());
  int64_t n_kept = 0;
  for (int64_t user = 0; user < events.n_users(); ++user) {
    for (int64_t e = events.indptr[user]; e < events.indptr[user + 1]; ++e) n_kept += keep[e] != 0;
    out.indptr.push_back(n_kept);
  }
  out.items = Kept(events.items, keep, n_kept);
  out.times = Kept(events.times, keep, n_kept);
  out.types = Kept(events.types, keep, n_kept);
  out.type_names = events.type_names;
  return out;
}

}  // namespace kindred
