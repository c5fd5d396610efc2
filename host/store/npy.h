// NumPy's .npy format 1.0 (numpy.lib.format), C order and little-endian only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kindred {

template <class T>
struct NpyType;
template <>
struct NpyType<float> {
  static constexpr const char* kDescr = "<f4";
};
template <>
struct NpyType<double> {
  static constexpr const char* kDescr = "<f8";
};
template <>
struct NpyType<int32_t> {
  static constexpr const char* kDescr = "<i4";
};
template <>
struct NpyType<int64_t> {
  static constexpr const char* kDescr = "<i8";
};
template <>
struct NpyType<uint8_t> {
  static constexpr const char* kDescr = "|u1";
};

struct NpyArray {
  std::string descr;
  std::vector<int64_t> shape;
  const void* data = nullptr;  // inside the parsed bytes
};

/// Magic, version and header of an array, padded so that the data starts at a multiple of 64 bytes.
std::string NpyHeader(const char* descr, const std::vector<int64_t>& shape);

/// Reads an array in place. `where` names it in errors. Throws kCorrupt for anything but a whole array of a
/// type above: bad magic, a version or order that is not read, a shape that is not the data's size.
NpyArray ParseNpy(std::span<const std::byte> file, const std::string& where);

}  // namespace kindred
