#include "host/segments/rule_reasons.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/expression/syntax.h"

namespace kindred {
namespace {

/// As people read it: whole numbers whole, others with two digits behind the point, or four in all.
std::string TextOf(ValueType type, double number) {
  if (type != ValueType::kNumber) return Print(Literal{type, number});
  if (number == std::floor(number) || std::fabs(number) >= 100)
    return fmt::format("{:.{}f}", number, number == std::floor(number) ? 0 : 2);
  return fmt::format("{:.4g}", number);
}

/// A value that stands in a condition.
struct Side {
  std::string label;
  bool varies = false;  // not the same for all rows
  Expression expression;
  std::vector<int> columns;  // of the schema, as the expression reads them
  bool attribute = false;

  /// None where it is missing.
  std::optional<std::string> Value(std::span<const Column> all, double now) const {
    std::vector<Column> read;
    for (const int column : columns) read.push_back(all[static_cast<size_t>(column)]);
    std::vector<RowError> errors;
    std::optional<std::string> value;
    Evaluator evaluator(expression, now);
    if (expression.type() == ValueType::kBoolean) {
      if (attribute && read[0].booleans[0] == kMissingBoolean) return value;
      uint8_t holds = 0;
      evaluator.Select(read, 1, {&holds, 1}, errors);
      return holds != 0 ? "true" : "false";
    }
    if (expression.type() == ValueType::kText) {
      evaluator.Texts(
          read, 1,
          [&](int64_t, std::span<const std::string_view> texts) {
            if (!texts[0].empty()) value = Print(Literal{ValueType::kText, 0, std::string(texts[0])});
          },
          errors);
      return value;
    }
    double number = 0;
    evaluator.Numbers(read, 1, {&number, 1}, errors);
    if (!std::isnan(number)) value = TextOf(expression.type(), number);
    return value;
  }
  std::string WithValue(const std::string& value) const {
    return varies ? fmt::format("{} = {}", label, value) : label;
  }
};

}  // namespace

/// A chain, or a part of one, which has no children.
struct RuleReasons::Node {
  NodeKind kind = NodeKind::kAnd;
  std::vector<Node> children = {};
  // Of a part:
  std::string text = {};  // as it stands, with `not` if that is before it
  bool negated = false;
  std::string symbol = {};  // of a comparison
  std::vector<Side> sides = {};
  std::optional<Side> holds = {};
};

namespace {

using ReasonNode = RuleReasons::Node;

class Builder {
 public:
  Builder(const Syntax& syntax, std::span<const ColumnInfo> schema) : syntax_(syntax), schema_(schema) {}

  /// `denial`: the `not` that stands right before it; -1: none does.
  ReasonNode Build(int index, bool negated, int denial = -1) const {
    const Node& node = syntax_.at(index);
    if (node.kind == NodeKind::kNot) return Build(node.children[0], !negated, index);
    if (node.kind != NodeKind::kAnd && node.kind != NodeKind::kOr) return Part(index, negated, denial);
    ReasonNode chain{(node.kind == NodeKind::kAnd) != negated ? NodeKind::kAnd : NodeKind::kOr};
    for (const int child : node.children) chain.children.push_back(Build(child, negated));
    return chain;
  }

 private:
  ReasonNode Part(int index, bool negated, int denial) const {
    const Node& node = syntax_.at(index);
    ReasonNode part{node.kind};
    part.negated = negated;
    part.symbol = node.symbol;
    part.holds = Whole(index);
    part.text = !negated ? Print(syntax_, index) : denial < 0 ? "not " + Print(syntax_, index) : Print(syntax_, denial);
    if (node.kind == NodeKind::kCompare || node.kind == NodeKind::kInRange) {
      for (const int child : node.children) part.sides.push_back(Whole(child));
    } else if (node.kind != NodeKind::kPresent && node.kind != NodeKind::kAttribute) {
      Attributes(index, &part.sides);
    }
    return part;
  }

  Side Whole(int index) const {
    const Node& node = syntax_.at(index);
    if (node.kind == NodeKind::kAttribute && node.window != 0) {
      static constexpr ColumnInfo kCount[] = {{"count", ColumnType::kNumber}};
      const std::string window = Print(Literal{ValueType::kDuration, static_cast<double>(node.window)});
      return {Print(syntax_, index) + " in " + window, true, Expression::Compile("count", kCount), {node.column}};
    }
    std::string text = Print(syntax_, index);
    Expression expression = Expression::Compile(text, schema_);
    const std::span<const int> columns = expression.columns();
    return {
        std::move(text), node.dynamic, expression, {columns.begin(), columns.end()}, node.kind == NodeKind::kAttribute};
  }

  /// Those in the part, each once; of tags there is no one value.
  void Attributes(int index, std::vector<Side>* sides) const {
    const Node& node = syntax_.at(index);
    if (node.kind == NodeKind::kAttribute && node.type != ValueType::kTags) {
      Side side = Whole(index);
      if (std::none_of(sides->begin(), sides->end(), [&](const Side& known) { return known.label == side.label; }))
        sides->push_back(std::move(side));
    }
    for (const int child : node.children) Attributes(child, sides);
  }

  const Syntax& syntax_;
  std::span<const ColumnInfo> schema_;
};

std::string Turned(const std::string& symbol) {
  static constexpr std::pair<std::string_view, std::string_view> kTurned[] = {{"=", "!="}, {"!=", "="}, {"<", ">="},
                                                                              {">=", "<"}, {">", "<="}, {"<=", ">"}};
  for (const auto& [from, to] : kTurned)
    if (from == symbol) return std::string(to);
  return symbol;
}

std::string ReasonOf(const ReasonNode& part, std::span<const Column> columns, double now) {
  std::vector<std::string> values;
  std::string missing, shown;
  for (const Side& side : part.sides) {
    const std::optional<std::string> value = side.Value(columns, now);
    if (!value) missing += fmt::format("{}{} is missing", missing.empty() ? "" : " and ", side.label);
    values.push_back(value.value_or("missing"));
    shown += fmt::format("{}{} = {}", shown.empty() ? "" : ", ", side.label, values.back());
  }
  const auto with_value = [&](size_t i) { return part.sides[i].WithValue(values[i]); };
  const bool compares = part.kind == NodeKind::kCompare;
  if (!compares && part.kind != NodeKind::kInRange)
    return part.text + (part.sides.empty() ? "" : fmt::format(" ({})", shown));
  if (!missing.empty()) return missing;
  if (!compares)
    return fmt::format("{} {}in {}..{}", with_value(0), part.negated ? "not " : "", with_value(1), with_value(2));
  const std::string symbol = part.negated ? Turned(part.symbol) : part.symbol;
  if (symbol != "=") return fmt::format("{} {} {}", with_value(0), symbol, with_value(1));
  const bool both_vary = part.sides[0].varies && part.sides[1].varies;
  return fmt::format("{} = {}{}", part.sides[0].label, part.sides[1].label, both_vary ? " = " + values[0] : "");
}

/// Whether the node holds; what makes it hold is put behind `reasons`.
bool Gather(const ReasonNode& node, std::span<const Column> columns, double now, std::vector<std::string>* reasons) {
  if (node.holds) {
    const bool holds = (node.holds->Value(columns, now) == "true") != node.negated;
    if (holds) reasons->push_back(ReasonOf(node, columns, now));
    return holds;
  }
  const size_t before = reasons->size();
  const bool all = node.kind == NodeKind::kAnd;
  bool any_holds = false, all_hold = true;
  for (const ReasonNode& child : node.children) {
    const bool holds = Gather(child, columns, now, reasons);
    any_holds |= holds;
    all_hold &= holds;
  }
  const bool holds = all ? all_hold : any_holds;
  if (!holds) reasons->resize(before);
  return holds;
}

}  // namespace

RuleReasons::RuleReasons(std::string_view text, std::span<const ColumnInfo> schema) {
  Syntax syntax = Parse(text);
  CheckTypes(&syntax, schema, /*condition=*/true);
  root_ = std::make_shared<const Node>(Builder(syntax, schema).Build(syntax.root, /*negated=*/false));
}

std::vector<std::string> RuleReasons::Explain(std::span<const Column> columns, double now) const {
  std::vector<std::string> reasons;
  Gather(*root_, columns, now, &reasons);
  return reasons;
}

}  // namespace kindred
