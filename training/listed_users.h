// The users that lists are made for: all of a model, or those of a file with one id a line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/data/id_map.h"
#include "host/models/model.h"

namespace kindred {

/// What becomes of listed users that the model does not have.
enum class UnknownUsers { kPopular, kSkip, kFail };
/// "popular", "skip", "fail"
const char* UnknownUsersName(UnknownUsers policy);

inline constexpr int64_t kMaxUserIdBytes = 1 << 16;

class ListedUsers {
 public:
  /// All users of a model, which must live as long as this.
  explicit ListedUsers(const ModelView& model);
  /// Those of a file ("-": standard input; plain, gzip or zstd), in its order. An id is a line as it is, without "\n"
  /// or "\r\n" at its end, and a byte order mark at the beginning of the file is none of it; one that comes again is
  /// left out. Throws as InputFile does, and kInvalidArgument naming file and line for one that has no id, one of more
  /// than kMaxUserIdBytes before its "\n", and of kFail for the first user that the model does not have. Memory: 4
  /// bytes a user, a bit for each user of the model while the file is read, and the ids that the model does not have.
  ListedUsers(const ModelView& model, const std::string& path, UnknownUsers policy);

  int64_t size() const { return of_file_ ? std::ssize(users_) : model_.n_users(); }
  /// The user in the model; -1: it has none.
  int32_t User(int64_t i) const;
  std::string_view Id(int64_t i) const;

  int64_t n_repeated() const { return n_repeated_; }  // lines that name a user again
  int64_t n_unknown() const { return n_unknown_; }    // different ones that the model does not have, answered or not
  const std::string& first_unknown() const { return first_unknown_; }  // the id of the first of them
  /// SHA-256 of the file as it is stored; empty for all users.
  const std::string& sha256() const { return sha256_; }

 private:
  void Read(const std::string& path, UnknownUsers policy);

  const ModelView& model_;
  const bool of_file_;
  std::vector<int32_t> users_;  // of the model; below 0: -1 - u of `unknown_`
  IdMapBuilder unknown_;
  IdMap unknown_ids_;
  int64_t n_repeated_ = 0, n_unknown_ = 0;
  std::string first_unknown_, sha256_;
};

}  // namespace kindred
