#include "host/expression/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "host/expression/diagnostic.h"
#include "host/text/field_values.h"
#include "host/text/text.h"

namespace kindred {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool BeginsName(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool InName(char c) {
  return BeginsName(c) || IsDigit(c);
}

/// Bytes of the dotted name that `text` begins with.
size_t NameBytes(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? text[i] : '\0'; };
  if (!BeginsName(at(0))) return 0;
  size_t n = 1;
  while (InName(at(n)) || (at(n) == '.' && BeginsName(at(n + 1)))) ++n;
  return n;
}

int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

double SecondsOf(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 86400;
    case 'w':
      return 7 * 86400;
    default:
      return 0;
  }
}

}  // namespace

bool IsKeyword(std::string_view word) {
  static constexpr std::string_view kKeywords[] = {"and", "or", "not", "in", "is", "true", "false"};
  return std::find(std::begin(kKeywords), std::end(kKeywords), word) != std::end(kKeywords);
}

bool IsPlainName(std::string_view name) {
  return !name.empty() && NameBytes(name) == name.size() && !IsKeyword(name) && IsUtf8(name);
}

Token Lexer::Next() {
  while (At(at_) == ' ' || At(at_) == '\t' || At(at_) == '\n' || At(at_) == '\r') ++at_;
  Token token;
  token.at = token.end = at_;
  if (at_ >= source_.size()) return token;
  const char c = source_[at_];
  if (c == '"' || c == '\'' || c == '`') return Quoted(c);
  if (IsDigit(c) || (c == '.' && IsDigit(At(at_ + 1)))) return Number();
  const size_t name_bytes = NameBytes(source_.substr(at_));
  if (name_bytes == 0) return Symbol();
  token.text = source_.substr(at_, name_bytes);
  token.kind = IsKeyword(token.text) ? TokenKind::kKeyword : TokenKind::kName;
  token.end = at_ += name_bytes;
  return token;
}

Token Lexer::Quoted(char quote) {
  Token token;
  token.kind = quote == '`' ? TokenKind::kQuoted : TokenKind::kText;
  token.at = at_++;
  while (At(at_) != quote) {
    if (at_ >= source_.size()) FailAt(source_, token.at, fmt::format("this {} is never closed", quote));
    token.text += At(at_) == '\\' ? Escape() : source_[at_++];
  }
  token.end = ++at_;
  return token;
}

char Lexer::Escape() {
  static constexpr std::string_view kNames = "\\\"'`nrt", kMeanings = "\\\"'`\n\r\t";
  const size_t at = at_;
  const char c = At(at + 1);
  const size_t known = kNames.find(c);
  at_ += 2;
  if (at + 1 < source_.size() && known != kNames.npos) return kMeanings[known];
  const int high = HexDigit(At(at + 2)), low = HexDigit(At(at + 3));
  if (c != 'x' || high < 0 || low < 0)
    FailAt(source_, at, R"(unknown escape; expected \\, \", \', \`, \n, \r, \t or \x and two hexadecimal digits)");
  at_ += 2;
  return static_cast<char>(high * 16 + low);
}

Token Lexer::Number() {
  Token token;
  token.at = at_;
  if (Time(&token)) return token;
  size_t end = at_;
  const auto digits = [&] {
    while (IsDigit(At(end))) ++end;
  };
  digits();
  if (At(end) == '.' && IsDigit(At(end + 1))) {
    ++end;
    digits();
  }
  const bool exponent_sign = At(end + 1) == '-' || At(end + 1) == '+';
  if ((At(end) == 'e' || At(end) == 'E') && IsDigit(At(end + 1 + exponent_sign))) {
    end += 1 + exponent_sign;
    digits();
  }
  token.kind = TokenKind::kNumber;
  if (const char* wrong = ParseNumber(source_.substr(at_, end - at_), &token.number))
    FailAt(source_, at_, fmt::format("'{}' is {}", Printable(source_.substr(at_, end - at_)), wrong));
  if (const double seconds = SecondsOf(At(end)); seconds > 0 && !InName(At(end + 1))) {
    token.kind = TokenKind::kDuration;
    token.number *= seconds;
    if (std::isinf(token.number))
      FailAt(source_, at_, "this duration is larger than a number may be (1.8e308 seconds)");
    ++end;
  }
  if (InName(At(end)))
    FailAt(source_, end,
           fmt::format("found '{}' behind a number; expected an operator, or a unit of time: s, m, h, d or w",
                       Printable(source_.substr(end, std::max<size_t>(1, NameBytes(source_.substr(end)))))));
  token.end = at_ = end;
  return token;
}

// 2024-11-24, 2024-11-24T16:00, 2024-11-24T16:00:00.5Z, 2024-11-24T16:00:00+01:00
bool Lexer::Time(Token* token) {
  const auto matches = [&](size_t at, std::string_view form) {
    for (size_t i = 0; i < form.size(); ++i)
      if (form[i] == '0' ? !IsDigit(At(at + i)) : At(at + i) != form[i]) return false;
    return true;
  };
  if (!matches(at_, "0000-00-00")) return false;
  size_t end = at_ + 10;
  if (matches(end, "T00:00")) {
    end += 6;
    if (matches(end, ":00")) end += 3;
    if (matches(end, ".0"))
      for (++end; IsDigit(At(end));) ++end;
    if (At(end) == 'Z') {
      ++end;
    } else if (matches(end, "+00:00") || matches(end, "-00:00")) {
      end += 6;
    }
  }
  int64_t seconds = 0;
  const char* wrong = ParseTime(source_.substr(at_, end - at_), &seconds);
  if (wrong == nullptr && InName(At(end))) wrong = "expected a time such as 2024-11-24 or 2024-11-24T16:00:00Z";
  if (wrong != nullptr) FailAt(source_, at_, fmt::format("'{}': {}", source_.substr(at_, end - at_), wrong));
  token->kind = TokenKind::kTime;
  token->number = static_cast<double>(seconds);
  token->end = at_ = end;
  return true;
}

Token Lexer::Symbol() {
  Token token;
  token.kind = TokenKind::kSymbol;
  token.at = at_;
  for (const std::string_view symbol : {"==", "!=", "<=", ">=", "<>", "&&", "||", ".."}) {
    if (source_.substr(at_, 2) != symbol) continue;
    const char* instead = symbol == "<>" ? "!=" : symbol == "&&" ? "and" : symbol == "||" ? "or" : nullptr;
    if (instead != nullptr) FailAt(source_, at_, fmt::format("found '{}'; write '{}'", symbol, instead));
    token.text = symbol == "==" ? "=" : symbol;
    token.end = at_ += 2;
    return token;
  }
  const char c = source_[at_];
  if (c == '!') FailAt(source_, at_, "found '!'; write 'not'");
  if (std::string_view("=<>+-*/%()[],").find(c) == std::string_view::npos)
    FailAt(source_, at_, fmt::format("found '{}', which no expression has", Printable(source_.substr(at_, 1))));
  token.text = c;
  token.end = ++at_;
  return token;
}

}  // namespace kindred
