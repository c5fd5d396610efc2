#include "host/intake/npz_archive.h"

#include <fmt/format.h>
#include <zip.h>

#include <array>

#include "host/store/files.h"
#include "host/store/npy.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kMaxPathBytes = 4096;

struct TypeName {
  std::string_view descr;
  NpzType type;
  size_t bytes;
};

constexpr TypeName kTypes[] = {
    {"<f4", NpzType::kFloat32, 4}, {"<f8", NpzType::kFloat64, 8}, {"|i1", NpzType::kInt8, 1},
    {"<i2", NpzType::kInt16, 2},   {"<i4", NpzType::kInt32, 4},   {"<i8", NpzType::kInt64, 8},
    {"|u1", NpzType::kUint8, 1},   {"<u2", NpzType::kUint16, 2},  {"<u4", NpzType::kUint32, 4},
    {"<u8", NpzType::kUint64, 8},  {"|b1", NpzType::kBoolean, 1},
};

[[noreturn]] void Fail(ErrorCode code, const std::string& where, const std::string& what) {
  throw Error(code, fmt::format("{}: {}", where, what));
}

}  // namespace

size_t BytesOf(NpzType type) {
  return kTypes[static_cast<size_t>(type)].bytes;
}

void NpzArray::Close::operator()(zip_file* file) const {
  zip_fclose(file);
}

NpzArray::NpzArray(zip* archive, const std::string& path, const std::string& name)
    : where_(fmt::format("'{}': array '{}'", Printable(path, kMaxPathBytes), name)) {
  const zip_int64_t index = zip_name_locate(archive, (name + ".npy").c_str(), 0);
  if (index < 0) Fail(ErrorCode::kCorrupt, where_, "is not there");
  file_.reset(zip_fopen_index(archive, static_cast<zip_uint64_t>(index), 0));
  if (file_ == nullptr) Fail(ErrorCode::kCorrupt, where_, zip_error_strerror(zip_get_error(archive)));

  std::string prefix(kNpyPrefixBytes, '\0');
  Read(std::as_writable_bytes(std::span(prefix)));
  std::string header;
  NpyHeaderFields fields;
  try {
    header.resize(NpyHeaderBytes(prefix, where_));
    Read(std::as_writable_bytes(std::span(header)));
    fields = ParseNpyHeader(header, where_);
  } catch (const Error& error) {  // it may hold bytes of the file
    throw Error(error.code(), Printable(error.what(), 2 * kMaxPathBytes));
  }
  descr_ = fields.descr;
  shape_ = fields.shape;
  if (fields.fortran_order && shape_.size() > 1)
    Fail(ErrorCode::kInvalidArgument, where_, "is in Fortran's order; expected C's");
}

void NpzArray::ExpectNumbers(bool integers) {
  const char* expected = integers ? "integers of 32 or 64 bits" : "numbers";
  const auto fail = [&](const std::string& what) {
    Fail(ErrorCode::kInvalidArgument, where_, fmt::format("{}; expected {}", what, expected));
  };
  if (shape_.size() != 1) fail(fmt::format("has {} dimensions, not one", shape_.size()));
  if (descr_ == "|O") fail("holds Python objects, which are not read");
  if (descr_.starts_with('>')) fail(fmt::format("is big-endian ('{}')", Printable(descr_)));
  for (const TypeName& type : kTypes) {
    if (type.descr != descr_) continue;
    type_ = type.type;
    if (!integers || type_ == NpzType::kInt32 || type_ == NpzType::kInt64) return;
  }
  fail(fmt::format("has the type '{}'", Printable(descr_)));
}

size_t NpzArray::ReadSome(std::span<std::byte> to) {
  size_t done = 0;
  while (done < to.size()) {
    const zip_int64_t got = zip_fread(file_.get(), to.data() + done, to.size() - done);
    if (got < 0)
      Fail(ErrorCode::kCorrupt, where_,
           fmt::format("is damaged or cut short: {}", zip_error_strerror(zip_file_get_error(file_.get()))));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

void NpzArray::Read(std::span<std::byte> to) {
  if (ReadSome(to) < to.size()) Fail(ErrorCode::kCorrupt, where_, "ends too early");
}

void NpzArray::ExpectEnd() {
  std::array<std::byte, 1> more;
  if (ReadSome(more) > 0) Fail(ErrorCode::kCorrupt, where_, "is longer than its header states");
}

void NpzArchive::Close::operator()(zip* archive) const {
  zip_discard(archive);
}

NpzArchive::NpzArchive(const std::string& path) : path_(path) {
  OpenRegularFile(path, &bytes_);  // for its errors
  int status = 0;
  archive_.reset(zip_open(path.c_str(), ZIP_RDONLY, &status));
  if (archive_ != nullptr) return;
  zip_error_t error;
  zip_error_init_with_code(&error, status);
  const std::string what = zip_error_strerror(&error);
  zip_error_fini(&error);
  throw Error(ErrorCode::kCorrupt,
              fmt::format("'{}' is no whole .npz file ({} bytes): {}", Printable(path, kMaxPathBytes), bytes_, what));
}

bool NpzArchive::Has(const std::string& name) const {
  return zip_name_locate(archive_.get(), (name + ".npy").c_str(), 0) >= 0;
}

}  // namespace kindred
