// The first pass of a radix sort: values to buckets, in parallel, keeping their order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "host/data/array.h"
#include "kernels/cpu/parallel.h"

namespace kindred {

template <class T>
struct Buckets {
  Array<T> values;
  std::vector<int64_t> begins;  // [n_buckets + 1]

  std::span<T> of(int64_t bucket) {
    const int64_t begin = begins[static_cast<size_t>(bucket)];
    return {values.data() + begin, static_cast<size_t>(begins[static_cast<size_t>(bucket) + 1] - begin)};
  }
  int64_t n_buckets() const { return static_cast<int64_t>(begins.size()) - 1; }
};

/// for_each(chunk, take) calls take(bucket, value) for all values of a chunk, the same each time: it is called twice a
/// chunk. Values of a bucket are in the order of chunks, then of calls. `done(chunk)` is called once a chunk's values
/// have been taken. Memory: the values, and 8 bytes a bucket and group of chunks.
template <class T, class ForEach, class Done>
Buckets<T> Scatter(ThreadPool& pool, int64_t n_chunks, int64_t n_buckets, const ForEach& for_each, const Done& done) {
  constexpr int64_t kMaxGroups = 256;
  const int64_t n_groups = std::min(n_chunks, kMaxGroups);
  const auto group_begin = [&](int64_t group) { return group * n_chunks / n_groups; };
  std::vector<std::vector<int64_t>> places(static_cast<size_t>(n_groups));
  pool.Run(n_groups, pool.n_threads(), [&](int64_t group, int) {
    std::vector<int64_t>& counts = places[static_cast<size_t>(group)];
    counts.assign(static_cast<size_t>(n_buckets), 0);
    for (int64_t chunk = group_begin(group); chunk < group_begin(group + 1); ++chunk)
      for_each(chunk, [&](int64_t bucket, const auto&) { ++counts[static_cast<size_t>(bucket)]; });
  });
  Buckets<T> out;
  int64_t n = 0;
  for (size_t bucket = 0; bucket < static_cast<size_t>(n_buckets); ++bucket) {
    out.begins.push_back(n);
    for (std::vector<int64_t>& counts : places) n += std::exchange(counts[bucket], n);
  }
  out.begins.push_back(n);
  out.values = Array<T>(n);
  pool.Run(n_groups, pool.n_threads(), [&](int64_t group, int) {
    std::vector<int64_t>& next = places[static_cast<size_t>(group)];
    for (int64_t chunk = group_begin(group); chunk < group_begin(group + 1); ++chunk) {
      for_each(chunk,
               [&](int64_t bucket, const auto& value) { out.values[next[static_cast<size_t>(bucket)]++] = value(); });
      done(chunk);
    }
  });
  return out;
}

}  // namespace kindred
