// An expression as tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kindred {

enum class TokenKind : uint8_t {
  kEnd,
  kName,      // an attribute or function: text
  kQuoted,    // `an attribute`: text
  kKeyword,   // and or not in is true false: text
  kText,      // "a" or 'a': text
  kNumber,    // number
  kTime,      // number: unix seconds
  kDuration,  // number: seconds
  kSymbol,    // = == != < <= > >= + - * / % ( ) [ ] , ..: text
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  size_t at = 0;   // first byte in the source
  size_t end = 0;  // behind the last
  std::string text;
  double number = 0;
};

bool IsKeyword(std::string_view word);
/// Whether an attribute of this name is written without backquotes.
bool IsPlainName(std::string_view name);

/// Reads tokens from the left. Throws as FailAt does.
class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}
  Token Next();

 private:
  char At(size_t i) const { return i < source_.size() ? source_[i] : '\0'; }
  Token Quoted(char quote);
  char Escape();
  Token Number();
  bool Time(Token* token);
  Token Symbol();

  std::string_view source_;
  size_t at_ = 0;
};

}  // namespace kindred
