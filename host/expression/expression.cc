#include "host/expression/expression.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/expression/program.h"
#include "host/expression/syntax.h"
#include "host/text/text.h"

namespace kindred {

const char* NameOf(ValueType type) {
  static constexpr const char* kNames[] = {"boolean", "number", "text", "time", "duration", "tags"};
  return kNames[static_cast<int>(type)];
}

std::vector<WindowedName> WindowedNames(std::string_view text) {
  std::vector<WindowedName> names;
  for (Node& node : Parse(text).nodes)
    if (node.kind == NodeKind::kAttribute && node.window != 0) names.push_back({std::move(node.name), node.window});
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Expression Expression::CompileAs(std::string_view text, std::span<const ColumnInfo> schema,
                                 const ExpressionOptions& options, bool condition) {
  Syntax syntax = Parse(text);
  CheckTypes(&syntax, schema, condition);
  auto program = std::make_shared<Program>(Generate(syntax, schema));
  program->text = Print(syntax);
  program->number_format = options.number;
  program->time_format = options.time;
  return Expression(std::move(program));
}

Expression Expression::Compile(std::string_view text, std::span<const ColumnInfo> schema,
                               const ExpressionOptions& options) {
  return CompileAs(text, schema, options, /*condition=*/false);
}

Expression Expression::CompileCondition(std::string_view text, std::span<const ColumnInfo> schema,
                                        const ExpressionOptions& options) {
  return CompileAs(text, schema, options, /*condition=*/true);
}

ValueType Expression::type() const {
  return program_->type;
}

std::span<const int> Expression::columns() const {
  return program_->columns;
}

bool Expression::uses_now() const {
  return program_->uses_now;
}

const std::string& Expression::ToString() const {
  return program_->text;
}

namespace {

std::string NameOfColumn(const Program& program, int column) {
  const auto found = std::lower_bound(program.columns.begin(), program.columns.end(), column);
  return Printable(program.names[static_cast<size_t>(found - program.columns.begin())]);
}

}  // namespace

std::string Expression::Reason(const RowError& error) const {
  return fmt::format("'{}' in column '{}': {}", Printable(error.found), NameOfColumn(*program_, error.column),
                     error.reason);
}

std::string Expression::Kind(const RowError& error) const {
  return fmt::format("column '{}': {}", NameOfColumn(*program_, error.column), error.reason);
}

}  // namespace kindred
