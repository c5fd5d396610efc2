#include "host/segments/contradictions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "host/expression/syntax.h"

namespace kindred {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// An end of an interval, and the comparison that set it (a node; -1: none).
struct End {
  double at = 0;
  bool open = false;  // the end itself is not in it
  int by = -1;
};

/// What is left of the values of an attribute.
struct Left {
  End low{-kInfinity}, high{kInfinity};
  std::vector<std::pair<double, int>> holes;
  std::optional<std::set<std::string>> texts;  // none: any
  int texts_by = -1, texts_emptied_by = -1;
  int present = -1, missing = -1;  // what a missing value does not meet, and what only a missing one does
  bool whole = false;
};

using Pair = std::pair<int, int>;  // comparisons that exclude each other; the second may be -1

class Search {
 public:
  Search(const Syntax& syntax, std::span<const ColumnInfo> schema, std::span<const bool> counts)
      : syntax_(syntax), schema_(schema), counts_(counts), denied_(syntax.nodes.size()) {}

  std::optional<Pair> Whole() { return Impossible({{syntax_.root, false}}, {}); }

  /// A comparison that was looked at, as it counts.
  std::string TextOf(int index) const {
    const Node& node = syntax_.at(index);
    if (!denied_[static_cast<size_t>(index)]) return Print(syntax_, index);
    if (node.kind == NodeKind::kPresent) return Print(syntax_, node.children[0]) + " is missing";
    return "not " + Print(syntax_, index);
  }

 private:
  using Bounds = std::map<int, Left>;  // by column
  struct Part {
    int node;
    bool negated;
  };

  /// Whether all parts cannot hold together within the bounds.
  std::optional<Pair> Impossible(std::vector<Part> parts, Bounds bounds) {
    std::vector<Part> choices;
    for (size_t i = 0; i < parts.size(); ++i) {
      const Part part = parts[i];
      const Node& node = syntax_.at(part.node);
      const bool chain = node.kind == NodeKind::kAnd || node.kind == NodeKind::kOr;
      if (node.kind == NodeKind::kNot) {
        parts.push_back({node.children[0], !part.negated});
      } else if (!chain) {
        denied_[static_cast<size_t>(part.node)] = part.negated;
        Narrow(part.node, part.negated, &bounds);
      } else if ((node.kind == NodeKind::kAnd) != part.negated) {
        for (const int child : node.children) parts.push_back({child, part.negated});
      } else {
        choices.push_back(part);
      }
    }
    if (const std::optional<Pair> found = Exclude(bounds)) return found;
    for (const Part& choice : choices) {
      std::optional<Pair> first;
      for (const int child : syntax_.at(choice.node).children) {
        const std::optional<Pair> found = Impossible({{child, choice.negated}}, bounds);
        if (!found) {
          first.reset();
          break;
        }
        if (!first) first = found;
      }
      if (first) return first;
    }
    return std::nullopt;
  }

  Left& Of(int column, Bounds* bounds) const {
    const auto [found, added] = bounds->try_emplace(column);
    if (added && counts_[static_cast<size_t>(column)]) {
      found->second.low.at = 0;
      found->second.whole = true;
    }
    return found->second;
  }

  static void Raise(Left* left, double at, bool open, int by) {
    if (at > left->low.at || (at == left->low.at && open && !left->low.open)) left->low = {at, open, by};
  }
  static void Lower(Left* left, double at, bool open, int by) {
    if (at < left->high.at || (at == left->high.at && open && !left->high.open)) left->high = {at, open, by};
  }

  void Narrow(int index, bool negated, Bounds* bounds) const {
    const Node& node = syntax_.at(index);
    if (node.kind == NodeKind::kCompare) return Compare(index, negated, bounds);
    if (node.kind != NodeKind::kInRange && node.kind != NodeKind::kInList && node.kind != NodeKind::kPresent) return;
    const Node& value = syntax_.child(node, 0);
    if (value.kind != NodeKind::kAttribute || value.type == ValueType::kTags) return;
    if (negated && node.kind == NodeKind::kPresent) Of(value.column, bounds).missing = index;
    if (negated) return;
    Left& left = Of(value.column, bounds);
    left.present = index;
    if (node.kind == NodeKind::kInList && value.type == ValueType::kText) {
      std::set<std::string> texts;
      for (const Literal& literal : node.list) texts.insert(literal.text);
      OneOf(&left, texts, index);
    } else if (node.kind == NodeKind::kInList) {
      double low = kInfinity, high = -kInfinity;
      for (const Literal& literal : node.list)
        low = std::min(low, literal.number), high = std::max(high, literal.number);
      Raise(&left, low, false, index);
      Lower(&left, high, false, index);
    } else if (node.kind == NodeKind::kInRange && value.type != ValueType::kText) {
      if (const std::optional<Literal> least = Constant(node, 1)) Raise(&left, least->number, false, index);
      if (const std::optional<Literal> most = Constant(node, 2)) Lower(&left, most->number, false, index);
    }
  }

  std::optional<Literal> Constant(const Node& node, size_t child) const {
    const Node& side = syntax_.child(node, child);
    if (side.kind == NodeKind::kLiteral) return side.list[0];
    if (side.kind != NodeKind::kNegate || syntax_.child(side, 0).kind != NodeKind::kLiteral) return std::nullopt;
    Literal literal = syntax_.child(side, 0).list[0];
    literal.number = -literal.number;
    return literal;
  }

  static void OneOf(Left* left, const std::set<std::string>& texts, int by) {
    if (!left->texts) {
      left->texts = texts;
      left->texts_by = by;
      return;
    }
    std::set<std::string> both;
    std::set_intersection(texts.begin(), texts.end(), left->texts->begin(), left->texts->end(),
                          std::inserter(both, both.end()));
    if (both.empty() && !left->texts->empty()) left->texts_emptied_by = by;
    left->texts = std::move(both);
  }

  void Compare(int index, bool negated, Bounds* bounds) const {
    const Node& node = syntax_.at(index);
    const bool turned = syntax_.child(node, 0).kind != NodeKind::kAttribute;
    const Node& value = syntax_.child(node, turned ? 1 : 0);
    const std::optional<Literal> constant = Constant(node, turned ? 0 : 1);
    if (value.kind != NodeKind::kAttribute || !constant || constant->type == ValueType::kBoolean) return;
    const bool counts = counts_[static_cast<size_t>(value.column)];
    if (negated && !counts) return;  // a missing value meets it
    std::string_view symbol = node.symbol;
    if (negated)
      symbol = symbol == "="    ? "!="
               : symbol == "!=" ? "="
               : symbol == "<"  ? ">="
               : symbol == ">=" ? "<"
               : symbol == ">"  ? "<="
                                : ">";
    if (turned && symbol != "=" && symbol != "!=")
      symbol = symbol == "<" ? ">" : symbol == ">" ? "<" : symbol == "<=" ? ">=" : "<=";
    Left& left = Of(value.column, bounds);
    left.present = index;
    if (constant->type == ValueType::kText) {
      if (symbol == "=") OneOf(&left, {constant->text}, index);
      return;
    }
    const double at = constant->number;
    if (symbol == "!=") left.holes.emplace_back(at, index);
    if (symbol[0] == '>' || symbol == "=") Raise(&left, at, symbol == ">", index);
    if (symbol[0] == '<' || symbol == "=") Lower(&left, at, symbol == "<", index);
  }

  /// Of each attribute alone, then of counts of one name by their windows.
  std::optional<Pair> Exclude(Bounds& bounds) const {
    for (auto& [column, left] : bounds) {
      if (left.missing >= 0 && left.whole) return Pair(left.missing, -1);
      if (left.missing >= 0 && left.present >= 0) return Pair(left.missing, left.present);
      if (left.texts && left.texts->empty()) return Pair(left.texts_by, left.texts_emptied_by);
      if (left.whole) MakeWhole(&left);
      if (const std::optional<Pair> found = Empty(left)) return found;
    }
    // A count in a window is at most that in a longer one.
    for (auto& [column, left] : bounds)
      for (auto& [longer, more] : bounds)
        if (left.whole && more.whole && InOther(column, longer) && left.low.at > more.high.at)
          return Pair(left.low.by, more.high.by);
    return std::nullopt;
  }

  static void MakeWhole(Left* left) {
    left->low = {left->low.open ? std::floor(left->low.at) + 1 : std::ceil(left->low.at), false, left->low.by};
    left->high = {left->high.open ? std::ceil(left->high.at) - 1 : std::floor(left->high.at), false, left->high.by};
  }

  static std::optional<Pair> Empty(const Left& left) {
    const auto pair = [](int a, int b) { return a < 0 || a == b ? Pair(b, -1) : Pair(a, b < 0 ? -1 : b); };
    if (left.low.at > left.high.at || (left.low.at == left.high.at && (left.low.open || left.high.open)))
      return pair(left.low.by, left.high.by);
    if (left.low.at == left.high.at)
      for (const auto& [at, by] : left.holes)
        if (at == left.low.at) return pair(left.low.by, by);
    return std::nullopt;
  }

  bool InOther(int column, int longer) const {
    const ColumnInfo& one = schema_[static_cast<size_t>(column)];
    const ColumnInfo& other = schema_[static_cast<size_t>(longer)];
    return one.name == other.name && one.window != 0 && (other.window == 0 || one.window < other.window);
  }

  const Syntax& syntax_;
  std::span<const ColumnInfo> schema_;
  std::span<const bool> counts_;
  std::vector<bool> denied_;  // of each node
};

}  // namespace

std::string FindContradiction(std::string_view text, std::span<const ColumnInfo> schema, std::span<const bool> counts) {
  Syntax syntax = Parse(text);
  CheckTypes(&syntax, schema, /*condition=*/true);
  Search search(syntax, schema, counts);
  const std::optional<Pair> found = search.Whole();
  if (!found) return {};
  const auto [first, second] = *found;
  if (second < 0) return fmt::format("'{}' cannot hold", search.TextOf(first));
  const bool in_order = syntax.at(first).begin <= syntax.at(second).begin;
  return fmt::format("'{}' and '{}' exclude each other", search.TextOf(in_order ? first : second),
                     search.TextOf(in_order ? second : first));
}

}  // namespace kindred
