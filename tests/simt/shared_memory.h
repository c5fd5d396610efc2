// The shared memory of the block that runs: one region with a red zone after every array.
//
// AddressSanitizer reports an access to a red zone where it happens; elsewhere a write is found when the block ends.
#pragma once

#include <array>
#include <cstddef>

namespace kindred::simt {

constexpr size_t kMaxSharedBytes = 227 * 1024;       // of a block, on compute capability 9.0
constexpr size_t kMaxStaticSharedBytes = 48 * 1024;  // of these, what needs no opting in

/// A place in a .cu file that declares shared memory.
struct SharedSite {
  const char* name;
  const char* file;
  int line;
  size_t bytes;
};

class SharedMemory {
 public:
  SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory();

  void StartGrid(size_t dynamic_bytes);
  /// Fills every array with 0xff, which is a NaN as float, double and bf16, and -1 as an integer.
  void StartBlock();
  /// The array of a site, 128-byte aligned. Throws kDevice where static arrays pass 48 KB, or all pass 227 KB.
  void* Static(const SharedSite& site);
  /// 16-byte aligned and no more. Throws as Static where it was not asked for.
  void* Dynamic(const SharedSite& site);
  bool Holds(const void* address, size_t bytes) const;
  /// Throws kDevice naming an array that was written past its end, or before its start.
  void CheckRedZones() const;

 private:
  struct Array {
    SharedSite site;
    const SharedSite* key;
    unsigned char* begin;
  };

  Array& Add(const SharedSite& site, const SharedSite* key, size_t alignment);

  unsigned char* region_ = nullptr;
  size_t used_ = 0;
  size_t static_bytes_ = 0;
  std::array<Array, 64> arrays_;  // the first is the dynamic one
  size_t n_arrays_ = 0;
};

}  // namespace kindred::simt
