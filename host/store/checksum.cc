#include "host/store/checksum.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <array>

#include "kernels/error.h"

namespace kindred {
namespace {

std::string Hex(uint64_t hash) {
  return fmt::format("{:016x}", hash);
}

class Sha256Stream {
 public:
  Sha256Stream() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    Check(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }

  void Add(const void* data, size_t bytes) { Check(EVP_DigestUpdate(context_.get(), data, bytes) == 1); }

  std::string Finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    Check(EVP_DigestFinal_ex(context_.get(), digest.data(), &size) == 1);
    return fmt::format("{:02x}", fmt::join(digest.begin(), digest.begin() + size, ""));
  }

 private:
  static void Check(bool done) {
    if (!done) throw Error(ErrorCode::kUnsupported, "OpenSSL gives no SHA-256 here");
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string Sha256(std::string_view data) {
  Sha256Stream stream;
  stream.Add(data.data(), data.size());
  return stream.Finish();
}

std::string Xxh3Hex(std::span<const std::byte> block) {
  return Hex(XXH3_64bits(block.data(), block.size()));
}

struct FileChecksum::State {
  State() : block(XXH3_createState(), XXH3_freeState) {
    if (block == nullptr) throw std::bad_alloc();
    XXH3_64bits_reset(block.get());
  }

  Sha256Stream sha256;
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> block;
};

FileChecksum::FileChecksum() : state_(std::make_unique<State>()) {}
FileChecksum::~FileChecksum() = default;

void FileChecksum::Add(std::span<const std::byte> piece) {
  state_->sha256.Add(piece.data(), piece.size());
  while (!piece.empty()) {
    const int64_t room = kChecksumBlockBytes - bytes_ % kChecksumBlockBytes;
    const auto now = piece.first(std::min(piece.size(), static_cast<size_t>(room)));
    XXH3_64bits_update(state_->block.get(), now.data(), now.size());
    bytes_ += static_cast<int64_t>(now.size());
    piece = piece.subspan(now.size());
    if (bytes_ % kChecksumBlockBytes == 0) {
      blocks_.push_back(Hex(XXH3_64bits_digest(state_->block.get())));
      XXH3_64bits_reset(state_->block.get());
    }
  }
}

void FileChecksum::Finish() {
  if (bytes_ % kChecksumBlockBytes != 0) blocks_.push_back(Hex(XXH3_64bits_digest(state_->block.get())));
  sha256_ = state_->sha256.Finish();
}

}  // namespace kindred
