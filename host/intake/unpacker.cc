#include "host/intake/unpacker.h"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <new>

namespace kindred {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib's way to ask for gzip only
constexpr size_t kMaxStep = size_t{1} << 30;

class GzipUnpacker : public Unpacker {
 public:
  GzipUnpacker() {
    if (inflateInit2(&stream_, kGzipWindow) != Z_OK) throw std::bad_alloc();
  }
  ~GzipUnpacker() override { inflateEnd(&stream_); }

  const char* name() const override { return "gzip"; }
  bool MayEnd() const override { return !in_member_; }

  Unpacked Unpack(std::span<const char> from, std::span<char> to) override {
    size_t zeros = 0;
    if (!in_member_) {
      while (zeros < from.size() && from[zeros] == '\0') ++zeros;
      if (zeros == from.size()) return {.taken = zeros};
      inflateReset(&stream_);
      in_member_ = true;
    }
    const auto n_in = static_cast<uInt>(std::min(from.size() - zeros, kMaxStep));
    const auto n_out = static_cast<uInt>(std::min(to.size(), kMaxStep));
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data() + zeros));
    stream_.avail_in = n_in;
    stream_.next_out = reinterpret_cast<Bytef*>(to.data());
    stream_.avail_out = n_out;
    const int status = inflate(&stream_, Z_NO_FLUSH);
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    Unpacked step{.taken = zeros + n_in - stream_.avail_in, .given = n_out - stream_.avail_out};
    if (status == Z_STREAM_END)
      in_member_ = false;
    else if (status != Z_OK && status != Z_BUF_ERROR)
      step.wrong = stream_.msg != nullptr ? stream_.msg : "damaged";
    return step;
  }

 private:
  z_stream stream_{};
  bool in_member_ = true;
};

class ZstdUnpacker : public Unpacker {
 public:
  ZstdUnpacker() : context_(ZSTD_createDCtx()) {
    if (context_ == nullptr) throw std::bad_alloc();
  }
  ~ZstdUnpacker() override { ZSTD_freeDCtx(context_); }

  const char* name() const override { return "zstd"; }
  bool MayEnd() const override { return !in_frame_; }

  Unpacked Unpack(std::span<const char> from, std::span<char> to) override {
    ZSTD_inBuffer in{from.data(), from.size(), 0};
    ZSTD_outBuffer out{to.data(), to.size(), 0};
    if (!in_frame_ && from.empty()) return {};
    const size_t status = ZSTD_decompressStream(context_, &out, &in);
    Unpacked step{.taken = in.pos, .given = out.pos};
    if (!ZSTD_isError(status)) {
      in_frame_ = status != 0;
      return step;
    }
    const ZSTD_ErrorCode code = ZSTD_getErrorCode(status);
    if (code == ZSTD_error_memory_allocation) throw std::bad_alloc();
    step.wrong = ZSTD_getErrorName(status);
    if (code == ZSTD_error_frameParameter_windowTooLarge) {
      step.code = ErrorCode::kUnsupported;
      step.wrong = "its window is larger than 128 MiB (--long, --ultra); compress it without";
    }
    return step;
  }

 private:
  ZSTD_DCtx* context_;
  bool in_frame_ = true;
};

bool IsZstd(std::string_view bytes) {
  if (bytes.starts_with("\x28\xB5\x2F\xFD")) return true;
  return bytes.size() >= 4 && (bytes[0] & 0xF0) == 0x50 && bytes.substr(1, 3) == "\x2A\x4D\x18";  // a frame to skip
}

}  // namespace

std::unique_ptr<Unpacker> MakeUnpacker(std::string_view path, std::string_view first_bytes) {
  if (first_bytes.starts_with("\x1F\x8B")) return std::make_unique<GzipUnpacker>();
  if (IsZstd(first_bytes)) return std::make_unique<ZstdUnpacker>();
  if (path.ends_with(".gz")) return std::make_unique<GzipUnpacker>();
  if (path.ends_with(".zst")) return std::make_unique<ZstdUnpacker>();
  return nullptr;
}

std::string_view WithoutPacking(std::string_view path) {
  if (path.ends_with(".gz")) return path.substr(0, path.size() - 3);
  if (path.ends_with(".zst")) return path.substr(0, path.size() - 4);
  return path;
}

}  // namespace kindred
