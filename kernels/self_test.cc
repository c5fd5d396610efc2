#include "kernels/self_test.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

#include "kernels/cpu/backend.h"

namespace kindred {
namespace {

constexpr int64_t kItems = 1000, kPlaces = 10;
constexpr int64_t kRows = 20, kRowStep = 7;  // of the item-item matrix
constexpr double kMostError = 1e-3;          // of a row, relative; bf16x3 costs up to 6e-5

template <class T>
using Values = std::vector<T>;

// Numbers between -1 and 1, the same on every machine (SplitMix64).
class Numbers {
 public:
  uint64_t Bits() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  Values<float> Uniform(int64_t n) {
    Values<float> values(static_cast<size_t>(n));
    for (float& v : values) v = static_cast<float>(static_cast<double>(Bits() >> 11) * 0x1p-52 - 1);
    return values;
  }

 private:
  uint64_t state_ = 1;
};

struct Inputs {
  Inputs(int64_t factors, int64_t rows_in, int64_t n_queries_in, const Values<int64_t>& lengths)
      : n_factors(factors), n_rows(rows_in), n_queries(n_queries_in) {
    Numbers numbers;
    items = numbers.Uniform(kItems * n_factors);
    queries = numbers.Uniform(n_queries * n_factors);
    regularization.assign(static_cast<size_t>(n_rows), 0.5f);
    for (int64_t r = 0; r < n_rows; ++r) {
      const int64_t n = lengths[static_cast<size_t>(r) % lengths.size()], step = kItems / std::max<int64_t>(n, 1);
      for (int64_t e = 0; e < n; ++e) {
        indices.push_back(
            static_cast<int32_t>(e * step + static_cast<int64_t>(numbers.Bits() % static_cast<uint64_t>(step))));
        weights.push_back(0.25f + static_cast<float>(numbers.Bits() % 16));
      }
      indptr.push_back(static_cast<int64_t>(indices.size()));
    }
    for (int64_t q = 0; q < n_queries; ++q) {
      for (int32_t e = 0; e < 5; ++e) excluded.push_back(static_cast<int32_t>(q) + 100 * e);
      excluded_indptr.push_back(static_cast<int64_t>(excluded.size()));
    }
    AddItemItem(numbers);
  }
  /// S of rows with every kRowStep-th item, and a history of three of them for each query but the first.
  void AddItemItem(Numbers& numbers) {
    for (int64_t row = 0; row < kRows; ++row) {
      for (int64_t item = row; item < kItems; item += kRowStep) row_items.push_back(static_cast<int32_t>(item));
      row_indptr.push_back(static_cast<int64_t>(row_items.size()));
    }
    row_values = numbers.Uniform(static_cast<int64_t>(row_items.size()));
    for (int64_t q = 0; q < n_queries; ++q) {
      for (int64_t place = 0; q > 0 && place < 3; ++place)
        history.push_back(static_cast<int32_t>((q + place * 5) % kRows));
      history_indptr.push_back(static_cast<int64_t>(history.size()));
    }
    history_weights = numbers.Uniform(static_cast<int64_t>(history.size()));
  }
  CsrView rows() const { return {n_rows, kItems, indptr, indices, weights}; }

  int64_t n_factors, n_rows, n_queries;
  Values<float> items, queries, regularization, weights, row_values, history_weights;
  Values<int64_t> indptr = {0}, excluded_indptr = {0}, row_indptr = {0}, history_indptr = {0};
  Values<int32_t> indices, excluded, row_items, history;
};

struct Solved {
  Values<float> items, eigenvalues, rows;
  double seconds = 0;
};

struct Ranked {
  Values<int32_t> items;
  Values<float> scores;
  double seconds = 0;
};

class Run {
 public:
  Run(Backend& backend, const Inputs& inputs) : backend_(backend), context_(backend.NewContext()), inputs_(inputs) {}

  /// Diagonalizes, then solves; with `basis` given only solves, in it.
  Solved Als(const Solved* basis) {
    const Resident<float> items = On(basis != nullptr ? basis->items : inputs_.items, kItems, inputs_.n_factors);
    const Resident<float> eigenvalues =
        On(basis != nullptr ? basis->eigenvalues : Values<float>(static_cast<size_t>(inputs_.n_factors)),
           inputs_.n_factors);
    const Resident<float> regularization = On(inputs_.regularization, inputs_.n_rows);
    const Resident<float> solved(backend_, inputs_.n_rows, inputs_.n_factors);
    if (basis == nullptr) backend_.Diagonalize(*context_, items.matrix(), eigenvalues.view());
    const auto rows = backend_.NewSparseRows(inputs_.rows(), {}, nullptr);
    Solved result;
    result.seconds = Timed([&] {
      backend_.SolveAls(
          *context_,
          {rows.get(), items.matrix(), eigenvalues.view(), 0.1f, regularization.view(), solved.matrix(), {}, {}});
    });
    result.items = Host(items);
    result.eigenvalues = Host(eigenvalues);
    result.rows = Host(solved);
    return result;
  }

  /// With histories, or by factors alone: each has a scan of its own.
  Ranked TopN(bool has_histories) {
    const Resident<float> items = On(inputs_.items, kItems, inputs_.n_factors),
                          queries = On(inputs_.queries, inputs_.n_queries, inputs_.n_factors);
    const auto indptr = On(inputs_.excluded_indptr, inputs_.n_queries + 1);
    const auto excluded = On(inputs_.excluded, static_cast<int64_t>(inputs_.excluded.size()));
    const Resident<int32_t> best(backend_, inputs_.n_queries, kPlaces);
    const Resident<float> scores(backend_, inputs_.n_queries, kPlaces);
    const auto row_indptr = All(inputs_.row_indptr), history_indptr = All(inputs_.history_indptr);
    const auto row_items = All(inputs_.row_items), history = All(inputs_.history);
    const auto row_values = All(inputs_.row_values), history_weights = All(inputs_.history_weights);
    TopNRequest request = {queries.matrix(), indptr.view(), excluded.view(), best.matrix(), scores.matrix()};
    ItemItemView item_item;
    if (has_histories) {
      item_item = {row_indptr.view(), row_items.view(), row_values.view()};
      request.history_indptr = history_indptr.view();
      request.history_items = history.view();
      request.history_weights = history_weights.view();
    }
    const auto index = backend_.NewItemIndex(*context_, items.matrix(), item_item);
    Ranked result;
    result.seconds = Timed([&] { backend_.TopN(*context_, *index, request); });
    result.items = Host(best);
    result.scores = Host(scores);
    return result;
  }

  /// Of a 3 x 3 matrix.
  Values<float> Inverse() {
    const Resident<float> a = On(Values<float>{4, 1, 2, 1, 5, 3, 2, 3, 6}, 3, 3);
    backend_.InvertPositiveDefinite(*context_, a.matrix());
    return Host(a);
  }

 private:
  template <class T>
  Resident<T> All(const Values<T>& values) {
    return On(values, static_cast<int64_t>(values.size()));
  }
  template <class T>
  Resident<T> On(const Values<T>& values, int64_t n_rows, int64_t n_cols = 1) {
    Resident<T> resident(backend_, n_rows, n_cols);
    resident.Upload(backend_, *context_, values);
    context_->Wait();
    return resident;
  }
  template <class T>
  Values<T> Host(const Resident<T>& resident) {
    Values<T> values(static_cast<size_t>(resident.n_rows() * resident.n_cols()));
    resident.Download(backend_, *context_, std::span<T>(values));
    context_->Wait();
    return values;
  }
  /// Of the second of two calls: the first of a kind may load code.
  template <class Call>
  double Timed(const Call& call) {
    std::chrono::steady_clock::time_point start;
    for (int i = 0; i < 2; ++i) {
      context_->Wait();
      start = std::chrono::steady_clock::now();
      call();
      context_->Wait();
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  Backend& backend_;
  std::unique_ptr<Context> context_;
  const Inputs& inputs_;
};

[[noreturn]] void Differ(const std::string& what) {
  throw Error(ErrorCode::kDevice, "the self-test found wrong answers: " + what);
}

std::string Text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

double Norm(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double difference = static_cast<double>(a[i]) - (b != nullptr ? b[i] : 0.0f);
    sum += difference * difference;
  }
  return std::sqrt(sum);
}

/// The largest relative error of a row.
double CompareSolved(const Solved& found, const Solved& expected, const Inputs& inputs) {
  const int64_t f = inputs.n_factors;
  double largest = 0;
  for (int64_t r = 0; r < inputs.n_rows; ++r) {
    const float* const x = expected.rows.data() + r * f;
    const double norm = Norm(x, nullptr, f), error = Norm(found.rows.data() + r * f, x, f);
    const double relative = norm > 0 ? error / norm : error;
    if (!(relative <= kMostError))
      Differ("row " + std::to_string(r) + " of the ALS half-step is " + Text(relative) +
             " from the CPU's, relative; expected at most " + Text(kMostError));
    largest = std::max(largest, relative);
  }
  return largest;
}

void CompareEigenvalues(const Values<float>& found, const Values<float>& expected) {
  for (size_t k = 0; k < expected.size(); ++k)
    if (!(std::abs(found[k] - expected[k]) <= kMostError * expected[0]))
      Differ("eigenvalue " + std::to_string(k) + " is " + Text(found[k]) + "; the CPU has " + Text(expected[k]));
}

void CompareInverse(const Values<float>& found, const Values<float>& expected) {
  for (size_t i = 0; i < expected.size(); ++i)
    if (!(std::abs(found[i] - expected[i]) <= kMostError))
      Differ("entry " + std::to_string(i) + " of an inverse is " + std::to_string(found[i]) + "; the CPU has " +
             std::to_string(expected[i]));
}

void CompareRanked(const Ranked& found, const Ranked& expected, const char* of) {
  for (size_t i = 0; i < expected.items.size(); ++i)
    if (found.items[i] != expected.items[i] || found.scores[i] != expected.scores[i])
      Differ("place " + std::to_string(i % kPlaces) + " of top-N query " + std::to_string(i / kPlaces) + of +
             " is item " + std::to_string(found.items[i]) + " with " + std::to_string(found.scores[i]) +
             "; the CPU has item " + std::to_string(expected.items[i]) + " with " + std::to_string(expected.scores[i]));
}

struct Outcome {
  double error, als_seconds, cpu_als_seconds, top_n_seconds, cpu_top_n_seconds;
};

Outcome Compare(Backend& backend, Backend& cpu, const Inputs& inputs) {
  Run here(backend, inputs), there(cpu, inputs);
  const Solved solved = here.Als(nullptr);
  CompareEigenvalues(solved.eigenvalues, there.Als(nullptr).eigenvalues);
  const Solved expected = there.Als(&solved);
  const double error = CompareSolved(solved, expected, inputs);
  const Ranked ranked = here.TopN(false), expected_ranked = there.TopN(false);
  CompareRanked(ranked, expected_ranked, "");
  CompareRanked(here.TopN(true), there.TopN(true), " with histories");
  CompareInverse(here.Inverse(), there.Inverse());
  return {error, solved.seconds, expected.seconds, ranked.seconds, expected_ranked.seconds};
}

// Rows without entries, with a few, and in one of 64 more than n_factors: what most fits are made of.
Values<int64_t> UsualLengths() {
  Values<int64_t> lengths;
  for (int64_t r = 0; r < 63; ++r) lengths.push_back(r % 31);
  lengths.push_back(192);
  return lengths;
}

}  // namespace

std::string SelfTest(Backend& backend) {
  CpuBackend cpu;
  const Outcome usual = Compare(backend, cpu, Inputs(64, 512, 32, UsualLengths()));
  // The other forms of each operation: many factors, and no multiple of four; each size of system; a call's few
  // queries.
  const Outcome other = Compare(backend, cpu, Inputs(130, 9, 3, {1, 40, 64, 100, 128, 129, 131, 500, 1000}));
  char text[256];
  std::snprintf(text, sizeof text,
                "an ALS half-step within %.1g of the CPU's in %.2f ms (CPU %.2f ms), a top-N the same to the bit in "
                "%.2f ms (CPU %.2f ms)",
                std::max(usual.error, other.error), usual.als_seconds * 1e3, usual.cpu_als_seconds * 1e3,
                usual.top_n_seconds * 1e3, usual.cpu_top_n_seconds * 1e3);
  return text;
}

}  // namespace kindred
