// Interactions for the benches of models: a folder of .npy arrays that Kindred and NumPy read alike.
//
//   train_indptr int64, train_indices int32   users x items, every entry 1
//   test_indptr int64, test_indices int32     held out; empty rows for users without
//   n_items int64 [1]
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/workload.h"
#include "host/data/interactions.h"

namespace kindred {

struct TrainAndTest {
  Csr train;
  Csr test;
};

/// What the made-up interactions look like. The degrees are log-normal on both sides, as those of a shop: of the
/// defaults the users' have a median of about 44, the items' of about 170.
struct TasteShape {
  int64_t n_users = 138'000;
  int64_t n_items = 27'000;
  int64_t n_entries = 10'000'000;
  int64_t n_tastes = 60;  // groups of items; a user has three of them
  int64_t n_test_users = 5000;
  uint64_t seed = 1;
};

/// Seven of ten of a user's items are of the user's tastes, the others of all; an item is drawn by its popularity.
/// A fifth of the items of every so-manieth user is held out. The same on every machine and number of threads.
TrainAndTest MakeTastes(const TasteShape& shape, int n_threads);

/// Two adjacency files (`user item item ...`); ids get their indices in the order they come. Throws as ReadEvents does.
TrainAndTest ReadAdjacency(const std::string& train, const std::string& test);

void WriteInteractions(const std::filesystem::path& folder, const TrainAndTest& data);
/// Throws kCorrupt for files that are not what WriteInteractions wrote.
TrainAndTest ReadInteractions(const std::filesystem::path& folder);

/// Interactions that workloads of models share: where they are once `prepare` has run.
struct InteractionSet {
  std::string name;
  std::string folder;
  std::vector<std::string> prepare;
};
/// "gowalla" where its files are at hand, and "10M entries"; of a quick run "tiny" alone.
std::vector<InteractionSet> InteractionSets(const Setup& setup);
/// The program `make-interactions`, which their `prepare` runs.
int RunMakeInteractions(int argc, char** argv);

}  // namespace kindred
