// Catalogues and queries for the bench of top-N: a folder of .npy lists that Kindred and NumPy read alike.
//
//   items, queries           float32 [n_items * n_factors], [n_queries * n_factors]
//   one_in_E                 int64 [n_items / 64, rounded up]: item i is eligible where bit i % 64 of word i / 64 is 1,
//                            as of about one item in E
//   train_indptr, _indices   of a model: the items that each query's user has
//   QUESTION_items, _scores  int32, float32 [n_checks * n]: the defined answers to the first queries; -1 where there
//                            are fewer than n. Made from the definition alone, in plain loops.
//
// Questions: "one_in_E" for each of kOneIn, kListLength eligible items; of a model also "unseen", kUserListLength items
// that the user does not have, and "similar", as many items by the cosine of their factors to each of the first items,
// that item left out.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/data/interactions.h"

namespace kindred {

inline constexpr int64_t kListLength = 100, kUserListLength = 20;
inline constexpr std::array<int64_t, 4> kOneIn = {1, 10, 100, 1000};

struct TopNCatalogue {
  int64_t n_factors = 0;
  std::vector<float> items;
  std::vector<float> queries;

  int64_t n_items() const { return static_cast<int64_t>(items.size()) / n_factors; }
  int64_t n_queries() const { return static_cast<int64_t>(queries.size()) / n_factors; }
};

/// Throws kCorrupt where the lists are no rows of so many factors.
TopNCatalogue ReadCatalogue(const std::filesystem::path& folder, int64_t n_factors);

std::vector<uint64_t> ReadEligible(const std::filesystem::path& folder, int64_t one_in);
/// The items that each query's user has.
Csr ReadSeen(const std::filesystem::path& folder, int64_t n_items);

struct TopNAnswers {
  std::vector<int32_t> items;
  std::vector<float> scores;
};
TopNAnswers ReadDefined(const std::filesystem::path& folder, const std::string& question);

/// The program `make-items`: items from a mixture of 500 Gaussians, their lengths log-normal, and queries from the same
/// mixture. The same on every machine and number of threads.
int RunMakeItems(int argc, char** argv);
/// The program `make-model`: the factors of an ALS fit, from adjacency files or of made-up interactions.
int RunMakeModel(int argc, char** argv);

}  // namespace kindred
