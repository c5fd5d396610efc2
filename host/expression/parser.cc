// Precedence climbing; docs/expressions.md has the grammar.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <utility>

#include "host/expression/diagnostic.h"
#include "host/expression/lexer.h"
#include "host/expression/syntax.h"
#include "host/text/edit_distance.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {

const FunctionInfo kFunctions[26] = {
    {"lower", Function::kLower, 1, 1},
    {"upper", Function::kUpper, 1, 1},
    {"trim", Function::kTrim, 1, 1},
    {"starts_with", Function::kStartsWith, 2, 2},
    {"ends_with", Function::kEndsWith, 2, 2},
    {"contains", Function::kContains, 2, 2},
    {"length", Function::kLength, 1, 1},
    {"abs", Function::kAbs, 1, 1},
    {"round", Function::kRound, 1, 1},
    {"floor", Function::kFloor, 1, 1},
    {"ceil", Function::kCeil, 1, 1},
    {"min", Function::kMin, 2, kAnyNumber},
    {"max", Function::kMax, 2, kAnyNumber},
    {"coalesce", Function::kCoalesce, 2, kAnyNumber},
    {"if", Function::kIf, 3, 3},
    {"year", Function::kYear, 1, 1},
    {"month", Function::kMonth, 1, 1},
    {"day", Function::kDay, 1, 1},
    {"weekday", Function::kWeekday, 1, 1},
    {"hour", Function::kHour, 1, 1},
    {"now", Function::kNow, 0, 0},
    {"number", Function::kAsNumber, 1, 1},
    {"text", Function::kAsText, 1, 1},
    {"boolean", Function::kAsBoolean, 1, 1},
    {"time", Function::kAsTime, 1, 1},
    {"tags", Function::kAsTags, 1, 1},
};

namespace {

// How tightly operators bind.
enum Level { kOrLevel = 1, kAndLevel, kNotLevel, kCompareLevel, kSumLevel, kProductLevel, kUnaryLevel };

class Parser {
 public:
  explicit Parser(std::string_view source) : lexer_(source) {
    syntax_.source = source;
    Advance();
  }

  Syntax Whole() {
    syntax_.root = Parse(kOrLevel);
    if (token_.kind != TokenKind::kEnd) Fail("an operator or the end");
    return std::move(syntax_);
  }

 private:
  void Advance() { token_ = lexer_.Next(); }
  bool Sees(std::string_view text) const {
    return (token_.kind == TokenKind::kSymbol || token_.kind == TokenKind::kKeyword) && token_.text == text;
  }
  bool SeesName(std::string_view name) const { return token_.kind == TokenKind::kName && token_.text == name; }
  bool Take(std::string_view text) {
    const bool sees = Sees(text);
    if (sees) Advance();
    return sees;
  }
  void Expect(std::string_view text, std::string_view why) {
    if (!Take(text)) Fail(fmt::format("'{}' {}", text, why));
  }

  [[noreturn]] void FailAt(size_t at, const std::string& message) const {
    kindred::FailAt(syntax_.source, at, message);
  }
  /// At the token that is seen.
  [[noreturn]] void Fail(std::string_view expected) const {
    std::string message = "the expression ends; expected " + std::string(expected);
    if (token_.kind != TokenKind::kEnd) {
      const std::string_view found = syntax_.source.substr(token_.at, token_.end - token_.at);
      message = fmt::format("found '{}'; expected {}", Printable(found), expected);
      std::string lower(found);
      std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
      if (lower != found && (IsKeyword(lower) || lower == "between")) message += fmt::format("; write '{}'", lower);
    }
    FailAt(token_.at, message);
  }
  [[noreturn]] void FailNesting(size_t at) const {
    FailAt(at, fmt::format("this nests deeper than {} levels, the most there may be", Expression::kMaxDepth));
  }

  int Add(Node node) {
    for (const int child : node.children) node.depth = std::max(node.depth, syntax_.at(child).depth + 1);
    if (!node.children.empty() && node.kind != NodeKind::kNot && node.kind != NodeKind::kNegate &&
        node.kind != NodeKind::kCall)
      node.begin = syntax_.child(node, 0).begin;
    if (node.depth > Expression::kMaxDepth) FailNesting(node.at);
    syntax_.nodes.push_back(std::move(node));
    return static_cast<int>(syntax_.nodes.size()) - 1;
  }
  Node NodeHere(NodeKind kind) const {
    Node node;
    node.kind = kind;
    node.begin = node.at = token_.at;
    return node;
  }
  int AddNot(int child, size_t at) {
    Node node;
    node.kind = NodeKind::kNot;
    node.begin = std::min(at, syntax_.at(child).begin);
    node.at = at;
    node.children = {child};
    return Add(std::move(node));
  }

  /// Everything whose operators bind at least as tightly as `level`.
  int Parse(int level) {
    // Each level of a tree takes at most an operand's and a parenthesis's call.
    constexpr int kMaxCalls = 2 * Expression::kMaxDepth + 2;
    if (++n_calls_ > kMaxCalls) FailNesting(token_.at);
    int left = Prefix(level);
    while (const int next = LevelSeen()) {
      if (next < level) break;
      left = next <= kAndLevel ? Chain(left, next) : next == kCompareLevel ? Comparison(left) : Arithmetic(left, next);
    }
    --n_calls_;
    return left;
  }

  /// Of the operator between operands that is seen; 0: none.
  int LevelSeen() const {
    if (SeesName("between")) return kCompareLevel;
    if (token_.kind == TokenKind::kKeyword) {
      if (token_.text == "or") return kOrLevel;
      if (token_.text == "and") return kAndLevel;
      return token_.text == "in" || token_.text == "is" || token_.text == "not" ? kCompareLevel : 0;
    }
    if (token_.kind != TokenKind::kSymbol) return 0;
    static constexpr std::pair<std::string_view, int> kLevels[] = {
        {"=", kCompareLevel}, {"!=", kCompareLevel}, {"<", kCompareLevel}, {"<=", kCompareLevel},
        {">", kCompareLevel}, {">=", kCompareLevel}, {"+", kSumLevel},     {"-", kSumLevel},
        {"*", kProductLevel}, {"/", kProductLevel},  {"%", kProductLevel}};
    for (const auto& [symbol, level] : kLevels)
      if (token_.text == symbol) return level;
    return 0;
  }

  int Prefix(int level) {
    if (Sees("not")) {
      if (level > kNotLevel) Fail("a value; put what 'not' is about into parentheses with it");
      const size_t at = token_.at;
      Advance();
      return AddNot(Parse(kNotLevel), at);
    }
    if (Sees("-")) {
      Node node = NodeHere(NodeKind::kNegate);
      Advance();
      node.children = {Parse(kUnaryLevel)};
      return Add(std::move(node));
    }
    return Primary();
  }

  /// left and b and c ...
  int Chain(int left, int level) {
    const std::string_view word = level == kAndLevel ? "and" : "or";
    Node node = NodeHere(level == kAndLevel ? NodeKind::kAnd : NodeKind::kOr);
    const auto append = [&](int child) {
      Node& added = syntax_.at(child);
      if (added.kind == node.kind) {
        node.children.insert(node.children.end(), added.children.begin(), added.children.end());
      } else {
        node.children.push_back(child);
      }
    };
    append(left);
    while (Take(word)) append(Parse(level + 1));
    return Add(std::move(node));
  }

  int Arithmetic(int left, int level) {
    Node node = NodeHere(NodeKind::kArithmetic);
    token_.text.copy(node.symbol, 2);
    Advance();
    node.children = {left, Parse(level + 1)};
    return Add(std::move(node));
  }

  int Comparison(int left) {
    const size_t at = token_.at;
    const bool negated = Sees("not");
    if (negated) Advance();
    if (negated && !Sees("in") && !SeesName("between")) Fail("'in' or 'between'");
    int node = -1;
    if (SeesName("between")) {
      Node range = NodeHere(NodeKind::kInRange);
      Advance();
      node = Range(std::move(range), left, Parse(kSumLevel), "and");
    } else if (Sees("in")) {
      node = In(left);
    } else if (Sees("is")) {
      node = Is(left);
    } else {
      Node compare = NodeHere(NodeKind::kCompare);
      token_.text.copy(compare.symbol, 2);
      Advance();
      compare.children = {left, Parse(kSumLevel)};
      node = Add(std::move(compare));
    }
    if (SeesWindow()) ReadWindow(node);
    if (LevelSeen() == kCompareLevel) Fail("'and' or 'or' between comparisons");
    return negated ? AddNot(node, at) : node;
  }

  /// `in` and a duration.
  bool SeesWindow() const { return Sees("in") && Lexer(lexer_).Next().kind == TokenKind::kDuration; }

  /// Of a comparison: `views >= 3 in 7d`.
  void ReadWindow(int comparison) {
    const size_t at = token_.at;
    Advance();
    const double seconds = token_.number;
    if (!(seconds >= 1 && seconds <= static_cast<double>(Expression::kLongestWindow)) || std::floor(seconds) != seconds)
      FailAt(token_.at, "expected a window of whole seconds, from 1s to 3650000d");
    Node& node = syntax_.at(comparison);
    node.window = static_cast<int64_t>(seconds);
    bool counts = false;
    for (const int child : node.children)
      if (Node& side = syntax_.at(child); side.kind == NodeKind::kAttribute) {
        side.window = node.window;
        counts = true;
      }
    if (!counts || (node.kind != NodeKind::kCompare && node.kind != NodeKind::kInRange))
      FailAt(at, "a window stands behind a comparison of events that it counts, as in views >= 3 in 7d");
    Advance();
  }

  int Range(Node range, int value, int least, std::string_view between) {
    Expect(between, "between the ends of the range");
    range.children = {value, least, Parse(kSumLevel)};
    return Add(std::move(range));
  }

  int In(int left) {
    Node node = NodeHere(NodeKind::kInList);
    Advance();
    if (!Sees("[")) {
      const int right = Parse(kSumLevel);
      if (Sees("..")) {
        node.kind = NodeKind::kInRange;
        return Range(std::move(node), left, right, "..");
      }
      if (const Node& window = syntax_.at(right);
          window.kind == NodeKind::kLiteral && window.list[0].type == ValueType::kDuration)
        FailAt(node.at, "a window stands behind the comparison, as in views >= 3 in 7d");
      node.kind = NodeKind::kInTags;
      node.children = {left, right};
      return Add(std::move(node));
    }
    node.children = {left};
    do {
      Advance();
      if (node.list.empty() && Sees("]")) break;
      node.list.push_back(Constant());
      if (node.list.back().type != node.list.front().type)
        FailAt(token_.at, fmt::format("found a {} in a list that begins with a {}; expected values of one type",
                                      NameOf(node.list.back().type), NameOf(node.list.front().type)));
      Advance();
    } while (Sees(","));
    Expect("]", "or ',' behind a value of the list");
    return Add(std::move(node));
  }

  /// The literal that is seen, with its sign; does not go on to the next token.
  Literal Constant() {
    const bool negative = Take("-");
    Literal literal = LiteralSeen();
    if (negative && literal.type != ValueType::kNumber && literal.type != ValueType::kDuration)
      Fail("a number or a duration behind '-'");
    if (negative) literal.number = -literal.number;
    return literal;
  }
  Literal LiteralSeen() {
    switch (token_.kind) {
      case TokenKind::kText:
        if (token_.text.empty())
          FailAt(token_.at, "an empty text stands for a missing value; write 'is missing' or 'is present'");
        return {ValueType::kText, 0, std::move(token_.text)};
      case TokenKind::kNumber:
        return {ValueType::kNumber, token_.number};
      case TokenKind::kTime:
        return {ValueType::kTime, token_.number};
      case TokenKind::kDuration:
        return {ValueType::kDuration, token_.number};
      default:
        if (Sees("true") || Sees("false")) return {ValueType::kBoolean, Sees("true") ? 1.0 : 0.0};
        Fail("a text, a number, a time, a duration, true or false");
    }
  }

  int Is(int left) {
    Node node = NodeHere(NodeKind::kPresent);
    Advance();
    const bool missing = SeesName("missing");
    if (!missing && !SeesName("present")) Fail("'present' or 'missing'");
    Advance();
    node.children = {left};
    const size_t at = node.at;
    const int present = Add(std::move(node));
    return missing ? AddNot(present, at) : present;
  }

  int Primary() {
    if (Sees("(")) {
      Advance();
      const int inner = Parse(kOrLevel);
      Expect(")", "that closes '('");
      return inner;
    }
    if (token_.kind == TokenKind::kName || token_.kind == TokenKind::kQuoted) return AttributeOrCall();
    if (token_.kind == TokenKind::kSymbol || token_.kind == TokenKind::kEnd || Sees("and") || Sees("or") ||
        Sees("in") || Sees("is"))
      Fail(Sees("[") ? "a value; a list stands behind 'in'" : "a value");
    Node node = NodeHere(NodeKind::kLiteral);
    node.list.push_back(LiteralSeen());
    Advance();
    return Add(std::move(node));
  }

  int AttributeOrCall() {
    Node node = NodeHere(NodeKind::kAttribute);
    const bool quoted = token_.kind == TokenKind::kQuoted;
    node.name = std::move(token_.text);
    Advance();
    return !quoted && Sees("(") ? Call(std::move(node)) : Add(std::move(node));
  }

  int Call(Node node) {
    node.kind = NodeKind::kCall;
    const auto* info = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                    [&](const FunctionInfo& known) { return known.name == node.name; });
    if (info == std::end(kFunctions)) FailUnknown(node);
    node.function = info->function;
    Advance();
    if (!Sees(")")) {
      do node.children.push_back(Parse(kOrLevel));
      while (Take(","));
    }
    Expect(")", fmt::format("or ',' behind an argument of {}", info->name));
    const int n = static_cast<int>(node.children.size());
    if (n < info->min_arguments || n > info->max_arguments)
      FailAt(node.at, fmt::format("{} has {} argument{}; expected {}{}", info->name, n, n == 1 ? "" : "s",
                                  info->min_arguments, info->max_arguments == kAnyNumber ? " or more" : ""));
    return Add(std::move(node));
  }

  [[noreturn]] void FailUnknown(const Node& node) const {
    std::vector<std::string_view> names;
    for (const FunctionInfo& known : kFunctions) names.push_back(known.name);
    const int nearest = NearestName(node.name, names);
    FailAt(node.at,
           fmt::format("unknown function '{}'{}", Printable(node.name),
                       nearest < 0 ? "" : fmt::format("; the nearest is '{}'", names[static_cast<size_t>(nearest)])));
  }

  Lexer lexer_;
  Token token_;
  int n_calls_ = 0;
  Syntax syntax_;
};

}  // namespace

Syntax Parse(std::string_view source) {
  if (source.size() > Expression::kMaxBytes)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the expression has {} bytes; at most {} may be", source.size(), Expression::kMaxBytes));
  if (!IsUtf8(source)) throw Error(ErrorCode::kInvalidArgument, "the expression is not UTF-8");
  return Parser(source).Whole();
}

}  // namespace kindred
