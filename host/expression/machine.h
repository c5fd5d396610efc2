// What runs the program of an expression over columns.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "host/expression/loops.h"
#include "host/expression/program.h"
#include "host/expression/row_loops.h"

namespace kindred {

/// Evaluates a program: the scratch of one thread.
class Machine {
 public:
  /// The program must outlive it.
  explicit Machine(const Program& program);

  /// Tile by tile, calls `take(first_row, n)`, which may ask for the values of registers. Errors as Evaluator has them.
  void Run(std::span<const Column> given, int64_t n_rows, double now, std::vector<RowError>* row_errors,
           const std::function<void(int64_t first_row, int64_t n)>& take);

  /// The register's values for the tile; of a scalar, its one value.
  const double* Numbers(Register from);
  const std::string_view* Texts(Register from);
  const uint8_t* Booleans(Register from);

 private:
  /// A column as one kind of values, for the tile that is being evaluated.
  struct LoadState {
    const Column* column = nullptr;
    bool ready = false;  // what it is loaded as is there
    const double* numbers = nullptr;
    const std::string_view* texts = nullptr;
    const uint8_t* booleans = nullptr;
    std::vector<double> number_buffer;
    std::vector<std::string_view> text_buffer;
    std::vector<uint8_t> boolean_buffer;
  };

  /// What an instruction gives for each entry of a dictionary.
  struct Table {
    bool used = false;
    std::vector<double> numbers;    // [1 + entries], what is missing first
    std::vector<uint8_t> booleans;  // likewise; of a tag's matches, [entries]
  };

  void Bind(std::span<const Column> given, int64_t n_rows);
  void Tabulate(const Instruction& instruction, size_t at, int64_t n_rows);
  void TabulateTags(const Instruction& instruction);
  void Execute(const std::vector<Instruction>& code, size_t begin, size_t end);
  void LookUp(const Instruction& instruction);
  void Step(const Instruction& instruction);
  void StepNumbers(const Instruction& instruction);
  void StepCompare(const Instruction& instruction);
  bool CompareInPlace(Register varying, Register constant, int comparison, uint8_t* out);
  void StepTest(const Instruction& instruction);
  void StepTags(const Instruction& instruction);
  void StepPresent(Register from, uint8_t* out);
  void StepBooleans(const Instruction& instruction);
  void StepTexts(const Instruction& instruction);

  template <typename Value, typename Read>
  void ReadCells(const LoadState& load, const Load& as, Value missing, Value* out, Read read);

  TextOperand Operand(Register from) { return {Texts(from), from.scalar() ? 0 : 1}; }
  LoadState& LoadOf(Register from) { return loads_[static_cast<size_t>(from.index)]; }
  double* NumbersAt(Register to) { return At(to, &numbers_, &number_temporaries_); }
  std::string_view* TextsAt(Register to) { return At(to, &texts_, &text_temporaries_); }
  uint8_t* BooleansAt(Register to) { return At(to, &booleans_, &boolean_temporaries_); }
  template <typename Value>
  static Value* At(Register at, std::vector<Value>* scalars, std::vector<Value>* temporaries) {
    return at.scalar() ? scalars->data() + at.index : temporaries->data() + at.index * kTile;
  }

  const Program& program_;
  const Loops& loops_ = ChooseLoops();
  std::span<const Column> columns_;
  int64_t first_ = 0, n_ = 0;  // the tile
  std::vector<RowError>* errors_ = nullptr;

  std::vector<LoadState> loads_;
  std::vector<double> numbers_, number_temporaries_;
  std::vector<std::string_view> texts_, text_temporaries_;
  std::vector<uint8_t> booleans_, boolean_temporaries_;
  std::vector<std::vector<char>> arenas_;
  std::vector<Table> tables_;
};

}  // namespace kindred
