#include "training/packing.h"

#include <zlib.h>
#include <zstd.h>

#include <memory>

#include "kernels/error.h"

namespace kindred {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib's way to ask for gzip
constexpr int kZlibMemory = 8;        // its default

Error NoMemory() {
  return Error(ErrorCode::kOutOfMemory, "there is no memory to compress the output");
}

std::string Gzip(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, kZlibMemory, Z_DEFAULT_STRATEGY) != Z_OK)
    throw NoMemory();
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, deflateEnd);
  std::string packed;
  int status = Z_OK;
  // zlib counts input and output in 32 bits.
  constexpr size_t kStep = size_t{1} << 30;
  char out[1 << 15];
  while (status != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      const std::string_view now = bytes.substr(0, kStep);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(now.data()));
      stream.avail_in = static_cast<uInt>(now.size());
      bytes.remove_prefix(now.size());
    }
    stream.next_out = reinterpret_cast<Bytef*>(out);
    stream.avail_out = sizeof out;
    status = deflate(&stream, bytes.empty() ? Z_FINISH : Z_NO_FLUSH);
    packed.append(out, sizeof out - stream.avail_out);
  }
  return packed;
}

std::string Zstd(std::string_view bytes) {
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size = ZSTD_compress(packed.data(), packed.size(), bytes.data(), bytes.size(), ZSTD_CLEVEL_DEFAULT);
  if (ZSTD_isError(size)) throw NoMemory();
  packed.resize(size);
  return packed;
}

}  // namespace

Packing PackingOf(std::string_view path) {
  if (path.ends_with(".gz")) return Packing::kGzip;
  return path.ends_with(".zst") ? Packing::kZstd : Packing::kNone;
}

const char* PackingName(Packing packing) {
  constexpr const char* kNames[] = {"none", "gzip", "zstd"};
  return kNames[static_cast<size_t>(packing)];
}

std::string Pack(std::string_view bytes, Packing packing) {
  if (packing == Packing::kNone) return std::string(bytes);
  return packing == Packing::kGzip ? Gzip(bytes) : Zstd(bytes);
}

}  // namespace kindred
