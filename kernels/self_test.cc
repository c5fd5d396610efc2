#include "kernels/self_test.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

#include "kernels/cpu/backend.h"

namespace kindred {
namespace {

constexpr int64_t kFactors = 64, kItems = 1000, kRows = 512, kQueries = 32, kPlaces = 10;
constexpr double kMostError = 1e-3;  // of a row, relative; bf16x3 costs up to 6e-5

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
  Inputs() {
    Numbers numbers;
    items = numbers.Uniform(kItems * kFactors);
    queries = numbers.Uniform(kQueries * kFactors);
    regularization.assign(kRows, 0.5f);
    for (int64_t r = 0; r < kRows; ++r) {
      // None, a few, and in every 64th row more than n_factors, so that both forms of the system are solved.
      const int64_t n = r % 64 == 63 ? 3 * kFactors : r % 31, step = kItems / std::max<int64_t>(n, 1);
      for (int64_t e = 0; e < n; ++e) {
        indices.push_back(
            static_cast<int32_t>(e * step + static_cast<int64_t>(numbers.Bits() % static_cast<uint64_t>(step))));
        weights.push_back(0.25f + static_cast<float>(numbers.Bits() % 16));
      }
      indptr.push_back(static_cast<int64_t>(indices.size()));
    }
    for (int64_t q = 0; q < kQueries; ++q) {
      for (int32_t e = 0; e < 5; ++e) excluded.push_back(static_cast<int32_t>(q) + 100 * e);
      excluded_indptr.push_back(static_cast<int64_t>(excluded.size()));
    }
  }
  CsrView rows() const { return {kRows, kItems, indptr, indices, weights}; }

  Values<float> items, queries, regularization, weights;
  Values<int64_t> indptr = {0}, excluded_indptr = {0};
  Values<int32_t> indices, excluded;
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
    const Resident<float> items = On(basis != nullptr ? basis->items : inputs_.items, kItems, kFactors);
    const Resident<float> eigenvalues = On(basis != nullptr ? basis->eigenvalues : Values<float>(kFactors), kFactors);
    const Resident<float> regularization = On(inputs_.regularization, kRows);
    const Resident<float> solved(backend_, kRows, kFactors);
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

  Ranked TopN() {
    const Resident<float> items = On(inputs_.items, kItems, kFactors),
                          queries = On(inputs_.queries, kQueries, kFactors);
    const auto indptr = On(inputs_.excluded_indptr, kQueries + 1);
    const auto excluded = On(inputs_.excluded, static_cast<int64_t>(inputs_.excluded.size()));
    const Resident<int32_t> best(backend_, kQueries, kPlaces);
    const Resident<float> scores(backend_, kQueries, kPlaces);
    const auto index = backend_.NewItemIndex(*context_, items.matrix());
    Ranked result;
    result.seconds = Timed([&] {
      backend_.TopN(*context_, *index,
                    {queries.matrix(), indptr.view(), excluded.view(), best.matrix(), scores.matrix()});
    });
    result.items = Host(best);
    result.scores = Host(scores);
    return result;
  }

 private:
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
double CompareSolved(const Solved& found, const Solved& expected) {
  double largest = 0;
  for (int64_t r = 0; r < kRows; ++r) {
    const float* const x = expected.rows.data() + r * kFactors;
    const double norm = Norm(x, nullptr, kFactors), error = Norm(found.rows.data() + r * kFactors, x, kFactors);
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

void CompareRanked(const Ranked& found, const Ranked& expected) {
  for (size_t i = 0; i < expected.items.size(); ++i)
    if (found.items[i] != expected.items[i] || found.scores[i] != expected.scores[i])
      Differ("place " + std::to_string(i % kPlaces) + " of top-N query " + std::to_string(i / kPlaces) + " is item " +
             std::to_string(found.items[i]) + " with " + std::to_string(found.scores[i]) + "; the CPU has item " +
             std::to_string(expected.items[i]) + " with " + std::to_string(expected.scores[i]));
}

}  // namespace

std::string SelfTest(Backend& backend) {
  const Inputs inputs;
  CpuBackend cpu;
  Run here(backend, inputs), there(cpu, inputs);
  const Solved solved = here.Als(nullptr);
  CompareEigenvalues(solved.eigenvalues, there.Als(nullptr).eigenvalues);
  const Solved expected = there.Als(&solved);
  const double error = CompareSolved(solved, expected);
  const Ranked ranked = here.TopN(), expected_ranked = there.TopN();
  CompareRanked(ranked, expected_ranked);
  char text[256];
  std::snprintf(text, sizeof text,
                "an ALS half-step within %.1g of the CPU's in %.2f ms (CPU %.2f ms), a top-N the same to the bit in "
                "%.2f ms (CPU %.2f ms)",
                error, solved.seconds * 1e3, expected.seconds * 1e3, ranked.seconds * 1e3,
                expected_ranked.seconds * 1e3);
  return text;
}

}  // namespace kindred
