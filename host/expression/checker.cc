// Which columns an expression reads, and as what.
//
// Types go up the tree; an untyped attribute (or an `if` or `coalesce` of only such) has none until what stands beside
// or around it says how it is read.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "host/expression/diagnostic.h"
#include "host/expression/syntax.h"
#include "host/text/edit_distance.h"
#include "host/text/text.h"

namespace kindred {
namespace {

std::string A(ValueType type) {
  return type == ValueType::kTags ? "tags" : fmt::format("a {}", NameOf(type));
}

bool HasOrder(ValueType type) {
  return type != ValueType::kBoolean && type != ValueType::kTags;
}
bool IsQuantity(ValueType type) {
  return HasOrder(type) && type != ValueType::kText;
}

class Checker {
 public:
  Checker(Syntax* syntax, std::span<const ColumnInfo> schema) : syntax_(*syntax), schema_(schema) {
    for (size_t i = 0; i < schema.size(); ++i)
      columns_.emplace(Key(schema[i].name, schema[i].window), static_cast<int>(i));
  }

  void Whole(bool condition) {
    Check(syntax_.root);
    if (condition) Resolve(syntax_.root, ValueType::kBoolean, "as a condition is one");
    Node& root = syntax_.at(syntax_.root);
    if (root.untyped) Resolve(syntax_.root, ValueType::kText, "");
    if (root.type == ValueType::kTags) Fail(root.begin, "found tags; expected an expression with one value a row");
  }

 private:
  [[noreturn]] void Fail(size_t at, const std::string& message) const { FailAt(syntax_.source, at, message); }

  void Check(int index) {
    Node& node = syntax_.at(index);
    for (const int child : node.children) {
      Check(child);
      node.dynamic |= syntax_.at(child).dynamic;
    }
    node.type = TypeOf(node);
  }

  ValueType TypeOf(Node& node) {
    switch (node.kind) {
      case NodeKind::kLiteral:
        return node.list[0].type;
      case NodeKind::kAttribute:
        return Attribute(node);
      case NodeKind::kNegate:
        return QuantityOf(node, "behind '-'", /*time=*/false);
      case NodeKind::kArithmetic:
        return Arithmetic(node);
      case NodeKind::kCompare:
      case NodeKind::kInRange:
        CheckWindow(node);
        return Comparison(node);
      case NodeKind::kInList:
        return InList(node);
      case NodeKind::kInTags:
        Resolve(node.children[1], ValueType::kTags, "a list or a range behind 'in'");
        Resolve(node.children[0], ValueType::kText, "before 'in' and tags");
        return ValueType::kBoolean;
      case NodeKind::kPresent:
        if (Node& child = syntax_.at(node.children[0]); child.untyped) Resolve(node.children[0], ValueType::kText, "");
        return ValueType::kBoolean;
      case NodeKind::kNot:
      case NodeKind::kAnd:
      case NodeKind::kOr: {
        const char* word = node.kind == NodeKind::kNot ? "not" : node.kind == NodeKind::kAnd ? "and" : "or";
        for (const int child : node.children)
          Resolve(child, ValueType::kBoolean, fmt::format("as an operand of '{}'", word));
        return ValueType::kBoolean;
      }
      case NodeKind::kCall:
        return Call(node);
    }
    return ValueType::kText;
  }

  ValueType Attribute(Node& node) {
    auto found = columns_.find(Key(node.name, node.window));
    if (found == columns_.end() && node.window != 0) {
      node.window = 0;
      found = columns_.find(Key(node.name, 0));
    }
    if (found == columns_.end()) {
      std::vector<std::string_view> names;
      for (const ColumnInfo& column : schema_) names.push_back(column.name);
      const int nearest = NearestName(node.name, names);
      Fail(node.at, fmt::format("unknown attribute '{}'{}", Printable(node.name),
                                nearest < 0 ? ""
                                            : fmt::format("; the nearest is '{}'",
                                                          Printable(names[static_cast<size_t>(nearest)]))));
    }
    node.column = found->second;
    node.dynamic = true;
    switch (schema_[static_cast<size_t>(node.column)].type) {
      case ColumnType::kUntyped:
        node.untyped = true;
        return ValueType::kText;
      case ColumnType::kText:
        return ValueType::kText;
      case ColumnType::kNumber:
        return ValueType::kNumber;
      case ColumnType::kBoolean:
        return ValueType::kBoolean;
      case ColumnType::kTime:
        return ValueType::kTime;
      case ColumnType::kTags:
        return ValueType::kTags;
    }
    return ValueType::kText;
  }

  /// A window is of attributes that there are counts of.
  void CheckWindow(const Node& node) const {
    if (node.window == 0) return;
    for (const int child : node.children)
      if (syntax_.at(child).kind == NodeKind::kAttribute && syntax_.at(child).window != 0) return;
    const auto side = std::find_if(node.children.begin(), node.children.end(),
                                   [&](int child) { return syntax_.at(child).kind == NodeKind::kAttribute; });
    const Node& attribute = syntax_.at(*side);
    Fail(attribute.at, fmt::format("'{}' is not counted in windows; expected a name of events, which only rules of "
                                   "segments have",
                                   Printable(attribute.name)));
  }

  /// Says how an untyped node is read; fails where a typed one is of another type.
  void Resolve(int index, ValueType wanted, const std::string& why) {
    Node& node = syntax_.at(index);
    const std::string expected = fmt::format("expected {}{}{}", A(wanted), why.empty() ? "" : ", ", why);
    if (!node.untyped) {
      if (node.type != wanted) Fail(node.begin, fmt::format("found {}; {}", A(node.type), expected));
      return;
    }
    if (wanted == ValueType::kDuration)
      Fail(node.begin, fmt::format("found an untyped column, which is never read as a duration; {}", expected));
    if (wanted == ValueType::kTags && node.kind != NodeKind::kAttribute)
      Fail(node.begin, fmt::format("found {}(...); {}", node.name, expected));
    node.untyped = false;
    node.type = wanted;
    if (node.kind == NodeKind::kCall)  // the values of an `if` or `coalesce`
      for (size_t i = node.function == Function::kIf ? 1 : 0; i < node.children.size(); ++i)
        Resolve(node.children[i], wanted, why);
  }

  /// Gives all the type of the first that has one. False: none has.
  bool Unify(std::span<const int> nodes, const std::string& why) {
    const auto typed = std::find_if(nodes.begin(), nodes.end(), [&](int node) { return !syntax_.at(node).untyped; });
    if (typed == nodes.end()) return false;
    const ValueType type = syntax_.at(*typed).type;
    for (const int node : nodes) Resolve(node, type, why);
    return true;
  }

  /// A number, a duration or, if they may be, a time; an untyped argument is a number.
  ValueType QuantityOf(Node& node, const std::string& where, bool time) {
    if (!Unify(node.children, fmt::format("as the other arguments of {}", node.name)))
      for (const int child : node.children) Resolve(child, ValueType::kNumber, where);
    const Node& first = syntax_.child(node, 0);
    if (!IsQuantity(first.type) || (first.type == ValueType::kTime && !time))
      Fail(first.begin,
           fmt::format("found {}; expected a number{} or a duration {}", A(first.type), time ? ", a time" : "", where));
    return first.type;
  }

  ValueType Arithmetic(Node& node) {
    const Node& left = syntax_.child(node, 0);
    const Node& right = syntax_.child(node, 1);
    const std::string why = fmt::format("as an operand of '{}'", node.symbol);
    const auto read_as = [&](const Node& other, bool is_left) {
      const bool sum = Is(node, "+") || Is(node, "-");
      if (other.untyped || !sum) return ValueType::kNumber;
      if (other.type == ValueType::kDuration && (is_left || Is(node, "+"))) return ValueType::kTime;
      if (other.type == ValueType::kDuration) return ValueType::kDuration;
      if (other.type == ValueType::kTime) return Is(node, "-") ? ValueType::kTime : ValueType::kDuration;
      return ValueType::kNumber;
    };
    const ValueType left_as = read_as(right, true), right_as = read_as(left, false);
    if (left.untyped) Resolve(node.children[0], left_as, why);
    if (right.untyped) Resolve(node.children[1], right_as, why);

    using enum ValueType;
    struct Rule {
      std::string_view symbols;
      ValueType left, right, result;
    };
    static constexpr Rule kRules[] = {{"+-*/%", kNumber, kNumber, kNumber}, {"+-", kDuration, kDuration, kDuration},
                                      {"+-", kTime, kDuration, kTime},      {"+", kDuration, kTime, kTime},
                                      {"-", kTime, kTime, kDuration},       {"*/", kDuration, kNumber, kDuration},
                                      {"*", kNumber, kDuration, kDuration}, {"/", kDuration, kDuration, kNumber}};
    for (const Rule& rule : kRules)
      if (rule.symbols.find(node.symbol) != std::string_view::npos && rule.left == left.type &&
          rule.right == right.type)
        return rule.result;
    Fail(node.at, fmt::format("'{}' stands between {} and {}; expected numbers, or times and durations as in "
                              "now() - 7d",
                              node.symbol, A(left.type), A(right.type)));
  }

  ValueType Comparison(Node& node) {
    const bool equality = Is(node, "=") || Is(node, "!=");
    const std::string name = node.kind == NodeKind::kInRange ? "a range" : fmt::format("'{}'", node.symbol);
    if (!Unify(node.children, fmt::format("as the other side of {}", name))) {
      if (!equality)
        Fail(node.at, fmt::format("{} stands between untyped columns; say how they are read, as in number({})", name,
                                  Printable(syntax_.child(node, 0).name)));
      for (const int child : node.children) Resolve(child, ValueType::kText, "");
    }
    const ValueType type = syntax_.child(node, 0).type;
    if (type == ValueType::kTags)
      Fail(node.at, fmt::format("{} compares tags; expected single values, or a text in tags", name));
    if (!equality && !HasOrder(type)) Fail(node.at, fmt::format("{} compares booleans; expected '=' or '!='", name));
    return ValueType::kBoolean;
  }

  ValueType InList(Node& node) {
    const Node& child = syntax_.child(node, 0);
    const ValueType type = node.list.empty() ? (child.untyped ? ValueType::kText : child.type) : node.list[0].type;
    if (type == ValueType::kBoolean) Fail(node.at, "found a list of booleans; write 'x' or 'not x' for a boolean x");
    const bool tags = !child.untyped && child.type == ValueType::kTags;
    if (!tags) Resolve(node.children[0], type, "as the list has");
    if (tags && !node.list.empty() && type != ValueType::kText)
      Fail(node.at, fmt::format("found a list with {} behind tags; expected texts", A(type)));
    return ValueType::kBoolean;
  }

  ValueType Call(Node& node) {
    const std::string why = fmt::format("as an argument of {}", node.name);
    const auto all = [&](ValueType argument, ValueType result) {
      for (const int child : node.children) Resolve(child, argument, why);
      return result;
    };
    using enum ValueType;
    switch (node.function) {
      case Function::kLower:
      case Function::kUpper:
      case Function::kTrim:
        return all(kText, kText);
      case Function::kStartsWith:
      case Function::kEndsWith:
        return all(kText, kBoolean);
      case Function::kContains:
        if (!IsTags(node.children[0])) return all(kText, kBoolean);
        Resolve(node.children[1], kText, why);
        return kBoolean;
      case Function::kLength:
        return IsTags(node.children[0]) ? kNumber : all(kText, kNumber);
      case Function::kRound:
      case Function::kFloor:
      case Function::kCeil:
        return all(kNumber, kNumber);
      case Function::kAbs:
        return QuantityOf(node, why, /*time=*/false);
      case Function::kMin:
      case Function::kMax:
        return QuantityOf(node, why, /*time=*/true);
      case Function::kCoalesce:
        return Either(node, node.children);
      case Function::kIf:
        Resolve(node.children[0], kBoolean, "as the condition of an if");
        return Either(node, std::span<const int>(node.children).subspan(1));
      case Function::kYear:
      case Function::kMonth:
      case Function::kDay:
      case Function::kWeekday:
      case Function::kHour:
        return all(kTime, kNumber);
      case Function::kNow:
        return kTime;
      case Function::kAsNumber:
        return all(kNumber, kNumber);
      case Function::kAsText:
        return all(kText, kText);
      case Function::kAsBoolean:
        return all(kBoolean, kBoolean);
      case Function::kAsTime:
        return all(kTime, kTime);
      case Function::kAsTags:
        return all(kTags, kTags);
    }
    return kText;
  }

  bool IsTags(int index) const { return !syntax_.at(index).untyped && syntax_.at(index).type == ValueType::kTags; }

  ValueType Either(Node& node, std::span<const int> values) {
    node.untyped = !Unify(values, fmt::format("as the other values of {}", node.name));
    const Node& first = syntax_.at(values[0]);
    if (IsTags(values[0])) Fail(first.begin, fmt::format("found tags; expected single values in {}", node.name));
    return first.type;
  }

  using Key = std::pair<std::string_view, int64_t>;

  Syntax& syntax_;
  std::span<const ColumnInfo> schema_;
  std::map<Key, int> columns_;
};

}  // namespace

void CheckTypes(Syntax* syntax, std::span<const ColumnInfo> schema, bool condition) {
  Checker(syntax, schema).Whole(condition);
}

}  // namespace kindred
