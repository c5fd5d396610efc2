#include "tests/simt/shared_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "kernels/error.h"
#include "tests/simt/fiber.h"

#ifdef KINDRED_SIMT_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)0)
#endif

namespace kindred::simt {
namespace {

constexpr size_t kRedZone = 1024;
constexpr size_t kRegionBytes = 512 * 1024;
#ifdef KINDRED_SIMT_ASAN
constexpr bool kCheckAtEnd = false;
#else
constexpr bool kCheckAtEnd = true;
#endif

// A NaN too, but one that nobody writes: 0xffe5, by the parity of the address.
void FillRedZone(unsigned char* begin, const unsigned char* end) {
  for (unsigned char* p = begin; p < end; ++p) *p = reinterpret_cast<uintptr_t>(p) & 1 ? 0xff : 0xe5;
}

bool RedZoneIsWhole(const unsigned char* begin, const unsigned char* end) {
  unsigned char differs = 0;
  for (const unsigned char* p = begin; p < end; ++p)
    differs |= static_cast<unsigned char>(*p ^ (reinterpret_cast<uintptr_t>(p) & 1 ? 0xff : 0xe5));
  return differs == 0;
}

std::string Describe(const SharedSite& site) {
  return std::string("'") + site.name + "' (" + std::to_string(site.bytes) + " bytes of shared memory, " + site.file +
         ":" + std::to_string(site.line) + ")";
}

}  // namespace

SharedMemory::SharedMemory() {
  void* region = mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (region == MAP_FAILED) throw Error(ErrorCode::kOutOfMemory, "no memory for an emulated block");
  region_ = static_cast<unsigned char*>(region);
}

SharedMemory::~SharedMemory() {
  ASAN_UNPOISON_MEMORY_REGION(region_, kRegionBytes);
  munmap(region_, kRegionBytes);
}

void SharedMemory::StartGrid(size_t dynamic_bytes) {
  n_arrays_ = 0;
  static_bytes_ = 0;
  used_ = kRedZone + 16;  // so that dynamic memory has the alignment it was promised, and no more
  ASAN_POISON_MEMORY_REGION(region_, kRegionBytes);
  if (kCheckAtEnd) FillRedZone(region_, region_ + used_);
  Add({"dynamic shared memory", "", 0, dynamic_bytes}, nullptr, 16);
}

SharedMemory::Array& SharedMemory::Add(const SharedSite& site, const SharedSite* key, size_t alignment) {
  const Unseen unseen;  // whichever thread comes first fills it for all
  unsigned char* const previous_end = region_ + used_;
  used_ = (used_ + alignment - 1) / alignment * alignment;
  unsigned char* const begin = region_ + used_;
  used_ += site.bytes + kRedZone;
  if (n_arrays_ == arrays_.size() || used_ > kRegionBytes)
    throw Error(ErrorCode::kDevice, "the emulator has no room for " + Describe(site));
  ASAN_UNPOISON_MEMORY_REGION(begin, site.bytes);
  std::memset(begin, 0xff, site.bytes);
  if (kCheckAtEnd) {
    FillRedZone(previous_end, begin);
    FillRedZone(begin + site.bytes, region_ + used_);
  }
  arrays_[n_arrays_] = {site, key, begin};
  return arrays_[n_arrays_++];
}

void SharedMemory::StartBlock() {
  const Unseen unseen;
  for (size_t i = 0; i < n_arrays_; ++i) std::memset(arrays_[i].begin, 0xff, arrays_[i].site.bytes);
}

void* SharedMemory::Static(const SharedSite& site) {
  for (size_t i = 1; i < n_arrays_; ++i)
    if (arrays_[i].key == &site) return arrays_[i].begin;
  static_bytes_ += site.bytes;
  const size_t dynamic_bytes = arrays_[0].site.bytes, all = static_bytes_ + dynamic_bytes;
  if (static_bytes_ > kMaxStaticSharedBytes)
    throw Error(ErrorCode::kDevice, Describe(site) + ": " + std::to_string(static_bytes_) +
                                        " bytes of static shared memory; at most 48 KB");
  if (all > kMaxSharedBytes || (all > kMaxStaticSharedBytes && dynamic_bytes <= kMaxStaticSharedBytes))
    throw Error(ErrorCode::kDevice,
                Describe(site) + ": " + std::to_string(static_bytes_) + " bytes of static and " +
                    std::to_string(dynamic_bytes) +
                    " of dynamic shared memory; at most 227 KB, and 48 KB where the dynamic part alone is below 48 KB");
  return Add(site, &site, 128).begin;
}

void* SharedMemory::Dynamic(const SharedSite& site) {
  Array& array = arrays_[0];
  array.site = {site.name, site.file, site.line, array.site.bytes};
  if (array.site.bytes == 0) throw Error(ErrorCode::kDevice, Describe(array.site) + ": the launch asked for none");
  return array.begin;
}

bool SharedMemory::Holds(const void* address, size_t bytes) const {
  const auto* p = static_cast<const unsigned char*>(address);
  return p >= region_ && p + bytes <= region_ + used_;
}

void SharedMemory::CheckRedZones() const {
  if (!kCheckAtEnd) return;
  const Unseen unseen;
  const unsigned char* zone = region_;
  for (size_t i = 0; i <= n_arrays_; ++i) {
    const bool last = i == n_arrays_;
    if (!RedZoneIsWhole(zone, last ? region_ + used_ : arrays_[i].begin))
      throw Error(
          ErrorCode::kDevice,
          (i == 0 ? "a write" : "a write past the end of " + Describe(arrays_[i - 1].site)) +
              (last ? "" : (i == 0 ? " before" : ", or before") + (" the start of " + Describe(arrays_[i].site))));
    if (!last) zone = arrays_[i].begin + arrays_[i].site.bytes;
  }
}

}  // namespace kindred::simt
