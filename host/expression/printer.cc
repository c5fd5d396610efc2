#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <iterator>

#include "host/expression/lexer.h"
#include "host/expression/syntax.h"
#include "host/text/text.h"

namespace kindred {
namespace {

/// Between quotes, so that the lexer reads the same bytes back.
std::string Quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const char c = rest[0];
    if (c == quote || c == '\\') {
      out += '\\';
      out += c;
      ++at;
    } else {
      const size_t bytes = PrintableBytes(rest);
      if (bytes == 0) fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
      out += rest.substr(0, bytes);
      at += std::max<size_t>(bytes, 1);
    }
  }
  return out + quote;
}

std::string Time(double seconds) {
  using namespace std::chrono;
  const auto whole = static_cast<int64_t>(seconds);
  const int64_t day = (whole - (((whole % 86400) + 86400) % 86400)) / 86400;
  const int64_t in_day = whole - day * 86400;
  const year_month_day date{sys_days(days(day))};
  std::string out = fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                                static_cast<unsigned>(date.day()));
  if (in_day != 0) out += fmt::format("T{:02}:{:02}:{:02}Z", in_day / 3600, in_day / 60 % 60, in_day % 60);
  return out;
}

std::string Duration(double seconds) {
  static constexpr std::pair<double, char> kUnits[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}};
  for (const auto& [unit, letter] : kUnits)
    if (seconds != 0 && std::fmod(seconds, unit) == 0 && seconds / unit * unit == seconds)
      return fmt::format("{}{}", seconds / unit, letter);
  return fmt::format("{}s", seconds);
}

class Printer {
 public:
  explicit Printer(const Syntax& syntax) : syntax_(syntax) {}

  std::string Part(int node) && {
    Write(syntax_.at(node));
    return std::move(out_);
  }
  std::string Only(const Literal& literal) && {
    Write(literal);
    return std::move(out_);
  }

 private:
  /// How tightly the node binds: or, and, not, comparisons, sums, products, unary minus, the rest.
  int LevelOf(const Node& node) const {
    switch (node.kind) {
      case NodeKind::kOr:
        return 1;
      case NodeKind::kAnd:
        return 2;
      case NodeKind::kNot: {
        const NodeKind child = syntax_.child(node, 0).kind;
        return child == NodeKind::kInList || child == NodeKind::kInTags || child == NodeKind::kInRange ||
                       child == NodeKind::kPresent
                   ? 4
                   : 3;
      }
      case NodeKind::kCompare:
      case NodeKind::kInList:
      case NodeKind::kInTags:
      case NodeKind::kInRange:
      case NodeKind::kPresent:
        return 4;
      case NodeKind::kArithmetic:
        return Is(node, "+") || Is(node, "-") ? 5 : 6;
      case NodeKind::kNegate:
        return 7;
      default:
        return 8;
    }
  }

  /// In parentheses where it binds less tightly than `level`.
  void Write(const Node& node, int level) {
    const bool parentheses = LevelOf(node) < level;
    if (parentheses) out_ += '(';
    Write(node);
    if (parentheses) out_ += ')';
  }

  void Write(const Node& node) {
    switch (node.kind) {
      case NodeKind::kLiteral:
        return Write(node.list[0]);
      case NodeKind::kAttribute:
        out_ += IsPlainName(node.name) ? node.name : Quoted(node.name, '`');
        return;
      case NodeKind::kNegate:
        out_ += '-';
        return Write(syntax_.child(node, 0), 7);
      case NodeKind::kNot:
        if (LevelOf(node) == 4) return WriteTest(syntax_.child(node, 0), /*negated=*/true);
        out_ += "not ";
        return Write(syntax_.child(node, 0), 3);
      case NodeKind::kAnd:
        return WriteChain(node, " and ", 3);
      case NodeKind::kOr:
        return WriteChain(node, " or ", 2);
      case NodeKind::kCompare:
      case NodeKind::kArithmetic: {
        const int level = LevelOf(node);
        const bool compare = node.kind == NodeKind::kCompare;
        Write(syntax_.child(node, 0), compare ? 5 : level);
        out_ += fmt::format(" {} ", node.symbol);
        Write(syntax_.child(node, 1), level + 1);
        return WriteWindow(node);
      }
      case NodeKind::kCall:
        out_ += node.name;
        out_ += '(';
        WriteChain(node, ", ", 1);
        out_ += ')';
        return;
      default:
        return WriteTest(node, /*negated=*/false);
    }
  }

  void WriteChain(const Node& node, std::string_view between, int level) {
    for (size_t i = 0; i < node.children.size(); ++i) {
      if (i > 0) out_ += between;
      Write(syntax_.child(node, i), level);
    }
  }

  void WriteTest(const Node& node, bool negated) {
    Write(syntax_.child(node, 0), 5);
    if (node.kind == NodeKind::kPresent) {
      out_ += negated ? " is missing" : " is present";
      return;
    }
    out_ += negated ? " not in " : " in ";
    if (node.kind == NodeKind::kInTags) return Write(syntax_.child(node, 1), 5);
    if (node.kind == NodeKind::kInRange) {
      Write(syntax_.child(node, 1), 5);
      out_ += "..";
      Write(syntax_.child(node, 2), 5);
      return WriteWindow(node);
    }
    out_ += '[';
    for (size_t i = 0; i < node.list.size(); ++i) {
      if (i > 0) out_ += ", ";
      Write(node.list[i]);
    }
    out_ += ']';
  }

  void WriteWindow(const Node& node) {
    if (node.window != 0) out_ += " in " + Duration(static_cast<double>(node.window));
  }

  void Write(const Literal& literal) {
    switch (literal.type) {
      case ValueType::kBoolean:
        out_ += literal.number != 0 ? "true" : "false";
        return;
      case ValueType::kNumber:
        fmt::format_to(std::back_inserter(out_), "{}", literal.number);
        return;
      case ValueType::kTime:
        out_ += Time(literal.number);
        return;
      case ValueType::kDuration:
        out_ += Duration(literal.number);
        return;
      default:
        out_ += Quoted(literal.text, '"');
    }
  }

  const Syntax& syntax_;
  std::string out_;
};

}  // namespace

std::string Print(const Syntax& syntax) {
  return Print(syntax, syntax.root);
}

std::string Print(const Syntax& syntax, int node) {
  return Printer(syntax).Part(node);
}

std::string Print(const Literal& literal) {
  return Printer({}).Only(literal);
}

}  // namespace kindred
