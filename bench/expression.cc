// Conditions over columns in memory, on one thread, beside NumPy.
#include "host/expression/expression.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>

#include "bench/read_array.h"
#include "bench/statistics.h"
#include "bench/synthetic.h"
#include "bench/workloads.h"
#include "host/data/random.h"
#include "host/store/files.h"

namespace kindred {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr int64_t kCategories = 500, kLargestFile = int64_t{1} << 32;
constexpr const char* kNumbers = "price < 50 and stock > 0";
constexpr const char* kCategory =
    "category in ['category 1', 'category 7', 'category 99'] or starts_with(category, 'category 4')";

/// How the columns of a condition are stored, and the condition, in short and in full.
struct Form {
  const char* name;
  const char* title;
  const char* condition;
  bool texts;  // fewer rows: untyped cells, as a CSV file has them
};
constexpr Form kForms[] = {{"float", kNumbers, kNumbers, false},
                           {"double", kNumbers, kNumbers, false},
                           {"int64", kNumbers, kNumbers, false},
                           {"codes", "category in [...] or starts_with(...)", kCategory, false},
                           {"cells of numbers", "x > 0 and x < 50", "x > 0 and x < 50", true},
                           {"cells of texts", "x in [...]", "x in ['category 1', 'category 7', 'category 99']", true},
                           {"cells of times", "x >= 2024-11-24", "x >= 2024-11-24", true}};

template <typename T>
std::vector<T> ReadAs(const fs::path& path) {
  const std::vector<int64_t> values = ReadArray<int64_t>(path);
  return {values.begin(), values.end()};
}

/// The columns of a form, and cuts of them.
class Columns {
 public:
  Columns(const Form& form, const fs::path& folder) : form_(form.name) {
    if (form.texts) {
      text_ = ReadFile(folder / (form_ + ".txt"), kLargestFile);
      for (size_t begin = 0; begin < text_.size();) {
        const size_t end = text_.find('\n', begin);
        cells_.push_back(std::string_view(text_).substr(begin, end - begin));
        begin = end + 1;
      }
      n_rows_ = static_cast<int64_t>(cells_.size());
      schema_ = {{"x", ColumnType::kUntyped}};
    } else if (form_ == "codes") {
      codes_ = ReadArray<int32_t>(folder / "codes.npy");
      for (int64_t i = 0; i < kCategories; ++i) names_.push_back("category " + std::to_string(i));
      dictionary_.assign(names_.begin(), names_.end());
      n_rows_ = static_cast<int64_t>(codes_.size());
      schema_ = {{"category", ColumnType::kText}};
    } else {
      Numbers(floats_, folder, form_ == "float");
      Numbers(reals_, folder, form_ == "double");
      Numbers(integers_, folder, form_ == "int64");
      schema_ = {{"price", ColumnType::kNumber}, {"stock", ColumnType::kNumber}};
    }
  }

  int64_t n_rows() const { return n_rows_; }
  const std::vector<ColumnInfo>& schema() const { return schema_; }

  std::vector<Column> Cut(size_t first, size_t n) const {
    std::vector<Column> columns(schema_.size());
    for (size_t c = 0; c < columns.size(); ++c) {
      columns[c].type = schema_[c].type;
      if (!floats_[c].empty()) columns[c].floats = std::span(floats_[c]).subspan(first, n);
      if (!reals_[c].empty()) columns[c].reals = std::span(reals_[c]).subspan(first, n);
      if (!integers_[c].empty()) columns[c].integers = std::span(integers_[c]).subspan(first, n);
    }
    if (!codes_.empty()) columns[0].codes = std::span(codes_).subspan(first, n), columns[0].dictionary = dictionary_;
    if (!cells_.empty()) columns[0].texts = std::span(cells_).subspan(first, n);
    return columns;
  }

 private:
  template <typename T>
  void Numbers(std::vector<T> (&columns)[2], const fs::path& folder, bool wanted) {
    if (!wanted) return;
    columns[0] = ReadAs<T>(folder / "price.npy");
    columns[1] = ReadAs<T>(folder / "stock.npy");
    n_rows_ = static_cast<int64_t>(columns[0].size());
  }

  std::string form_;
  int64_t n_rows_ = 0;
  std::vector<ColumnInfo> schema_;
  std::vector<float> floats_[2];
  std::vector<double> reals_[2];
  std::vector<int64_t> integers_[2];
  std::vector<int32_t> codes_;
  std::vector<std::string> names_;
  std::vector<std::string_view> dictionary_;
  std::string text_;
  std::vector<std::string_view> cells_;
};

json Measured(const Form& form, const Columns& columns, int64_t call_rows, double least_seconds) {
  Evaluator evaluator(Expression::CompileCondition(form.condition, columns.schema()));
  const int64_t n_rows = columns.n_rows();
  std::vector<uint8_t> out(static_cast<size_t>(n_rows));
  std::vector<RowError> errors;
  std::vector<double> seconds;
  const double cpu_before = OwnCpuSeconds();
  double all = 0;
  while (seconds.size() < 5 || all < least_seconds) {
    const auto start = Clock::now();
    for (int64_t first = 0; first < n_rows; first += call_rows) {
      const int64_t n = std::min(call_rows, n_rows - first);
      evaluator.Select(columns.Cut(static_cast<size_t>(first), static_cast<size_t>(n)), n,
                       std::span(out).subspan(static_cast<size_t>(first)), errors);
      if (!errors.empty()) throw Error(ErrorCode::kInvalidArgument, "a row cannot be evaluated");
    }
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    all += seconds.back();
  }
  const double cpu = (OwnCpuSeconds() - cpu_before) / static_cast<double>(seconds.size());
  int64_t n_true = 0, sum = 0;
  for (int64_t row = 0; row < n_rows; ++row)
    if (out[static_cast<size_t>(row)] != 0) ++n_true, sum += row;
  json report = {{"answer", {{"n_true", n_true}, {"sum_of_rows", sum}}}};
  report["measures"]["all rows"] = {{"seconds", SpreadOf(std::move(seconds)).median},
                                    {"cpu_seconds", cpu},
                                    {"work", static_cast<double>(n_rows) / 1e6},
                                    {"unit", "million rows"}};
  return report;
}

int RunExpression(int argc, char** argv) {
  CLI::App app("Evaluates a condition again and again.");
  std::string data, name;
  int64_t call_rows = 0;
  double least_seconds = 0.5;
  app.add_option("--data", data)->required();
  app.add_option("--form", name)->required();
  app.add_option("--call-rows", call_rows)->required()->check(CLI::PositiveNumber);
  app.add_option("--seconds", least_seconds);
  CLI11_PARSE(app, argc, argv);
  for (const Form& form : kForms)
    if (name == form.name) {
      std::cout << Measured(form, Columns(form, data), call_rows, least_seconds).dump() << "\n";
      return 0;
    }
  throw Error(ErrorCode::kUsage, "there is no form '" + name + "'");
}

int RunMakeColumns(int argc, char** argv) {
  CLI::App app("Makes columns of random values.");
  std::string out;
  int64_t n_rows = 0, n_cells = 0;
  app.add_option("--out", out)->required();
  app.add_option("--rows", n_rows)->required();
  app.add_option("--cells", n_cells)->required();
  CLI11_PARSE(app, argc, argv);
  const fs::path folder(out);
  fs::create_directories(folder);
  const auto numbers = [&](uint64_t seed) {
    std::vector<int64_t> values;
    for (int64_t i = 0; i < n_rows; ++i)
      values.push_back(static_cast<int64_t>(RandomBits(seed, static_cast<uint64_t>(i)) % 200) - 50);
    return values;
  };
  WriteNpy(folder / "price.npy", numbers(1));
  WriteNpy(folder / "stock.npy", numbers(2));
  std::vector<int32_t> codes;
  for (int64_t i = 0; i < n_rows; ++i)
    codes.push_back(static_cast<int32_t>(RandomBits(3, static_cast<uint64_t>(i)) % kCategories));
  WriteNpy(folder / "codes.npy", codes);
  std::ofstream cells[3];
  const char* names[3] = {"cells of numbers.txt", "cells of texts.txt", "cells of times.txt"};
  for (int i = 0; i < 3; ++i) cells[i].open(folder / names[i], std::ios::binary);
  for (uint64_t i = 0; i < static_cast<uint64_t>(n_cells); ++i) {
    cells[0] << fmt::format("{}.{}\n", RandomBits(4, i) % 300, RandomBits(5, i) % 90 + 10);
    cells[1] << fmt::format("category {}\n", RandomBits(6, i) % kCategories);
    cells[2] << fmt::format("2024-11-{}T16:00:{}\n", RandomBits(7, i) % 20 + 10, RandomBits(8, i) % 50 + 10);
  }
  for (std::ofstream& file : cells) {
    file.close();
    if (!file) throw Error(ErrorCode::kIo, "'" + out + "': the cells cannot be written");
  }
  std::cout << "{}\n";
  return 0;
}

std::vector<Case> Cases(const Setup& setup) {
  const int64_t n_rows = setup.quick ? 20'000 : 10'000'000, n_cells = setup.quick ? 3000 : 1'000'000;
  const std::string folder = setup.folder / "columns";
  std::vector<Case> cases;
  const auto add = [&](const Form& form, int64_t call_rows) {
    const std::vector<std::string> words = {"--data",      folder,
                                            "--form",      form.name,
                                            "--call-rows", std::to_string(call_rows),
                                            "--seconds",   setup.quick ? "0.01" : "0.5"};
    Case one;
    one.name = fmt::format("{}: {}{}", form.name, form.title,
                           form.texts || call_rows == n_rows ? "" : fmt::format(", {} rows a call", call_rows));
    one.prepare = setup.Own("make-columns",
                            {"--out", folder, "--rows", std::to_string(n_rows), "--cells", std::to_string(n_cells)});
    one.programs = {{.name = "kindred", .command = setup.Own("expression", words)},
                    {.name = "NumPy",
                     .role = Role::kPeer,
                     .command = setup.Peer("expression.py", words),
                     .python_module = "numpy"}};
    one.same_answer = true;
    cases.push_back(std::move(one));
  };
  for (const Form& form : kForms) {
    add(form, form.texts ? 2048 : n_rows);
    if (form.name == std::string_view("float") || form.name == std::string_view("codes")) add(form, 2048);
  }
  return cases;
}

}  // namespace

Workload ExpressionWorkload() {
  Workload workload;
  workload.name = "expression";
  workload.title = "Conditions over columns in memory";
  workload.description =
      R"(10 million rows of random values, one thread; a process's time is the median of its evaluations of all rows.
Cells are 1 million texts as a CSV file has them, cut into calls of 2048 rows as a reader does; NumPy converts an array
of texts. Both must find the same rows.)";
  workload.cases = Cases;
  workload.programs = {{"expression", RunExpression}, {"make-columns", RunMakeColumns}};
  return workload;
}

}  // namespace kindred
