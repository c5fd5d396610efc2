#include "bench/topn_data.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>

#include "bench/als_data.h"
#include "bench/read_array.h"
#include "bench/synthetic.h"
#include "host/data/random.h"
#include "host/models/als.h"
#include "host/ranking/catalogue.h"
#include "kernels/cpu/backend.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCentres = 500, kRowsOfTask = 1 << 12;
constexpr double kNoise = 0.7, kSpread = 0.5;  // beside centres of deviation 1; of the logarithms of the lengths
constexpr uint64_t kSeed = 1;

/// Rows around the centres. With lengths, those are log-normal with a median of about 1.2.
std::vector<float> Mixture(ThreadPool& pool, const std::vector<float>& centres, int64_t n_rows, int64_t n_factors,
                           bool with_lengths, uint64_t seed) {
  std::vector<float> rows(static_cast<size_t>(n_rows * n_factors));
  pool.Run((n_rows + kRowsOfTask - 1) / kRowsOfTask, pool.n_threads(), [&](int64_t task, int) {
    for (int64_t r = task * kRowsOfTask; r < std::min(n_rows, (task + 1) * kRowsOfTask); ++r) {
      const auto row = static_cast<uint64_t>(r);
      const double scale =
          with_lengths ? std::exp(kSpread * RandomNormal(seed + 1, row)) / std::sqrt(static_cast<double>(n_factors))
                       : 1.0;
      const auto centre = static_cast<int64_t>(RandomBits(seed + 2, row) % kCentres);
      for (int64_t k = 0; k < n_factors; ++k)
        rows[static_cast<size_t>(r * n_factors + k)] =
            static_cast<float>(scale * (centres[static_cast<size_t>(centre * n_factors + k)] +
                                        kNoise * RandomNormal(seed, static_cast<uint64_t>(r * n_factors + k))));
    }
  });
  return rows;
}

/// The defined score of every item: products and sums in double, in increasing factor index, rounded once.
std::vector<float> DefinedScores(const float* query, const std::vector<float>& items, int64_t n_factors) {
  constexpr int64_t kAtOnce = 8;  // a sum alone would wait for each of its additions
  const int64_t n_items = static_cast<int64_t>(items.size()) / n_factors;
  std::vector<float> scores(static_cast<size_t>(n_items));
  for (int64_t first = 0; first < n_items; first += kAtOnce) {
    const float* rows[kAtOnce];
    for (int64_t i = 0; i < kAtOnce; ++i) rows[i] = items.data() + std::min(first + i, n_items - 1) * n_factors;
    double sums[kAtOnce] = {};
    for (int64_t k = 0; k < n_factors; ++k)
      for (int64_t i = 0; i < kAtOnce; ++i) sums[i] += double{query[k]} * double{rows[i][k]};
    for (int64_t i = 0; i < std::min(kAtOnce, n_items - first); ++i)
      scores[static_cast<size_t>(first + i)] = static_cast<float>(sums[i]);
  }
  return scores;
}

struct Question {
  std::string name;
  int64_t n = kListLength;
  std::function<bool(int64_t query, int32_t item)> may_have;
};

/// Writes the defined answers to the first `n_checks` queries of questions about the same scores.
void WriteDefined(const fs::path& folder, ThreadPool& pool, const TopNCatalogue& catalogue, int64_t n_checks,
                  const std::vector<Question>& questions) {
  n_checks = std::min(n_checks, catalogue.n_queries());
  std::vector<TopNAnswers> answers(questions.size());
  for (size_t i = 0; i < questions.size(); ++i) {
    answers[i].items.resize(static_cast<size_t>(n_checks * questions[i].n), -1);
    answers[i].scores.resize(answers[i].items.size());
  }
  pool.Run(n_checks, pool.n_threads(), [&](int64_t query, int) {
    const std::vector<float> scores =
        DefinedScores(catalogue.queries.data() + query * catalogue.n_factors, catalogue.items, catalogue.n_factors);
    for (size_t i = 0; i < questions.size(); ++i) {
      std::vector<int32_t> items;
      for (int32_t item = 0; item < catalogue.n_items(); ++item)
        if (questions[i].may_have(query, item)) items.push_back(item);
      const auto score = [&](int32_t item) { return scores[static_cast<size_t>(item)]; };
      const auto n = std::min<int64_t>(questions[i].n, std::ssize(items));
      std::partial_sort(items.begin(), items.begin() + n, items.end(),
                        [&](int32_t a, int32_t b) { return score(a) > score(b) || (score(a) == score(b) && a < b); });
      for (int64_t place = 0; place < n; ++place) {
        const auto at = static_cast<size_t>(query * questions[i].n + place);
        answers[i].items[at] = items[static_cast<size_t>(place)];
        answers[i].scores[at] = score(items[static_cast<size_t>(place)]);
      }
    }
  });
  for (size_t i = 0; i < questions.size(); ++i) {
    WriteNpy(folder / (questions[i].name + "_items.npy"), answers[i].items);
    WriteNpy(folder / (questions[i].name + "_scores.npy"), answers[i].scores);
  }
}

std::vector<Question> EligibleQuestions(const fs::path& folder, int64_t n_items) {
  std::vector<Question> questions;
  for (const int64_t one_in : kOneIn) {
    std::vector<int64_t> words(static_cast<size_t>((n_items + 63) / 64));
    for (int64_t i = 0; i < n_items; ++i)
      if (RandomBits(kSeed, static_cast<uint64_t>(i)) % static_cast<uint64_t>(one_in) == 0)
        words[static_cast<size_t>(i / 64)] |= static_cast<int64_t>(uint64_t{1} << i % 64);
    const std::string name = fmt::format("one_in_{}", one_in);
    WriteNpy(folder / (name + ".npy"), words);
    questions.push_back({name, kListLength, [words](int64_t, int32_t item) {
                           return (words[static_cast<size_t>(item / 64)] >> item % 64 & 1) != 0;
                         }});
  }
  return questions;
}

}  // namespace

TopNCatalogue ReadCatalogue(const fs::path& folder, int64_t n_factors) {
  TopNCatalogue catalogue = {n_factors, ReadArray<float>(folder / "items.npy"),
                             ReadArray<float>(folder / "queries.npy")};
  for (const std::vector<float>* rows : {&catalogue.items, &catalogue.queries})
    if (n_factors < 1 || rows->empty() || std::ssize(*rows) % n_factors != 0)
      throw Error(ErrorCode::kCorrupt, fmt::format("'{}' has no rows of {} factors", folder.string(), n_factors));
  return catalogue;
}

std::vector<uint64_t> ReadEligible(const fs::path& folder, int64_t one_in) {
  const std::vector<int64_t> words = ReadArray<int64_t>(folder / fmt::format("one_in_{}.npy", one_in));
  return {words.begin(), words.end()};
}

Csr ReadSeen(const fs::path& folder, int64_t n_items) {
  Csr seen;
  seen.indptr = ReadArray<int64_t>(folder / "train_indptr.npy");
  seen.indices = ReadArray<int32_t>(folder / "train_indices.npy");
  seen.n_rows = std::ssize(seen.indptr) - 1;
  seen.n_cols = n_items;
  return seen;
}

TopNAnswers ReadDefined(const fs::path& folder, const std::string& question) {
  return {ReadArray<int32_t>(folder / (question + "_items.npy")),
          ReadArray<float>(folder / (question + "_scores.npy"))};
}

int RunMakeItems(int argc, char** argv) {
  CLI::App app("Makes items, queries, and the defined answers to the first of them.");
  std::string out;
  int64_t n_items = 0, n_queries = 0, n_checks = 0, n_factors = 0;
  app.add_option("--out", out)->required();
  app.add_option("--items", n_items)->required()->check(CLI::PositiveNumber);
  app.add_option("--n-factors", n_factors)->required()->check(CLI::PositiveNumber);
  app.add_option("--queries", n_queries)->required()->check(CLI::PositiveNumber);
  app.add_option("--checks", n_checks)->required();
  CLI11_PARSE(app, argc, argv);
  const fs::path folder(out);
  fs::create_directories(folder);
  ThreadPool pool(0);
  const std::vector<float> centres = NewFactors(pool, kCentres * n_factors, 1, kSeed);
  const TopNCatalogue catalogue = {n_factors, Mixture(pool, centres, n_items, n_factors, true, kSeed + 1),
                                   Mixture(pool, centres, n_queries, n_factors, false, kSeed + 4)};
  WriteNpy(folder / "items.npy", catalogue.items);
  WriteNpy(folder / "queries.npy", catalogue.queries);
  WriteDefined(folder, pool, catalogue, n_checks, EligibleQuestions(folder, n_items));
  std::cout << "{}\n";
  return 0;
}

int RunMakeModel(int argc, char** argv) {
  CLI::App app("Fits ALS, and writes its factors and the defined answers to the first users.");
  std::string out, train, test;
  TasteShape shape;
  AlsOptions options;
  int64_t n_checks = 0;
  app.add_option("--out", out)->required();
  app.add_option("--train", train);
  app.add_option("--test", test);
  app.add_option("--users", shape.n_users);
  app.add_option("--items", shape.n_items);
  app.add_option("--entries", shape.n_entries);
  app.add_option("--n-factors", options.n_factors)->required();
  app.add_option("--regularization", options.objective.regularization)->required();
  app.add_option("--unobserved-weight", options.objective.unobserved_weight)->required();
  app.add_option("--epochs", options.epochs)->required();
  app.add_option("--checks", n_checks)->required();
  CLI11_PARSE(app, argc, argv);
  const fs::path folder(out);
  fs::create_directories(folder);
  const Csr seen = (train.empty() ? MakeTastes(shape, 0) : ReadAdjacency(train, test)).train;
  CpuBackend backend(0);
  AlsFactors factors = FitAls(backend, seen.view(), options);
  const TopNCatalogue catalogue = {options.n_factors, std::move(factors.item_factors), std::move(factors.user_factors)};
  WriteNpy(folder / "items.npy", catalogue.items);
  WriteNpy(folder / "queries.npy", catalogue.queries);
  WriteNpy(folder / "train_indptr.npy", seen.indptr);
  WriteNpy(folder / "train_indices.npy", seen.indices);

  ThreadPool pool(0);
  std::vector<Question> questions = EligibleQuestions(folder, catalogue.n_items());
  questions.push_back({"unseen", kUserListLength, [&](int64_t user, int32_t item) {
                         const auto row = seen.view().row(user);
                         return !std::binary_search(row.begin(), row.end(), item);
                       }});
  WriteDefined(folder, pool, catalogue, n_checks, questions);
  const std::vector<float> normalized =
      NormalizedRows({catalogue.items.data(), catalogue.n_items(), catalogue.n_factors});
  WriteDefined(folder, pool, {catalogue.n_factors, normalized, normalized}, n_checks,
               {{"similar", kUserListLength, [](int64_t query, int32_t item) { return item != query; }}});
  std::cout << "{}\n";
  return 0;
}

}  // namespace kindred
