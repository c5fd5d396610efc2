// An expression as a tree.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/expression/expression.h"

namespace kindred {

enum class NodeKind : uint8_t {
  kLiteral,
  kAttribute,
  kNegate,
  kNot,
  kArithmetic,  // symbol: + - * / %
  kCompare,     // symbol: = != < <= > >=
  kInList,      // the child in `list`
  kInTags,      // text in tags
  kInRange,     // children: value, least, most
  kPresent,
  kAnd,  // two children or more, none of them kAnd
  kOr,
  kCall,
};

enum class Function : uint8_t {
  kLower,
  kUpper,
  kTrim,
  kStartsWith,
  kEndsWith,
  kContains,
  kLength,
  kAbs,
  kRound,
  kFloor,
  kCeil,
  kMin,
  kMax,
  kCoalesce,
  kIf,
  kYear,
  kMonth,
  kDay,
  kWeekday,
  kHour,
  kNow,
  kAsNumber,  // number(x): reads an untyped column as one; likewise those below
  kAsText,
  kAsBoolean,
  kAsTime,
  kAsTags,
};

struct FunctionInfo {
  std::string_view name;
  Function function;
  int min_arguments;
  int max_arguments;
};
inline constexpr int kAnyNumber = 1 << 30;
extern const FunctionInfo kFunctions[26];  // in the order of Function

struct Literal {
  ValueType type = ValueType::kNumber;
  double number = 0;  // also seconds, and 0 or 1 for booleans
  std::string text = {};
};

struct Node {
  NodeKind kind = NodeKind::kLiteral;
  Function function = Function::kLower;
  char symbol[3] = {};
  int depth = 1;
  size_t begin = 0;  // where it begins in the source
  size_t at = 0;     // its operator or name
  std::vector<int> children = {};
  std::vector<Literal> list = {};  // kInList, and a kLiteral's one value
  std::string name = {};           // kAttribute
  int64_t window = 0;              // kCompare and kInRange, seconds: `... in 7d`; of their attributes too; 0: none

  // What the type checker finds out.
  ValueType type = ValueType::kText;
  bool untyped = false;  // not yet said how it is to be read
  bool dynamic = false;  // reads an attribute
  int column = -1;       // of the schema
};

struct Syntax {
  std::string_view source;
  std::vector<Node> nodes;
  int root = -1;

  Node& at(int node) { return nodes[static_cast<size_t>(node)]; }
  const Node& at(int node) const { return nodes[static_cast<size_t>(node)]; }
  const Node& child(const Node& node, size_t i) const { return at(node.children[i]); }
};

/// parser.cc. Throws as Expression::Compile does.
Syntax Parse(std::string_view source);

/// checker.cc. Finds the columns, and the type of every node: in the end none is untyped.
void CheckTypes(Syntax* syntax, std::span<const ColumnInfo> schema, bool condition);

/// printer.cc. The canonical form, of all or of the part under a node.
std::string Print(const Syntax& syntax);
std::string Print(const Syntax& syntax, int node);
std::string Print(const Literal& literal);

/// For printing and messages: whether a kCompare's or kArithmetic's symbol is this one.
inline bool Is(const Node& node, std::string_view symbol) {
  return node.symbol == symbol;
}

}  // namespace kindred
