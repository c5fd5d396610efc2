// A set of users as bits.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace kindred {

/// User i is bit i % 64 of word i / 64; bits behind the last user are 0.
struct UserBits {
  /// None of so many users.
  explicit UserBits(int64_t users = 0) : n_users(users), words(static_cast<size_t>((users + 63) / 64)) {}

  bool Has(int64_t user) const { return (words[static_cast<size_t>(user / 64)] >> (user % 64) & 1) != 0; }
  /// Leaves n_members as it is. Threads may add at once where their users are not in one word.
  void Add(int64_t user) { words[static_cast<size_t>(user / 64)] |= uint64_t{1} << (user % 64); }
  /// n_members anew.
  void Count() {
    n_members = 0;
    for (const uint64_t word : words) n_members += std::popcount(word);
  }

  int64_t n_users = 0;
  int64_t n_members = 0;
  std::vector<uint64_t> words;
};

}  // namespace kindred
