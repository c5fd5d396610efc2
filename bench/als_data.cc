#include "bench/als_data.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>
#include <span>

#include "bench/read_array.h"
#include "bench/synthetic.h"
#include "host/data/id_map.h"
#include "host/data/random.h"
#include "host/intake/event_reader.h"
#include "host/shop/weighted_choice.h"
#include "kernels/cpu/parallel.h"
#include "kernels/error.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;

constexpr double kUserSpread = 1.0, kItemSpread = 1.38;  // of the logarithms of the degrees
constexpr double kOfTastes = 0.7, kHeldOut = 0.2;
constexpr int kTastesOfUser = 3, kMostTries = 64;
constexpr int64_t kUsersOfTask = 1 << 12;

/// Lengths of about n_entries together, at most a tenth of the items each.
std::vector<int64_t> Lengths(const TasteShape& shape) {
  std::vector<double> raw(static_cast<size_t>(shape.n_users));
  for (size_t u = 0; u < raw.size(); ++u) raw[u] = std::exp(kUserSpread * RandomNormal(shape.seed, u));
  const double scale = static_cast<double>(shape.n_entries) / std::accumulate(raw.begin(), raw.end(), 0.0);
  const int64_t most = std::max<int64_t>(1, shape.n_items / 10);
  std::vector<int64_t> lengths;
  for (const double r : raw) lengths.push_back(std::clamp<int64_t>(std::llround(r * scale), 1, most));
  return lengths;
}

class Tastes {
 public:
  explicit Tastes(const TasteShape& shape) : shape_(shape), items_(static_cast<size_t>(shape.n_tastes)) {
    std::vector<double> weights(static_cast<size_t>(shape.n_items));
    std::vector<std::vector<double>> of_taste(items_.size());
    for (size_t i = 0; i < weights.size(); ++i) {
      weights[i] = std::exp(kItemSpread * RandomNormal(shape.seed + 1, i));
      const size_t taste = RandomBits(shape.seed + 2, i) % items_.size();
      items_[taste].push_back(static_cast<int32_t>(i));
      of_taste[taste].push_back(weights[i]);
    }
    all_ = WeightedChoice(weights);
    for (const std::vector<double>& own : of_taste)
      choices_.push_back(own.empty() ? WeightedChoice() : WeightedChoice(own));
  }

  /// Increasing items. Repeats are drawn again, a bounded number of times.
  std::vector<int32_t> Row(int64_t user, int64_t length) const {
    const uint64_t seed = RandomBits(shape_.seed + 3, static_cast<uint64_t>(user));
    uint64_t counter = kTastesOfUser;
    std::vector<int32_t> row;
    for (int round = 0; round < kMostTries && static_cast<int64_t>(row.size()) < length; ++round) {
      for (int64_t missing = length - static_cast<int64_t>(row.size()); missing > 0; --missing) {
        const size_t taste = RandomBits(seed, RandomBits(seed, counter++) % kTastesOfUser) % items_.size();
        const bool own = RandomUniform(seed, counter++) < kOfTastes && !items_[taste].empty();
        const double uniform = RandomUniform(seed, counter++);
        row.push_back(own ? items_[taste][static_cast<size_t>(choices_[taste].Draw(uniform))]
                          : static_cast<int32_t>(all_.Draw(uniform)));
      }
      std::sort(row.begin(), row.end());
      row.erase(std::unique(row.begin(), row.end()), row.end());
    }
    return row;
  }

 private:
  const TasteShape& shape_;
  std::vector<std::vector<int32_t>> items_;
  std::vector<WeightedChoice> choices_;
  WeightedChoice all_;
};

void AddRow(Csr& matrix, const std::vector<int32_t>& row) {
  matrix.indices.insert(matrix.indices.end(), row.begin(), row.end());
  matrix.indptr.push_back(static_cast<int64_t>(matrix.indices.size()));
}

TrainAndTest WithShape(TrainAndTest data, int64_t n_items) {
  for (Csr* matrix : {&data.train, &data.test}) {
    matrix->n_rows = static_cast<int64_t>(matrix->indptr.size()) - 1;
    matrix->n_cols = n_items;
    matrix->values.assign(matrix->indices.size(), 1.0f);
  }
  return data;
}

using Pairs = std::vector<std::pair<int32_t, int32_t>>;

Pairs ReadPairs(const std::string& path, IdMapBuilder& users, IdMapBuilder& items) {
  EventReaderOptions options;
  options.read.format = InputFormat::kAdjacency;
  Pairs pairs;
  EventSink sink;
  sink.events = [&](const EventBatch& batch) {
    for (size_t e = 0; e < batch.users.size(); ++e)
      pairs.emplace_back(users.Intern(batch.users[e]), items.Intern(batch.items[e]));
  };
  sink.bad_row = [](const BadRow& row) { throw Error(ErrorCode::kInvalidArgument, row.Message()); };
  ReadEvents(std::vector<std::string>{path}, options, sink);
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  return pairs;
}

Csr ToCsr(const Pairs& pairs, int64_t n_users) {
  Csr matrix;
  size_t at = 0;
  for (int64_t user = 0; user < n_users; ++user) {
    for (; at < pairs.size() && pairs[at].first == user; ++at) matrix.indices.push_back(pairs[at].second);
    matrix.indptr.push_back(static_cast<int64_t>(at));
  }
  return matrix;
}

}  // namespace

TrainAndTest MakeTastes(const TasteShape& shape, int n_threads) {
  const std::vector<int64_t> lengths = Lengths(shape);
  const Tastes tastes(shape);
  std::vector<std::vector<int32_t>> rows(lengths.size());
  ThreadPool pool(n_threads);
  pool.Run((shape.n_users + kUsersOfTask - 1) / kUsersOfTask, pool.n_threads(), [&](int64_t task, int) {
    for (int64_t u = task * kUsersOfTask; u < std::min(shape.n_users, (task + 1) * kUsersOfTask); ++u)
      rows[static_cast<size_t>(u)] = tastes.Row(u, lengths[static_cast<size_t>(u)]);
  });
  const int64_t step = std::max<int64_t>(1, shape.n_users / std::max<int64_t>(1, shape.n_test_users));
  TrainAndTest data;
  for (size_t u = 0; u < rows.size(); ++u) {
    std::vector<int32_t> train, test;
    const bool tested = static_cast<int64_t>(u) % step == 0;
    for (const int32_t item : rows[u])
      (tested && RandomUniform(shape.seed + 4 + u, static_cast<uint64_t>(item)) < kHeldOut ? test : train)
          .push_back(item);
    AddRow(data.train, train);
    AddRow(data.test, test);
  }
  return WithShape(std::move(data), shape.n_items);
}

TrainAndTest ReadAdjacency(const std::string& train, const std::string& test) {
  IdMapBuilder users, items;
  const Pairs train_pairs = ReadPairs(train, users, items);
  const Pairs test_pairs = ReadPairs(test, users, items);
  return WithShape({ToCsr(train_pairs, users.size()), ToCsr(test_pairs, users.size())}, items.size());
}

void WriteInteractions(const fs::path& folder, const TrainAndTest& data) {
  fs::create_directories(folder);
  WriteNpy(folder / "train_indptr.npy", data.train.indptr);
  WriteNpy(folder / "train_indices.npy", data.train.indices);
  WriteNpy(folder / "test_indptr.npy", data.test.indptr);
  WriteNpy(folder / "test_indices.npy", data.test.indices);
  WriteNpy(folder / "n_items.npy", std::vector<int64_t>{data.train.n_cols});
}

TrainAndTest ReadInteractions(const fs::path& folder) {
  TrainAndTest data;
  data.train.indptr = ReadArray<int64_t>(folder / "train_indptr.npy");
  data.train.indices = ReadArray<int32_t>(folder / "train_indices.npy");
  data.test.indptr = ReadArray<int64_t>(folder / "test_indptr.npy");
  data.test.indices = ReadArray<int32_t>(folder / "test_indices.npy");
  const std::vector<int64_t> n_items = ReadArray<int64_t>(folder / "n_items.npy");
  if (n_items.size() != 1) throw Error(ErrorCode::kCorrupt, "'n_items.npy' is no single number");
  return WithShape(std::move(data), n_items[0]);
}

std::vector<InteractionSet> InteractionSets(const Setup& setup) {
  std::vector<InteractionSet> sets;
  const auto add = [&](const std::string& name, const std::vector<std::string>& arguments) {
    const std::string folder = setup.folder / name;
    std::vector<std::string> words = {"--out", folder};
    words.insert(words.end(), arguments.begin(), arguments.end());
    sets.push_back({name, folder, setup.Own("make-interactions", words)});
  };
  if (setup.quick) {
    add("tiny", {"--users", "1500", "--items", "400", "--entries", "30000"});
    return sets;
  }
  const std::string train = setup.data / "gowalla/train.txt", test = setup.data / "gowalla/test.txt";
  if (!setup.data.empty() && fs::exists(train)) add("gowalla", {"--train", train, "--test", test});
  add("10M entries", {});
  return sets;
}

int RunMakeInteractions(int argc, char** argv) {
  CLI::App app("Makes interactions, or reads them.");
  TasteShape shape;
  std::string out, train, test;
  app.add_option("--out", out)->required();
  app.add_option("--train", train);
  app.add_option("--test", test);
  app.add_option("--users", shape.n_users);
  app.add_option("--items", shape.n_items);
  app.add_option("--entries", shape.n_entries);
  CLI11_PARSE(app, argc, argv);
  const TrainAndTest data = train.empty() ? MakeTastes(shape, 0) : ReadAdjacency(train, test);
  WriteInteractions(out, data);
  std::cout << nlohmann::json{{"n_entries", data.train.indices.size()}}.dump() << "\n";
  return 0;
}

}  // namespace kindred
