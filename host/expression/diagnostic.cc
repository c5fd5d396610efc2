#include "host/expression/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

bool BeginsCharacter(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

size_t CountCharacters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), BeginsCharacter));
}

}  // namespace

void FailAt(std::string_view source, size_t at, const std::string& message) {
  constexpr size_t kBefore = 60, kBehind = 40;  // bytes of the line that are shown
  const std::string_view before = source.substr(0, at);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_begin = before.rfind('\n') + 1;  // npos + 1 = 0
  const size_t line_end = std::min(source.find('\n', at), source.size());

  size_t begin = at - std::min(at - line_begin, kBefore);
  while (begin > line_begin && begin < at && !BeginsCharacter(source[begin])) ++begin;
  size_t end = std::min(line_end, at + kBehind);
  while (end < line_end && !BeginsCharacter(source[end])) ++end;

  constexpr size_t kAll = 1000;
  const std::string cut = begin > line_begin ? "..." : "";
  const std::string left = cut + Printable(source.substr(begin, at - begin), kAll);
  const std::string right = Printable(source.substr(at, end - at), kAll) + (end < line_end ? "..." : "");
  throw Error(ErrorCode::kInvalidArgument, fmt::format("line {}, column {}: {}\n  {}{}\n  {}^", line,
                                                       1 + CountCharacters(source.substr(line_begin, at - line_begin)),
                                                       message, left, right, std::string(CountCharacters(left), ' ')));
}

std::string FirstLine(std::string_view message) {
  return std::string(message.substr(0, message.find('\n')));
}

}  // namespace kindred
