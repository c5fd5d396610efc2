#include "bench/synthetic.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>

#include "host/data/random.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr int64_t kTask = 1 << 12;

std::vector<int64_t> Lengths(int64_t n_users, int64_t n_items, int64_t nnz, uint64_t seed) {
  std::vector<double> raw(static_cast<size_t>(n_users));
  for (size_t u = 0; u < raw.size(); ++u) raw[u] = std::exp(1.23 * RandomNormal(seed, u));
  const double scale = static_cast<double>(nnz) / std::accumulate(raw.begin(), raw.end(), 0.0);
  const int64_t most = std::max<int64_t>(1, n_items / 3), least = std::min<int64_t>(20, most);
  std::vector<int64_t> lengths;
  for (double r : raw) lengths.push_back(std::clamp(static_cast<int64_t>(r * scale), least, most));
  return lengths;
}

// Items by rank: a permutation.
std::vector<int32_t> ItemsByRank(int64_t n_items, uint64_t seed) {
  std::vector<int32_t> items(static_cast<size_t>(n_items));
  std::iota(items.begin(), items.end(), 0);
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[RandomBits(seed, i) % i]);
  return items;
}

// The density of rank r is proportional to 1 / (r + offset). Duplicates are drawn again, a bounded number of times.
std::vector<int32_t> Row(int64_t length, const std::vector<int32_t>& by_rank, uint64_t seed) {
  const double n = static_cast<double>(by_rank.size()), offset = 1 + n / 900;
  std::vector<int32_t> row;
  uint64_t counter = 0;
  for (int round = 0; round < 64 && static_cast<int64_t>(row.size()) < length; ++round) {
    for (int64_t missing = length - static_cast<int64_t>(row.size()); missing > 0; --missing) {
      const double rank = offset * (std::pow(1 + n / offset, RandomUniform(seed, counter++)) - 1);
      row.push_back(by_rank[std::min(by_rank.size() - 1, static_cast<size_t>(rank))]);
    }
    std::sort(row.begin(), row.end());
    row.erase(std::unique(row.begin(), row.end()), row.end());
  }
  return row;
}

void WriteNpy(const std::filesystem::path& path, const char* type, size_t n, const void* data, size_t bytes) {
  std::string header =
      std::string("{'descr': '") + type + "', 'fortran_order': False, 'shape': (" + std::to_string(n) + ",), }";
  header.append(64 - (10 + header.size() + 1) % 64, ' ').push_back('\n');
  const uint16_t length = static_cast<uint16_t>(header.size());
  std::ofstream file(path, std::ios::binary);
  file.write("\x93NUMPY\x01\x00", 8);
  file.put(static_cast<char>(length & 255)).put(static_cast<char>(length >> 8));
  file << header;
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  file.close();
  if (!file) throw Error(ErrorCode::kIo, path.string() + ": cannot be written: " + std::strerror(errno));
}

}  // namespace

SyntheticMatrix NewInteractions(ThreadPool& pool, int64_t n_users, int64_t n_items, int64_t nnz, uint64_t seed) {
  const std::vector<int64_t> lengths = Lengths(n_users, n_items, nnz, seed);
  const std::vector<int32_t> by_rank = ItemsByRank(n_items, seed + 1);
  std::vector<std::vector<int32_t>> rows(lengths.size());
  pool.Run((n_users + kTask - 1) / kTask, pool.n_threads(), [&](int64_t task, int) {
    for (int64_t u = task * kTask; u < std::min(n_users, (task + 1) * kTask); ++u)
      rows[static_cast<size_t>(u)] =
          Row(lengths[static_cast<size_t>(u)], by_rank, RandomBits(seed + 2, static_cast<uint64_t>(u)));
  });
  SyntheticMatrix matrix;
  matrix.n_cols = n_items;
  matrix.indptr.push_back(0);
  for (const std::vector<int32_t>& row : rows) {
    matrix.indices.insert(matrix.indices.end(), row.begin(), row.end());
    matrix.indptr.push_back(static_cast<int64_t>(matrix.indices.size()));
  }
  for (size_t e = 0; e < matrix.indices.size(); ++e)
    matrix.values.push_back(static_cast<float>(1 + RandomBits(seed + 3, e) % 5));
  return matrix;
}

SyntheticMatrix TransposeOf(const SyntheticMatrix& matrix) {
  SyntheticMatrix result;
  result.n_cols = matrix.n_rows();
  result.indptr.assign(static_cast<size_t>(matrix.n_cols) + 1, 0);
  for (int32_t column : matrix.indices) ++result.indptr[static_cast<size_t>(column) + 1];
  std::partial_sum(result.indptr.begin(), result.indptr.end(), result.indptr.begin());
  std::vector<int64_t> next(result.indptr.begin(), result.indptr.end() - 1);
  result.indices.resize(matrix.indices.size());
  result.values.resize(matrix.indices.size());
  for (int64_t r = 0; r < matrix.n_rows(); ++r)
    for (int64_t e = matrix.indptr[static_cast<size_t>(r)]; e < matrix.indptr[static_cast<size_t>(r) + 1]; ++e) {
      const auto from = static_cast<size_t>(e);
      const auto to = static_cast<size_t>(next[static_cast<size_t>(matrix.indices[from])]++);
      result.indices[to] = static_cast<int32_t>(r);
      result.values[to] = matrix.values[from];
    }
  return result;
}

std::vector<float> NewFactors(ThreadPool& pool, int64_t n, double scale, uint64_t seed) {
  constexpr int64_t kEntries = 1 << 18;
  std::vector<float> values(static_cast<size_t>(n));
  pool.Run((n + kEntries - 1) / kEntries, pool.n_threads(), [&](int64_t task, int) {
    for (int64_t i = task * kEntries; i < std::min(n, (task + 1) * kEntries); ++i)
      values[static_cast<size_t>(i)] = static_cast<float>(scale * RandomNormal(seed, static_cast<uint64_t>(i)));
  });
  return values;
}

void WriteNpy(const std::filesystem::path& path, const std::vector<int64_t>& values) {
  WriteNpy(path, "<i8", values.size(), values.data(), values.size() * 8);
}
void WriteNpy(const std::filesystem::path& path, const std::vector<int32_t>& values) {
  WriteNpy(path, "<i4", values.size(), values.data(), values.size() * 4);
}
void WriteNpy(const std::filesystem::path& path, const std::vector<float>& values) {
  WriteNpy(path, "<f4", values.size(), values.data(), values.size() * 4);
}

}  // namespace kindred
