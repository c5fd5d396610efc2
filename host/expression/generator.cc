// From a typed tree to a linear program.
#include <algorithm>
#include <map>

#include "host/expression/program.h"

namespace kindred {
namespace {

enum class Bank : uint8_t { kNumbers, kTexts, kBooleans };

Bank BankOf(ValueType type) {
  if (type == ValueType::kBoolean) return Bank::kBooleans;
  return type == ValueType::kText ? Bank::kTexts : Bank::kNumbers;
}

template <typename Value>
Op Offset(Op first, Value by) {
  return static_cast<Op>(static_cast<int>(first) + static_cast<int>(by));
}

/// Temporaries of one bank; the lowest free one is next, so that few are touched.
class Temporaries {
 public:
  int32_t Take() {
    const auto free = std::find(taken_.begin(), taken_.end(), false);
    const auto index = static_cast<int32_t>(free - taken_.begin());
    if (free == taken_.end()) taken_.push_back(true);
    taken_[static_cast<size_t>(index)] = true;
    return index;
  }
  void Give(int32_t index) { taken_[static_cast<size_t>(index)] = false; }
  int count() const { return static_cast<int>(taken_.size()); }

 private:
  std::vector<bool> taken_;
};

class Generator {
 public:
  Generator(const Syntax& syntax, std::span<const ColumnInfo> schema) : syntax_(syntax), schema_(schema) {}

  Program Whole() && {
    FindColumns();
    const Node& root = syntax_.at(syntax_.root);
    program_.type = root.type;
    program_.result = Value(root);
    if (root.type == ValueType::kBoolean) program_.result = Condition(root, program_.result);
    program_.n_number_temporaries = temporaries_[0].count();
    program_.n_text_temporaries = temporaries_[1].count();
    program_.n_boolean_temporaries = temporaries_[2].count();
    return std::move(program_);
  }

 private:
  void FindColumns() {
    for (const Node& node : syntax_.nodes)
      if (node.kind == NodeKind::kAttribute) program_.columns.push_back(node.column);
    std::sort(program_.columns.begin(), program_.columns.end());
    program_.columns.erase(std::unique(program_.columns.begin(), program_.columns.end()), program_.columns.end());
    for (const int column : program_.columns) {
      program_.column_types.push_back(schema_[static_cast<size_t>(column)].type);
      program_.names.emplace_back(schema_[static_cast<size_t>(column)].name);
    }
  }

  int Place(const Node& attribute) const {
    const auto found = std::lower_bound(program_.columns.begin(), program_.columns.end(), attribute.column);
    return static_cast<int>(found - program_.columns.begin());
  }
  /// Tags are always an attribute, perhaps in tags(...).
  int PlaceOfTags(const Node& node) const {
    return Place(node.kind == NodeKind::kAttribute ? node : syntax_.child(node, 0));
  }

  Register Load(const Node& attribute) {
    const std::pair<int, ValueType> key(Place(attribute), attribute.type);
    const auto [found, added] = loads_.emplace(key, static_cast<int32_t>(program_.loads.size()));
    if (added) program_.loads.push_back({key.first, key.second});
    return {RegisterKind::kLoad, found->second};
  }

  Register NewScalar(Bank bank) {
    const auto append = [](auto* values) {
      values->emplace_back();
      return Register{RegisterKind::kScalar, static_cast<int32_t>(values->size()) - 1};
    };
    if (bank == Bank::kNumbers) return append(&program_.numbers);
    return bank == Bank::kTexts ? append(&program_.texts) : append(&program_.booleans);
  }

  Register Constant(const Literal& literal) {
    const Register scalar = NewScalar(BankOf(literal.type));
    const auto index = static_cast<size_t>(scalar.index);
    if (literal.type == ValueType::kText) {
      program_.texts[index] = literal.text;
    } else if (literal.type == ValueType::kBoolean) {
      program_.booleans[index] = literal.number != 0;
    } else {
      program_.numbers[index] = literal.number;
    }
    return scalar;
  }

  void Free(Bank bank, Register used) {
    if (used.kind == RegisterKind::kTemporary) temporaries_[static_cast<int>(bank)].Give(used.index);
  }
  Register NewTemporary(Bank bank) { return {RegisterKind::kTemporary, temporaries_[static_cast<int>(bank)].Take()}; }

  struct Operand {
    Bank bank;
    Register value;
    bool kept = false;
  };
  /// Adds an instruction. Its result is a register of its own: loops never write where they read. Operands that are not
  /// kept are free from then on.
  Register Emit(Op op, Bank bank, bool dynamic, std::initializer_list<Operand> operands, int32_t data = 0) {
    Instruction instruction;
    instruction.op = op;
    instruction.data = data;
    Register* const places[] = {&instruction.a, &instruction.b, &instruction.c};
    size_t n = 0;
    for (const Operand& operand : operands) *places[n++] = operand.value;
    instruction.out = dynamic ? NewTemporary(bank) : NewScalar(bank);
    for (const Operand& operand : operands)
      if (!operand.kept) Free(operand.bank, operand.value);
    (dynamic ? program_.body : program_.prologue).push_back(instruction);
    return instruction.out;
  }

  /// As many values as there are rows, for operations that have no form with scalars.
  Register Spread(Bank bank, bool dynamic, Register value) {
    if (!dynamic || !value.scalar()) return value;
    const Op op = bank == Bank::kNumbers ? Op::kBroadcastNumber
                  : bank == Bank::kTexts ? Op::kBroadcastText
                                         : Op::kBroadcastBoolean;
    return Emit(op, bank, true, {{bank, value}});
  }

  /// Whether a boolean may be missing, rather than only true or false.
  bool MayBeMissing(const Node& node) const {
    return node.kind == NodeKind::kAttribute ||
           (node.kind == NodeKind::kCall && (node.function == Function::kIf || node.function == Function::kCoalesce ||
                                             node.function == Function::kAsBoolean));
  }
  Register Condition(const Node& node, Register value) {
    return MayBeMissing(node) ? Emit(Op::kIsTrue, Bank::kBooleans, node.dynamic, {{Bank::kBooleans, value}}) : value;
  }
  Register Condition(const Node& node) { return Condition(node, Value(node)); }

  /// The one column of texts that the node's value depends on; -1: none, or others as well.
  int OnlyTextColumn(const Node& node) {
    if (node.kind == NodeKind::kAttribute)
      return schema_[static_cast<size_t>(node.column)].type == ColumnType::kText ? node.column : -1;
    int only = -1;
    for (const int index : node.children) {
      const Node& child = syntax_.at(index);
      if (!child.dynamic) continue;
      const int column = OnlyTextColumn(child);
      if (column < 0 || (only >= 0 && only != column)) return -1;
      only = column;
    }
    return only;
  }

  Register Value(const Node& node) {
    const bool leaf = node.kind == NodeKind::kAttribute || node.kind == NodeKind::kLiteral;
    const bool tabulated = !tabulating_ && !leaf && node.dynamic && node.type != ValueType::kText;
    const int column = tabulated ? OnlyTextColumn(node) : -1;
    if (column < 0) return Untabulated(node);

    const size_t head = program_.body.size();
    program_.body.emplace_back();
    tabulating_ = true;
    const Register result = Untabulated(node);
    tabulating_ = false;
    Instruction& instruction = program_.body[head];
    const bool boolean = node.type == ValueType::kBoolean;
    instruction.op = boolean ? Op::kTabulatedBooleans : Op::kTabulatedNumbers;
    instruction.out = result;
    instruction.a = TextLoadOf(node);
    instruction.b.index = program_.n_tables++;
    instruction.data = static_cast<int32_t>(program_.body.size());
    return result;
  }
  Register TextLoadOf(const Node& node) {
    if (node.kind == NodeKind::kAttribute) return Load(node);
    for (const int child : node.children)
      if (syntax_.at(child).dynamic) return TextLoadOf(syntax_.at(child));
    return {};
  }

  Register Untabulated(const Node& node) {
    switch (node.kind) {
      case NodeKind::kLiteral:
        return Constant(node.list[0]);
      case NodeKind::kAttribute:
        return Load(node);
      case NodeKind::kNegate:
        return Unary(Op::kNegate, node);
      case NodeKind::kNot:
        return Emit(Op::kNot, Bank::kBooleans, node.dynamic, {{Bank::kBooleans, Condition(syntax_.child(node, 0))}});
      case NodeKind::kArithmetic:
        return Binary(Offset(Op::kAdd, std::string_view("+-*/%").find(node.symbol)), Bank::kNumbers, node);
      case NodeKind::kCompare:
        return Compare(node);
      case NodeKind::kInList:
        return InList(node);
      case NodeKind::kInTags:
        return HasTag(syntax_.child(node, 1), syntax_.child(node, 0));
      case NodeKind::kInRange:
        return Range(node);
      case NodeKind::kPresent:
        return Present(node);
      case NodeKind::kAnd:
      case NodeKind::kOr:
        return Chain(node);
      case NodeKind::kCall:
        return Call(node);
    }
    return {};
  }

  Register Unary(Op op, const Node& node) {
    const Node& child = syntax_.child(node, 0);
    return Emit(op, BankOf(node.type), node.dynamic, {{BankOf(child.type), Value(child)}});
  }
  Register Binary(Op op, Bank bank, const Node& node) {
    const Node& left = syntax_.child(node, 0);
    const Node& right = syntax_.child(node, 1);
    const Operand a{BankOf(left.type), Value(left)}, b{BankOf(right.type), Value(right)};
    return Emit(op, bank, node.dynamic, {a, b});
  }

  Register Compare(const Node& node) {
    static constexpr std::string_view kSymbols[] = {"=", "!=", "<", "<=", ">", ">="};
    const auto index = std::find(std::begin(kSymbols), std::end(kSymbols), node.symbol) - std::begin(kSymbols);
    const Node& left = syntax_.child(node, 0);
    const Node& right = syntax_.child(node, 1);
    switch (BankOf(left.type)) {
      case Bank::kNumbers:
        return Binary(Offset(Op::kEqual, index), Bank::kBooleans, node);
      case Bank::kTexts:
        return Binary(Offset(Op::kTextsEqual, index), Bank::kBooleans, node);
      default: {
        const Operand a{Bank::kBooleans, Spread(Bank::kBooleans, node.dynamic, Value(left))};
        const Operand b{Bank::kBooleans, Spread(Bank::kBooleans, node.dynamic, Value(right))};
        return Emit(Offset(Op::kBooleansEqual, index), Bank::kBooleans, node.dynamic, {a, b});
      }
    }
  }

  Register InList(const Node& node) {
    const Node& child = syntax_.child(node, 0);
    if (child.type == ValueType::kTags || child.type == ValueType::kText) {
      TextSet set;
      for (const Literal& literal : node.list)
        if (!literal.text.empty()) set.insert(literal.text);
      const auto index = static_cast<int32_t>(program_.text_sets.size());
      program_.text_sets.push_back(std::move(set));
      if (child.type == ValueType::kText)
        return Emit(Op::kInTexts, Bank::kBooleans, node.dynamic, {{Bank::kTexts, Value(child)}}, index);
      const Register any = Emit(Op::kAnyTag, Bank::kBooleans, true, {}, PlaceOfTags(child));
      program_.body.back().b.index = index;
      program_.body.back().c.index = program_.n_tables++;
      return any;
    }
    std::vector<double> set;
    for (const Literal& literal : node.list) set.push_back(literal.number);
    std::sort(set.begin(), set.end());
    set.erase(std::unique(set.begin(), set.end()), set.end());
    const auto index = static_cast<int32_t>(program_.number_sets.size());
    program_.number_sets.push_back(std::move(set));
    return Emit(Op::kInNumbers, Bank::kBooleans, node.dynamic, {{Bank::kNumbers, Value(child)}}, index);
  }

  /// least <= value and value <= most.
  Register Range(const Node& node) {
    const Bank bank = BankOf(syntax_.child(node, 0).type);
    const Register value = Value(syntax_.child(node, 0));
    const auto half = [&](size_t i, Op op) {
      const Node& end = syntax_.child(node, i);
      const bool dynamic = !value.scalar() || end.dynamic;
      const Operand bound{bank, Value(end)};
      const Register holds = Emit(op, Bank::kBooleans, dynamic, {{bank, value, /*kept=*/true}, bound});
      return Operand{Bank::kBooleans, Spread(Bank::kBooleans, node.dynamic, holds)};
    };
    const bool texts = bank == Bank::kTexts;
    const Operand least = half(1, texts ? Op::kTextsGreaterEqual : Op::kGreaterEqual);
    const Operand most = half(2, texts ? Op::kTextsLessEqual : Op::kLessEqual);
    Free(bank, value);
    return Emit(Op::kAnd, Bank::kBooleans, node.dynamic, {least, most});
  }

  Register Present(const Node& node) {
    const Node& child = syntax_.child(node, 0);
    switch (child.type) {
      case ValueType::kTags:
        return Emit(Op::kTagsPresent, Bank::kBooleans, true, {}, PlaceOfTags(child));
      case ValueType::kText:
        return Unary(Op::kTextPresent, node);
      case ValueType::kBoolean:
        return Unary(Op::kBooleanPresent, node);
      default:
        return Unary(Op::kNumberPresent, node);
    }
  }

  Register Chain(const Node& node) {
    const Op op = node.kind == NodeKind::kAnd ? Op::kAnd : Op::kOr;
    Register left = Spread(Bank::kBooleans, node.dynamic, Condition(syntax_.child(node, 0)));
    for (size_t i = 1; i < node.children.size(); ++i) {
      const Register right = Spread(Bank::kBooleans, node.dynamic, Condition(syntax_.child(node, i)));
      left = Emit(op, Bank::kBooleans, node.dynamic, {{Bank::kBooleans, left}, {Bank::kBooleans, right}});
    }
    return left;
  }

  /// min, max and coalesce, from left to right.
  Register Fold(Op op, const Node& node) {
    const Bank bank = BankOf(node.type);
    const bool spread = bank != Bank::kNumbers;
    bool dynamic = syntax_.child(node, 0).dynamic;
    Register left = Value(syntax_.child(node, 0));
    for (size_t i = 1; i < node.children.size(); ++i) {
      const Node& next = syntax_.child(node, i);
      dynamic |= next.dynamic;
      Register right = Value(next);
      if (spread) {
        left = Spread(bank, dynamic, left);
        right = Spread(bank, dynamic, right);
      }
      left = Emit(op, bank, dynamic, {{bank, left}, {bank, right}});
    }
    return left;
  }

  Register If(const Node& node) {
    const Bank bank = BankOf(node.type);
    const auto spread = [&](Bank of, Register value) { return Operand{of, Spread(of, node.dynamic, value)}; };
    const Operand condition = spread(Bank::kBooleans, Condition(syntax_.child(node, 0)));
    const Operand yes = spread(bank, Value(syntax_.child(node, 1)));
    const Operand no = spread(bank, Value(syntax_.child(node, 2)));
    const Op op = bank == Bank::kNumbers ? Op::kIfNumbers : bank == Bank::kTexts ? Op::kIfTexts : Op::kIfBooleans;
    return Emit(op, bank, node.dynamic, {condition, yes, no});
  }

  Register HasTag(const Node& tags, const Node& text) {
    const Register has = Emit(Op::kHasTag, Bank::kBooleans, true, {{Bank::kTexts, Value(text)}}, PlaceOfTags(tags));
    program_.body.back().c.index = program_.n_tables++;
    return has;
  }

  Register ChangeCase(Op op, const Node& node) {
    const Register changed = Unary(op, node);
    (node.dynamic ? program_.body : program_.prologue).back().data = program_.n_arenas++;
    return changed;
  }

  Register Call(const Node& node) {
    switch (node.function) {
      case Function::kLower:
      case Function::kUpper:
        return ChangeCase(node.function == Function::kLower ? Op::kLower : Op::kUpper, node);
      case Function::kTrim:
        return Unary(Op::kTrim, node);
      case Function::kContains:
        if (syntax_.child(node, 0).type == ValueType::kTags)
          return HasTag(syntax_.child(node, 0), syntax_.child(node, 1));
        return Binary(Op::kContains, Bank::kBooleans, node);
      case Function::kStartsWith:
        return Binary(Op::kStartsWith, Bank::kBooleans, node);
      case Function::kEndsWith:
        return Binary(Op::kEndsWith, Bank::kBooleans, node);
      case Function::kLength:
        if (syntax_.child(node, 0).type != ValueType::kTags) return Unary(Op::kTextLength, node);
        return Emit(Op::kTagsLength, Bank::kNumbers, true, {}, PlaceOfTags(syntax_.child(node, 0)));
      case Function::kAbs:
        return Unary(Op::kAbsolute, node);
      case Function::kRound:
      case Function::kFloor:
      case Function::kCeil:
        return Unary(Offset(Op::kRound, static_cast<int>(node.function) - static_cast<int>(Function::kRound)), node);
      case Function::kMin:
        return Fold(Op::kMinimum, node);
      case Function::kMax:
        return Fold(Op::kMaximum, node);
      case Function::kCoalesce:
        return Fold(BankOf(node.type) == Bank::kNumbers ? Op::kCoalesceNumbers
                    : BankOf(node.type) == Bank::kTexts ? Op::kCoalesceTexts
                                                        : Op::kCoalesceBooleans,
                    node);
      case Function::kIf:
        return If(node);
      case Function::kYear:
      case Function::kMonth:
      case Function::kDay:
      case Function::kWeekday:
      case Function::kHour:
        return Unary(Offset(Op::kYear, static_cast<int>(node.function) - static_cast<int>(Function::kYear)), node);
      case Function::kNow:
        program_.uses_now = true;
        return {RegisterKind::kScalar, 0};
      default:  // number(x) and the like: the checker has said how x is read
        return Value(syntax_.child(node, 0));
    }
  }

  const Syntax& syntax_;
  std::span<const ColumnInfo> schema_;
  Program program_;
  std::map<std::pair<int, ValueType>, int32_t> loads_;
  Temporaries temporaries_[3];
  bool tabulating_ = false;
};

}  // namespace

Program Generate(const Syntax& syntax, std::span<const ColumnInfo> schema) {
  return Generator(syntax, schema).Whole();
}

}  // namespace kindred
