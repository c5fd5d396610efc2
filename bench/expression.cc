// Rows and bytes a second of conditions over columns in memory, on one thread.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "host/expression/expression.h"

namespace kindred {
namespace {

constexpr int64_t kManyRows = 10'000'000, kFewerRows = 1'000'000;

/// Evaluates in calls of `call_rows`; `cut` gives the columns from a row on.
template <typename Cut>
void Measure(benchmark::State& state, const Expression& expression, int64_t n_rows, int64_t call_rows, int64_t bytes,
             Cut cut) {
  Evaluator evaluator(expression);
  std::vector<uint8_t> out(static_cast<size_t>(n_rows));
  std::vector<RowError> errors;
  for (auto _ : state) {
    for (int64_t first = 0; first < n_rows; first += call_rows) {
      const int64_t n = std::min(call_rows, n_rows - first);
      const std::vector<Column> columns = cut(static_cast<size_t>(first), static_cast<size_t>(n));
      evaluator.Select(columns, n, std::span(out).subspan(static_cast<size_t>(first)), errors);
    }
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * n_rows);
  state.SetBytesProcessed(state.iterations() * (bytes + n_rows));
}

template <typename Number>
std::vector<Number> Numbers(int64_t n_rows, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Number> numbers(static_cast<size_t>(n_rows));
  for (Number& number : numbers) number = static_cast<Number>(static_cast<int64_t>(random() % 200) - 50);
  return numbers;
}

template <typename Number, std::span<const Number> Column::*kStorage>
void TwoNumbers(benchmark::State& state) {
  const auto price = Numbers<Number>(kManyRows, 1), stock = Numbers<Number>(kManyRows, 2);
  const ColumnInfo schema[] = {{"price", ColumnType::kNumber}, {"stock", ColumnType::kNumber}};
  const Expression expression = Expression::CompileCondition("price < 50 and stock > 0", schema);
  Measure(state, expression, kManyRows, state.range(0), kManyRows * 2 * static_cast<int64_t>(sizeof(Number)),
          [&](size_t first, size_t n) {
            std::vector<Column> columns(2);
            columns[0].type = columns[1].type = ColumnType::kNumber;
            columns[0].*kStorage = std::span(price).subspan(first, n);
            columns[1].*kStorage = std::span(stock).subspan(first, n);
            return columns;
          });
}
BENCHMARK(TwoNumbers<float, &Column::floats>)->Name("price < 50 and stock > 0, float")->Arg(kManyRows)->Arg(2048);
BENCHMARK(TwoNumbers<double, &Column::reals>)->Name("price < 50 and stock > 0, double")->Arg(kManyRows);
BENCHMARK(TwoNumbers<int64_t, &Column::integers>)->Name("price < 50 and stock > 0, int64")->Arg(kManyRows);

void Category(benchmark::State& state) {
  std::vector<std::string> names;
  for (int i = 0; i < 500; ++i) names.push_back("category " + std::to_string(i));
  const std::vector<std::string_view> dictionary(names.begin(), names.end());
  std::mt19937_64 random(3);
  std::vector<int32_t> codes(static_cast<size_t>(kManyRows));
  for (int32_t& code : codes) code = static_cast<int32_t>(random() % names.size());
  const ColumnInfo schema[] = {{"category", ColumnType::kText}};
  const Expression expression = Expression::CompileCondition(
      "category in ['category 1', 'category 7', 'category 99'] or starts_with(category, 'category 4')", schema);
  Measure(state, expression, kManyRows, state.range(0), kManyRows * 4, [&](size_t first, size_t n) {
    return std::vector<Column>{
        {.type = ColumnType::kText, .codes = std::span(codes).subspan(first, n), .dictionary = dictionary}};
  });
}
BENCHMARK(Category)->Name("category in [...] or starts_with(...), codes")->Arg(kManyRows)->Arg(2048);

/// Cells as they lie in a block of a CSV file.
struct Cells {
  std::string bytes;
  std::vector<std::string_view> texts;
};
template <typename Write>
Cells MakeCells(Write write) {
  std::mt19937_64 random(4);
  Cells cells;
  std::vector<size_t> ends;
  for (int64_t i = 0; i < kFewerRows; ++i) {
    cells.bytes += write(random);
    ends.push_back(cells.bytes.size());
  }
  size_t begin = 0;
  for (const size_t end : ends) {
    cells.texts.push_back(std::string_view(cells.bytes).substr(begin, end - begin));
    begin = end;
  }
  return cells;
}

void Untyped(benchmark::State& state, const char* text, const Cells& cells) {
  const ColumnInfo schema[] = {{"x", ColumnType::kUntyped}};
  const Expression expression = Expression::CompileCondition(text, schema);
  const auto bytes = static_cast<int64_t>(cells.bytes.size() + cells.texts.size() * sizeof(std::string_view));
  Measure(state, expression, kFewerRows, 2048, bytes, [&](size_t first, size_t n) {
    return std::vector<Column>{{.type = ColumnType::kUntyped, .texts = std::span(cells.texts).subspan(first, n)}};
  });
}
void UntypedNumber(benchmark::State& state) {
  const Cells cells =
      MakeCells([](auto& random) { return std::to_string(random() % 300) + "." + std::to_string(random() % 90 + 10); });
  Untyped(state, "x > 0 and x < 50", cells);
}
void UntypedText(benchmark::State& state) {
  const Cells cells = MakeCells([](auto& random) { return "category " + std::to_string(random() % 500); });
  Untyped(state, "x in ['category 1', 'category 7', 'category 99']", cells);
}
void UntypedTime(benchmark::State& state) {
  const Cells cells = MakeCells([](auto& random) {
    return "2024-11-" + std::to_string(random() % 20 + 10) + "T16:00:" + std::to_string(random() % 50 + 10);
  });
  Untyped(state, "x >= 2024-11-24", cells);
}
BENCHMARK(UntypedNumber)->Name("x > 0 and x < 50, untyped");
BENCHMARK(UntypedText)->Name("x in [...], untyped");
BENCHMARK(UntypedTime)->Name("x >= 2024-11-24, untyped");

}  // namespace
}  // namespace kindred

BENCHMARK_MAIN();
