#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "host/expression/expression.h"
#include "host/expression/machine.h"
#include "kernels/error.h"

namespace kindred {

struct Evaluator::State {
  explicit State(Expression compiled)
      : expression(std::move(compiled)), program(*expression.program_), machine(program) {}

  Expression expression;
  const Program& program;
  Machine machine;
  double now = std::numeric_limits<double>::quiet_NaN();
};

Evaluator::Evaluator(Expression expression, double now) : state_(std::make_unique<State>(std::move(expression))) {
  set_now(now);
}
Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;

const Expression& Evaluator::expression() const {
  return state_->expression;
}

void Evaluator::set_now(double now) {
  if (state_->program.uses_now && std::isnan(now))
    throw Error(ErrorCode::kInvalidArgument, "the expression calls now(), but it was not said what now is");
  state_->now = now;
}

namespace {

void Require(const Expression& expression, bool holds, const char* expected, size_t n_out, int64_t n_rows) {
  if (!holds)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("an expression of type {}; expected {}", NameOf(expression.type()), expected));
  if (n_out < static_cast<size_t>(n_rows))
    throw Error(ErrorCode::kInvalidArgument, fmt::format("room for {} results; expected {}", n_out, n_rows));
}

}  // namespace

void Evaluator::Select(std::span<const Column> columns, int64_t n_rows, std::span<uint8_t> out,
                       std::vector<RowError>& errors) {
  Machine& machine = state_->machine;
  const Program& program = state_->program;
  Require(state_->expression, program.type == ValueType::kBoolean, "a condition", out.size(), n_rows);
  machine.Run(columns, n_rows, state_->now, &errors, [&](int64_t first, int64_t n) {
    const uint8_t* from = machine.Booleans(program.result);
    if (program.result.scalar()) return static_cast<void>(std::fill_n(out.data() + first, n, *from));
    std::memcpy(out.data() + first, from, static_cast<size_t>(n));
  });
  for (const RowError& error : errors) out[static_cast<size_t>(error.row)] = 0;
}

void Evaluator::Numbers(std::span<const Column> columns, int64_t n_rows, std::span<double> out,
                        std::vector<RowError>& errors) {
  Machine& machine = state_->machine;
  const Program& program = state_->program;
  Require(state_->expression, program.type != ValueType::kBoolean && program.type != ValueType::kText,
          "a number, time or duration", out.size(), n_rows);
  machine.Run(columns, n_rows, state_->now, &errors, [&](int64_t first, int64_t n) {
    const double* from = machine.Numbers(program.result);
    if (program.result.scalar()) return static_cast<void>(std::fill_n(out.data() + first, n, *from));
    std::copy_n(from, n, out.data() + first);
  });
  for (const RowError& error : errors) out[static_cast<size_t>(error.row)] = std::numeric_limits<double>::quiet_NaN();
}

void Evaluator::Texts(std::span<const Column> columns, int64_t n_rows, const TakeTexts& take,
                      std::vector<RowError>& errors) {
  Machine& machine = state_->machine;
  const Program& program = state_->program;
  Require(state_->expression, program.type == ValueType::kText, "a text", static_cast<size_t>(n_rows), n_rows);
  std::vector<std::string_view> spread;
  machine.Run(columns, n_rows, state_->now, &errors, [&](int64_t first, int64_t n) {
    const std::string_view* from = machine.Texts(program.result);
    if (program.result.scalar()) spread.assign(static_cast<size_t>(n), *from), from = spread.data();
    take(first, {from, static_cast<size_t>(n)});
  });
}

}  // namespace kindred
