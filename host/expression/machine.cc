#include "host/expression/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

template <typename Value>
Value* Reserve(std::vector<Value>* buffer) {
  if (buffer->empty()) buffer->resize(kTile);
  return buffer->data();
}

}  // namespace

Machine::Machine(const Program& program)
    : program_(program),
      loads_(program.loads.size()),
      numbers_(program.numbers),
      number_temporaries_(static_cast<size_t>(program.n_number_temporaries) * kTile),
      texts_(program.texts.begin(), program.texts.end()),
      text_temporaries_(static_cast<size_t>(program.n_text_temporaries) * kTile),
      booleans_(program.booleans),
      boolean_temporaries_(static_cast<size_t>(program.n_boolean_temporaries) * kTile),
      arenas_(static_cast<size_t>(program.n_arenas)),
      tables_(static_cast<size_t>(program.n_tables)) {}

namespace {

/// Whether the column stores n rows in one of the ways that its type has.
bool Stores(const Column& column, int64_t n_rows) {
  const auto n = static_cast<size_t>(n_rows);
  switch (column.type) {
    case ColumnType::kUntyped:
      return column.texts.size() >= n;
    case ColumnType::kText:
      return column.texts.size() >= n || column.codes.size() >= n;
    case ColumnType::kNumber:
    case ColumnType::kTime:
      return column.reals.size() >= n || column.floats.size() >= n || column.integers.size() >= n;
    case ColumnType::kBoolean:
      return column.booleans.size() >= n;
    case ColumnType::kTags:
      return column.texts.size() >= n || column.indptr.size() >= n + 1;
  }
  return false;
}

}  // namespace

void Machine::Bind(std::span<const Column> given, int64_t n_rows) {
  if (given.size() != program_.columns.size())
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{} columns for an expression; expected the {} that it reads",
                                                         given.size(), program_.columns.size()));
  for (size_t i = 0; i < given.size(); ++i) {
    const ColumnType type = program_.column_types[i];
    if (given[i].type != type || !Stores(given[i], n_rows))
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("column '{}' is not {} rows of type {}, as the expression was compiled for",
                              Printable(program_.names[i]), n_rows, NameOf(type)));
  }
  columns_ = given;
  for (size_t i = 0; i < loads_.size(); ++i) {
    loads_[i].column = &given[static_cast<size_t>(program_.loads[i].place)];
    loads_[i].ready = false;
  }
}

void Machine::Run(std::span<const Column> given, int64_t n_rows, double now, std::vector<RowError>* row_errors,
                  const std::function<void(int64_t, int64_t)>& take) {
  row_errors->clear();
  Bind(given, n_rows);
  errors_ = row_errors;
  numbers_[0] = now;
  n_ = 1;
  Execute(program_.prologue, 0, program_.prologue.size());
  for (size_t at = 0; at < program_.body.size(); ++at) {
    const Instruction& instruction = program_.body[at];
    if (instruction.op == Op::kTabulatedNumbers || instruction.op == Op::kTabulatedBooleans)
      Tabulate(instruction, at, n_rows);
    if (instruction.op == Op::kHasTag || instruction.op == Op::kAnyTag) TabulateTags(instruction);
  }
  for (first_ = 0; first_ < n_rows; first_ += kTile) {
    n_ = std::min(kTile, n_rows - first_);
    for (LoadState& load : loads_) load.ready = false;
    Execute(program_.body, 0, program_.body.size());
    take(first_, n_);
  }
  std::sort(row_errors->begin(), row_errors->end(), [](const RowError& a, const RowError& b) {
    return std::tuple(a.row, a.column, a.expected) < std::tuple(b.row, b.column, b.expected);
  });
}

void Machine::Tabulate(const Instruction& instruction, size_t at, int64_t n_rows) {
  Table& table = tables_[static_cast<size_t>(instruction.b.index)];
  LoadState& load = LoadOf(instruction.a);
  const auto dictionary = load.column->dictionary;
  table.used = load.column->texts.empty() && static_cast<int64_t>(dictionary.size()) <= n_rows;
  if (!table.used) return;

  const bool boolean = instruction.op == Op::kTabulatedBooleans;
  if (boolean) {
    table.booleans.resize(1 + dictionary.size());
  } else {
    table.numbers.resize(1 + dictionary.size());
  }
  const auto fill = [&](const std::string_view* texts, int64_t n, size_t to) {
    load.texts = texts;
    load.ready = true;
    n_ = n;
    Execute(program_.body, at + 1, static_cast<size_t>(instruction.data));
    if (boolean) {
      std::copy_n(Booleans(instruction.out), n, table.booleans.begin() + static_cast<std::ptrdiff_t>(to));
    } else {
      std::copy_n(Numbers(instruction.out), n, table.numbers.begin() + static_cast<std::ptrdiff_t>(to));
    }
  };
  static constexpr std::string_view kMissingText;
  fill(&kMissingText, 1, 0);
  for (size_t first = 0; first < dictionary.size(); first += kTile)
    fill(dictionary.data() + first, std::min<int64_t>(kTile, static_cast<int64_t>(dictionary.size() - first)),
         1 + first);
}

void Machine::TabulateTags(const Instruction& instruction) {
  Table& table = tables_[static_cast<size_t>(instruction.c.index)];
  const Column& column = columns_[static_cast<size_t>(instruction.data)];
  const bool any = instruction.op == Op::kAnyTag;
  table.used = !column.indptr.empty() && (any || instruction.a.scalar()) &&
               static_cast<int64_t>(column.dictionary.size()) <= column.indptr.back() - column.indptr.front();
  if (!table.used) return;
  table.booleans.resize(column.dictionary.size());
  const auto n = static_cast<int64_t>(column.dictionary.size());
  if (any) {
    InTexts(program_.text_sets[static_cast<size_t>(instruction.b.index)], column.dictionary.data(), n,
            table.booleans.data());
  } else {
    CompareTexts(Op::kTextsEqual, {column.dictionary.data(), 1}, Operand(instruction.a), n, table.booleans.data());
  }
}

template <typename Value, typename Read>
void Machine::ReadCells(const LoadState& load, const Load& as, Value missing, Value* out, Read read) {
  for (int64_t i = 0; i < n_; ++i) {
    const std::string_view cell = load.column->texts[static_cast<size_t>(first_ + i)];
    out[i] = missing;
    const char* wrong = cell.empty() ? nullptr : read(cell, &out[i]);
    if (wrong == nullptr) continue;
    out[i] = missing;
    errors_->push_back({first_ + i, program_.columns[static_cast<size_t>(as.place)], as.as, cell, wrong});
  }
}

const double* Machine::Numbers(Register from) {
  if (from.kind != RegisterKind::kLoad) return NumbersAt(from);
  LoadState& load = LoadOf(from);
  if (load.ready) return load.numbers;
  load.ready = true;
  const Column& column = *load.column;
  if (!column.reals.empty()) return load.numbers = column.reals.data() + first_;
  double* out = Reserve(&load.number_buffer);
  if (!column.floats.empty()) {
    loops_.floats(column.floats.data() + first_, n_, out);
  } else if (!column.integers.empty()) {
    loops_.integers(column.integers.data() + first_, n_, out);
  } else {
    const Load& as = program_.loads[static_cast<size_t>(from.index)];
    if (as.as == ValueType::kTime) {
      ReadCells(load, as, kMissing, out,
                [&](std::string_view cell, double* time) { return ReadCellTime(cell, program_.time_format, time); });
    } else {
      ReadCells(load, as, kMissing, out,
                [&](std::string_view cell, double* number) { return ReadCell(cell, program_.number_format, number); });
    }
  }
  return load.numbers = out;
}

const std::string_view* Machine::Texts(Register from) {
  if (from.kind != RegisterKind::kLoad) return TextsAt(from);
  LoadState& load = LoadOf(from);
  if (load.ready) return load.texts;
  load.ready = true;
  const Column& column = *load.column;
  if (!column.texts.empty()) return load.texts = column.texts.data() + first_;
  std::string_view* out = Reserve(&load.text_buffer);
  DecodeTexts(column.codes.data() + first_, column.dictionary.data(), n_, out);
  return load.texts = out;
}

const uint8_t* Machine::Booleans(Register from) {
  if (from.kind != RegisterKind::kLoad) return BooleansAt(from);
  LoadState& load = LoadOf(from);
  if (load.ready) return load.booleans;
  load.ready = true;
  const Column& column = *load.column;
  if (!column.booleans.empty()) return load.booleans = column.booleans.data() + first_;
  uint8_t* out = Reserve(&load.boolean_buffer);
  ReadCells(load, program_.loads[static_cast<size_t>(from.index)], kMissingBoolean, out,
            [](std::string_view cell, uint8_t* boolean) { return ReadCell(cell, boolean); });
  return load.booleans = out;
}

void Machine::Execute(const std::vector<Instruction>& code, size_t begin, size_t end) {
  for (size_t at = begin; at < end; ++at) {
    const Instruction& instruction = code[at];
    if (instruction.op != Op::kTabulatedNumbers && instruction.op != Op::kTabulatedBooleans) {
      Step(instruction);
    } else if (tables_[static_cast<size_t>(instruction.b.index)].used) {
      LookUp(instruction);
      at = static_cast<size_t>(instruction.data) - 1;
    }
  }
}

void Machine::LookUp(const Instruction& instruction) {
  const Table& table = tables_[static_cast<size_t>(instruction.b.index)];
  const int32_t* codes = LoadOf(instruction.a).column->codes.data() + first_;
  const auto look_up = [&](const auto* values, auto* out) {
    for (int64_t i = 0; i < n_; ++i) out[i] = values[codes[i] + 1];
  };
  if (instruction.op == Op::kTabulatedBooleans) return look_up(table.booleans.data(), BooleansAt(instruction.out));
  look_up(table.numbers.data(), NumbersAt(instruction.out));
}

void Machine::Step(const Instruction& instruction) {
  if (instruction.op <= Op::kBroadcastNumber) return StepNumbers(instruction);
  if (instruction.op <= Op::kGreaterEqual) return StepCompare(instruction);
  if (instruction.op <= Op::kTagsPresent) return StepTest(instruction);
  if (instruction.op <= Op::kBroadcastBoolean) return StepBooleans(instruction);
  StepTexts(instruction);
}

namespace {

/// Of a pair of operands: scalars both are one value each.
Shape ShapeOf(const Instruction& instruction) {
  if (instruction.a.scalar() == instruction.b.scalar()) return Shape::kBothVary;
  return instruction.b.scalar() ? Shape::kRightConstant : Shape::kLeftConstant;
}

}  // namespace

void Machine::StepNumbers(const Instruction& instruction) {
  double* out = NumbersAt(instruction.out);
  const Op op = instruction.op;
  const auto index = static_cast<size_t>(op);
  if (op <= Op::kCoalesceNumbers)
    return loops_.binary[index][static_cast<int>(ShapeOf(instruction))](Numbers(instruction.a), Numbers(instruction.b),
                                                                        n_, out);
  if (op <= Op::kCeil) return loops_.unary[index - static_cast<size_t>(Op::kNegate)](Numbers(instruction.a), n_, out);
  switch (op) {
    case Op::kTextLength:
      return TextLengths(Texts(instruction.a), n_, out);
    case Op::kTagsLength:
      return CountTags(columns_[static_cast<size_t>(instruction.data)], first_, n_, out);
    case Op::kIfNumbers:
      return loops_.choose(Booleans(instruction.a), Numbers(instruction.b), Numbers(instruction.c), n_, out);
    case Op::kBroadcastNumber:
      std::fill_n(out, n_, *Numbers(instruction.a));
      return;
    default:
      CalendarFields(op, Numbers(instruction.a), n_, out);
  }
}

void Machine::StepCompare(const Instruction& instruction) {
  static constexpr int kMirrored[] = {0, 1, 4, 5, 2, 3};
  uint8_t* out = BooleansAt(instruction.out);
  const int comparison = static_cast<int>(instruction.op) - static_cast<int>(Op::kEqual);
  if (CompareInPlace(instruction.a, instruction.b, comparison, out) ||
      CompareInPlace(instruction.b, instruction.a, kMirrored[comparison], out))
    return;
  loops_.compare[comparison][static_cast<int>(ShapeOf(instruction))](Numbers(instruction.a), Numbers(instruction.b), n_,
                                                                     out);
}

// Compares a column with a constant as it is stored, if nothing has needed it as doubles yet.
bool Machine::CompareInPlace(Register varying, Register constant, int comparison, uint8_t* out) {
  if (varying.kind != RegisterKind::kLoad || !constant.scalar() || LoadOf(varying).ready) return false;
  const Column& column = *LoadOf(varying).column;
  const double value = *Numbers(constant);
  if (!column.reals.empty()) return false;
  if (!column.floats.empty()) {
    loops_.compare_floats[comparison](column.floats.data() + first_, value, n_, out);
  } else if (!column.integers.empty()) {
    loops_.compare_integers[comparison](column.integers.data() + first_, value, n_, out);
  } else {
    return false;
  }
  return true;
}

void Machine::StepTest(const Instruction& instruction) {
  uint8_t* out = BooleansAt(instruction.out);
  constexpr int64_t kSmallSet = 16;
  switch (instruction.op) {
    case Op::kInNumbers: {
      const auto& set = program_.number_sets[static_cast<size_t>(instruction.data)];
      const double* numbers = Numbers(instruction.a);
      const auto n_set = static_cast<int64_t>(set.size());
      if (n_set <= kSmallSet) return loops_.is_any(numbers, n_, set.data(), n_set, out);
      for (int64_t i = 0; i < n_; ++i) out[i] = InNumbers(set, numbers[i]);
      return;
    }
    case Op::kInTexts:
      return InTexts(program_.text_sets[static_cast<size_t>(instruction.data)], Texts(instruction.a), n_, out);
    case Op::kHasTag:
    case Op::kAnyTag:
    case Op::kTagsPresent:
      return StepTags(instruction);
    case Op::kNumberPresent:
      return StepPresent(instruction.a, out);
    case Op::kTextPresent:
      return TextsPresent(Texts(instruction.a), n_, out);
    default:
      CompareTexts(instruction.op, Operand(instruction.a), Operand(instruction.b), n_, out);
  }
}

void Machine::StepTags(const Instruction& instruction) {
  uint8_t* out = BooleansAt(instruction.out);
  const Column& column = columns_[static_cast<size_t>(instruction.data)];
  if (instruction.op == Op::kTagsPresent) return TagsPresent(column, first_, n_, out);
  const Table& table = tables_[static_cast<size_t>(instruction.c.index)];
  const uint8_t* matches = table.used ? table.booleans.data() : nullptr;
  if (instruction.op == Op::kHasTag) return HasTag(column, first_, n_, Operand(instruction.a), matches, out);
  HasAnyTag(column, first_, n_, program_.text_sets[static_cast<size_t>(instruction.b.index)], matches, out);
}

void Machine::StepPresent(Register from, uint8_t* out) {
  if (from.kind == RegisterKind::kLoad && !LoadOf(from).ready) {
    const Column& column = *LoadOf(from).column;
    if (!column.floats.empty()) return loops_.present_floats(column.floats.data() + first_, n_, out);
    if (!column.integers.empty()) return loops_.present_integers(column.integers.data() + first_, n_, out);
  }
  loops_.present(Numbers(from), n_, out);
}

void Machine::StepBooleans(const Instruction& instruction) {
  uint8_t* out = BooleansAt(instruction.out);
  const uint8_t* a = Booleans(instruction.a);
  const auto two = [&](int loop) { loops_.booleans[loop](a, Booleans(instruction.b), n_, out); };
  switch (instruction.op) {
    case Op::kIsTrue:
      return loops_.is_value(a, 1, n_, out);
    case Op::kNot:
      return loops_.is_value(a, 0, n_, out);
    case Op::kBooleanPresent:
      return loops_.is_not_value(a, kMissingBoolean, n_, out);
    case Op::kAnd:
      return two(0);
    case Op::kOr:
      return two(1);
    case Op::kBooleansEqual:
      return two(2);
    case Op::kBooleansDiffer:
      return two(3);
    case Op::kCoalesceBooleans:
      return two(4);
    case Op::kIfBooleans:
      return loops_.choose_booleans(a, Booleans(instruction.b), Booleans(instruction.c), n_, out);
    default:
      std::fill_n(out, n_, *a);
  }
}

void Machine::StepTexts(const Instruction& instruction) {
  std::string_view* out = TextsAt(instruction.out);
  switch (instruction.op) {
    case Op::kLower:
    case Op::kUpper:
      return ChangeCase(instruction.op == Op::kUpper, Texts(instruction.a), n_,
                        &arenas_[static_cast<size_t>(instruction.data)], out);
    case Op::kTrim:
      return Trim(Texts(instruction.a), n_, out);
    case Op::kCoalesceTexts:
      return CoalesceTexts(Texts(instruction.a), Texts(instruction.b), n_, out);
    case Op::kIfTexts:
      return ChooseTexts(Booleans(instruction.a), Texts(instruction.b), Texts(instruction.c), n_, out);
    default:
      std::fill_n(out, n_, *Texts(instruction.a));
  }
}

}  // namespace kindred
