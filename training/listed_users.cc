#include "training/listed_users.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/intake/input_file.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kReadBytes = size_t{1} << 18;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// Calls on_line(line, number) for each line of the file, the last with or without its end.
template <class OnLine>
void ForEachLine(InputFile& file, const std::string& name, const OnLine& on_line) {
  std::string buffer;
  int64_t number = 0;
  const auto check_length = [&](size_t bytes, int64_t line) {
    if (bytes > static_cast<size_t>(kMaxUserIdBytes))
      throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: line {}: has more than {} bytes; expected the id of a "
                                                           "user",
                                                           name, line, kMaxUserIdBytes));
  };
  const auto take = [&](std::string_view line) {
    check_length(line.size(), ++number);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (number == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
    on_line(line, number);
  };
  for (;;) {
    const size_t kept = buffer.size();
    buffer.resize(kept + kReadBytes);
    const size_t got = file.Read(buffer.data() + kept, kReadBytes);
    buffer.resize(kept + got);
    size_t begin = 0;
    for (size_t end = 0; (end = buffer.find('\n', begin)) != buffer.npos; begin = end + 1)
      take(std::string_view(buffer).substr(begin, end - begin));
    buffer.erase(0, begin);
    check_length(buffer.size(), number + 1);
    if (got == 0) break;
  }
  if (!buffer.empty()) take(buffer);
}

}  // namespace

const char* UnknownUsersName(UnknownUsers policy) {
  constexpr const char* kNames[] = {"popular", "skip", "fail"};
  return kNames[static_cast<size_t>(policy)];
}

ListedUsers::ListedUsers(const ModelView& model) : model_(model), of_file_(false) {}

ListedUsers::ListedUsers(const ModelView& model, const std::string& path, UnknownUsers policy)
    : model_(model), of_file_(true) {
  Read(path, policy);
  unknown_ids_ = unknown_.view();
}

void ListedUsers::Read(const std::string& path, UnknownUsers policy) {
  InputFile file(path);
  const std::string name = path == "-" ? "standard input" : fmt::format("'{}'", Printable(path, 4096));
  std::vector<bool> seen(static_cast<size_t>(model_.n_users()));
  ForEachLine(file, name, [&](std::string_view id, int64_t line) {
    if (id.empty())
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{}: line {}: is empty; expected the id of a user", name, line));
    const int32_t user = model_.users.Find(id);
    const bool again = user >= 0 ? seen[static_cast<size_t>(user)] : unknown_.view().Find(id) >= 0;
    if (again) {
      ++n_repeated_;
    } else if (user >= 0) {
      seen[static_cast<size_t>(user)] = true;
      users_.push_back(user);
    } else {
      if (policy == UnknownUsers::kFail)
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("{}: line {}: the model has no user '{}'; --unknown-users says what else is done with "
                                "such",
                                name, line, Printable(id)));
      if (++n_unknown_ == 1) first_unknown_ = id;
      const int32_t place = unknown_.Intern(id);
      if (policy == UnknownUsers::kPopular) users_.push_back(-1 - place);
    }
  });
  sha256_ = file.Sha256();
}

int32_t ListedUsers::User(int64_t i) const {
  return of_file_ ? std::max(users_[static_cast<size_t>(i)], -1) : static_cast<int32_t>(i);
}

std::string_view ListedUsers::Id(int64_t i) const {
  const int32_t user = of_file_ ? users_[static_cast<size_t>(i)] : static_cast<int32_t>(i);
  return user >= 0 ? model_.users.Id(user) : unknown_ids_.Id(-1 - user);
}

}  // namespace kindred
