// NumPy's .npy format 1.0 (numpy.lib.format), C order and little-endian only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
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

/// What the header of an array says.
struct NpyHeaderFields {
  std::string descr;
  bool fortran_order = false;
  std::vector<int64_t> shape;
};

/// Magic, version and the header's length.
inline constexpr size_t kNpyPrefixBytes = 10;

/// Magic, version and header of an array, padded so that the data starts at a multiple of 64 bytes.
std::string NpyHeader(const char* descr, const std::vector<int64_t>& shape);

/// The length of the header behind these first kNpyPrefixBytes of a file; `where` names it in errors.
/// Throws kCorrupt for anything but format 1.0.
size_t NpyHeaderBytes(std::string_view prefix, const std::string& where);
/// Reads a header of that length, of any type that is a text. Throws kCorrupt.
NpyHeaderFields ParseNpyHeader(std::string_view header, const std::string& where);

/// Reads an array in place. `where` names it in errors. Throws kCorrupt for anything but a whole array of a
/// type above: bad magic, a version or order that is not read, a shape that is not the data's size.
NpyArray ParseNpy(std::span<const std::byte> file, const std::string& where);

}  // namespace kindred
