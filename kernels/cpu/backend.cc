#include "kernels/cpu/backend.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>

#include "kernels/require.h"

namespace kindred {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{1} << 21;

std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.size(), line.find(':') + 2));
  return "unknown processor";
}

}  // namespace

void Scratch::Free::operator()(float* p) const {
  std::free(p);
}

float* Scratch::Get(int64_t n_floats) {
  if (n_floats > size_) {
    const size_t bytes = (static_cast<size_t>(n_floats) * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
    data_.reset(static_cast<float*>(std::aligned_alloc(kAlignment, bytes)));
    size_ = data_ ? n_floats : 0;
    if (!data_) throw Error(ErrorCode::kOutOfMemory, "no " + std::to_string(bytes) + " bytes of workspace");
  }
  return data_.get();
}

void CpuContext::Wait() {
  if (!error_) return;
  const Error error = *error_;
  error_.reset();
  throw error;
}

void CpuContext::Fail(const Error& error) {
  if (!error_) error_ = std::make_unique<Error>(error);
}

CpuBackend::CpuBackend(int n_threads, SimdLevel level)
    : pool_(n_threads),
      simd_(SimdKernelsOf(std::min(level, DetectSimdLevel()))),
      products_(SimdProductsOf(std::min(level, DetectSimdLevel()))),
      codes_(SimdCodesOf(std::min(level, DetectSimdLevel()))),
      clusters_(SimdClustersOf(std::min(level, DetectSimdLevel()))) {}

DeviceInfo CpuBackend::Describe() const {
  return {"cpu", ProcessorName(), simd_.name, pool_.n_threads(),
          static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE)};
}

std::unique_ptr<Context> CpuBackend::NewContext(int max_threads) {
  const int all = pool_.n_threads();
  return std::make_unique<CpuContext>(pool_, max_threads > 0 ? std::min(max_threads, all) : all);
}

Buffer CpuBackend::Allocate(int64_t bytes) {
  Require(bytes >= 0, "a buffer of negative size");
  // Rows of factors are read in no order: with small pages each would cost a walk through the page table.
  const size_t alignment = static_cast<size_t>(bytes) >= 2 * kHugePage ? kHugePage : kAlignment;
  const size_t rounded =
      std::max<size_t>(alignment, (static_cast<size_t>(bytes) + alignment - 1) / alignment * alignment);
  void* data = std::aligned_alloc(alignment, rounded);
  if (data == nullptr) throw Error(ErrorCode::kOutOfMemory, "no " + std::to_string(bytes) + " bytes of memory");
  if (alignment == kHugePage) madvise(data, rounded, MADV_HUGEPAGE);
  return {data, bytes, std::shared_ptr<const void>(data, [](void* p) { std::free(p); })};
}

Buffer CpuBackend::Import(std::span<const std::byte> data, std::shared_ptr<const void> keep) {
  return {const_cast<std::byte*>(data.data()), static_cast<int64_t>(data.size()), std::move(keep)};
}

void CpuBackend::Upload(Context&, std::span<const std::byte> from, View<std::byte> to) {
  Require(static_cast<int64_t>(from.size()) == to.size, "an upload of another size than its buffer");
  if (!from.empty()) std::memcpy(to.data, from.data(), from.size());
}

void CpuBackend::Download(Context&, View<const std::byte> from, std::span<std::byte> to) {
  Require(static_cast<int64_t>(to.size()) == from.size, "a download of another size than its buffer");
  if (!to.empty()) std::memcpy(to.data(), from.data, to.size());
}

}  // namespace kindred
