#include "host/store/checksum.h"

#include <gtest/gtest.h>

#include <string>

namespace kindred {
namespace {

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(Checksum, KnownValues) {
  EXPECT_EQ(Sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Xxh3Hex({}), "2d06800538d394c2");  // xxHash's own sanity table
}

TEST(Checksum, PiecesOfAnyLengthGiveTheSame) {
  for (const int64_t size : {int64_t{0}, int64_t{1}, kChecksumBlockBytes - 1, kChecksumBlockBytes,
                             kChecksumBlockBytes + 1, 2 * kChecksumBlockBytes + 7}) {
    std::string data(static_cast<size_t>(size), '\0');
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 2654435761u >> 13);
    for (const size_t piece : {size_t{1000003}, size_t{65536}, data.size() + 1}) {
      FileChecksum checksum;
      for (size_t at = 0; at < data.size(); at += piece)
        checksum.Add(Bytes(data).subspan(at, std::min(piece, data.size() - at)));
      checksum.Finish();
      EXPECT_EQ(checksum.bytes(), size);
      EXPECT_EQ(checksum.sha256(), Sha256(data));
      ASSERT_EQ(static_cast<int64_t>(checksum.blocks().size()), (size + kChecksumBlockBytes - 1) / kChecksumBlockBytes);
      for (size_t block = 0; block < checksum.blocks().size(); ++block)
        EXPECT_EQ(checksum.blocks()[block], Xxh3Hex(Bytes(data.substr(block * static_cast<size_t>(kChecksumBlockBytes),
                                                                      static_cast<size_t>(kChecksumBlockBytes)))));
    }
  }
}

}  // namespace
}  // namespace kindred
