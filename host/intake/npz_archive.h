// The arrays of a .npz file (a zip of .npy files), read from their fronts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct zip;
struct zip_file;

namespace kindred {

/// Types of elements: little-endian or of one byte.
enum class NpzType : uint8_t {
  kFloat32,
  kFloat64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kBoolean
};

/// Bytes of an element.
size_t BytesOf(NpzType type);

/// One array, stored or compressed; its values come as the caller asks for them, and are never there as a whole.
class NpzArray {
 public:
  NpzArray(zip* archive, const std::string& path, const std::string& name);

  /// As the header has it: "<f4", "|S3".
  const std::string& descr() const { return descr_; }
  const std::vector<int64_t>& shape() const { return shape_; }

  /// Of an array of one dimension, the number of values, and their type, which must be a number's.
  int64_t size() const { return shape_[0]; }
  NpzType type() const { return type_; }
  /// Checks that it is such an array, of integers of 32 or 64 bits if so asked; the others' are not.
  void ExpectNumbers(bool integers);

  /// Fills `to` with the next bytes. At the end, ExpectEnd also checks the checksum.
  void Read(std::span<std::byte> to);
  void ExpectEnd();

  /// "'PATH': array 'NAME'", for messages.
  const std::string& where() const { return where_; }

 private:
  struct Close {
    void operator()(zip_file* file) const;
  };

  /// Up to as many bytes as there are.
  size_t ReadSome(std::span<std::byte> to);

  std::string where_;
  std::unique_ptr<zip_file, Close> file_;
  std::string descr_;
  std::vector<int64_t> shape_;
  NpzType type_ = NpzType::kFloat64;
};

/// Throws kNotFound and kIo, and kCorrupt for what is no whole archive, lacks an array or holds something else in it.
class NpzArchive {
 public:
  explicit NpzArchive(const std::string& path);

  const std::string& path() const { return path_; }
  /// Of the file.
  int64_t bytes() const { return bytes_; }
  bool Has(const std::string& name) const;
  /// Several may be read at the same time, by one thread. Lives no longer than the archive.
  NpzArray Open(const std::string& name) const { return {archive_.get(), path_, name}; }

 private:
  struct Close {
    void operator()(zip* archive) const;
  };

  std::string path_;
  int64_t bytes_ = 0;
  std::unique_ptr<zip, Close> archive_;
};

}  // namespace kindred
