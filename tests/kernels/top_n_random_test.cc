// Top-N on catalogues and queries made to mislead a scan, each against a full sort by the definition. How many:
// KINDRED_SOAK_QUERIES, else what a test run has time for (`make soak` sets it); from which seed on: KINDRED_SOAK_SEED.
#include <cmath>
#include <cstdlib>
#include <random>

#include "tests/kernels/top_n_fixture.h"

namespace kindred {
namespace {

class RandomCatalogues {
 public:
  explicit RandomCatalogues(uint64_t seed) : engine_(seed) {}

  int64_t Whole(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine_); }
  bool Chance(int64_t one_of) { return Whole(1, one_of) == 1; }
  float Normal() { return normal_(engine_); }

  /// Rows near a few directions, or none; whole numbers that tie, or not; of one length, or of lengths that differ by
  /// many powers of ten; with copies, rows of zeros, and numbers that are not finite.
  std::vector<float> Rows(int64_t n_rows, int64_t f) {
    std::vector<float> rows(static_cast<size_t>(n_rows * f));
    const int64_t n_directions = Chance(2) ? Whole(1, 6) : 0;
    std::vector<float> directions(static_cast<size_t>(n_directions * f));
    for (float& x : directions) x = Normal();
    const float noise = Chance(3) ? 1e-6f : 0.5f, decay = Chance(2) ? 0.8f : 1.0f;
    const double spread = Chance(3) ? 0 : static_cast<double>(Whole(1, 12)), scale = Chance(4) ? Scale() : 1;
    const bool is_whole = Chance(4), has_zeros = Chance(3), has_copies = Chance(3), has_wild = Chance(8);
    for (int64_t r = 0; r < n_rows; ++r) {
      float* row = rows.data() + r * f;
      const auto length = static_cast<float>(scale * std::exp(spread * normal_(engine_) / 3));
      const float* direction = n_directions > 0 ? directions.data() + Whole(0, n_directions - 1) * f : nullptr;
      float falls = 1;
      for (int64_t k = 0; k < f; ++k, falls *= decay) {
        const float x = (direction != nullptr ? direction[k] + noise * Normal() : Normal()) * falls;
        row[k] = (is_whole ? std::round(2 * x) : x) * length;
      }
      if (has_zeros && Chance(5)) std::fill(row, row + f, 0.0f);
      if (has_copies && r > 0 && Chance(2)) std::copy_n(rows.data() + Whole(0, r - 1) * f, f, row);
      if (has_wild && Chance(20)) row[Whole(0, f - 1)] = Chance(2) ? NAN : Chance(2) ? INFINITY : -INFINITY;
    }
    return rows;
  }

  std::mt19937_64& engine() { return engine_; }
  uint64_t Next() { return engine_(); }

 private:
  double Scale() { return std::pow(10.0, static_cast<double>(Whole(-40, 36))); }

  std::mt19937_64 engine_;
  std::normal_distribution<float> normal_;
};

class TopNRandomTest : public TopNTest {};

TEST_P(TopNRandomTest, EqualsAFullSort) {
  const char* variable = std::getenv("KINDRED_SOAK_QUERIES");
  const int64_t n_cases = (variable != nullptr ? std::atoll(variable) : Allowance(2000, 40)) / 7;  // queries a case
  const char* seed_variable = std::getenv("KINDRED_SOAK_SEED");
  const uint64_t first_seed = seed_variable != nullptr ? std::strtoull(seed_variable, nullptr, 10)
                              : variable != nullptr    ? std::random_device()()
                                                       : 1000;
  std::vector<uint64_t> seeds = {1079372708};  // once wrong
  for (int64_t c = 0; c < n_cases; ++c) seeds.push_back(first_seed + static_cast<uint64_t>(c));
  for (const uint64_t seed : seeds) {
    RandomCatalogues random(seed);
    const int64_t f = random.Chance(4) ? random.Whole(1, 8) : random.Whole(9, 140);
    const int64_t n_items = random.Whole(1, Allowance(2500, 500));
    const int64_t n_queries = random.Chance(4) ? 1 : random.Whole(2, Allowance(18, 4));
    const int64_t n = random.Chance(8) ? random.Whole(100, 1000) : random.Whole(1, 60);
    SCOPED_TRACE(testing::Message() << "seed " << seed << ": " << n_items << " items, " << n_queries << " queries, f "
                                    << f << ", n " << n);
    const std::vector<float> items = random.Rows(n_items, f);
    std::vector<float> queries = random.Rows(n_queries, f);
    for (int64_t q = 0; q < n_queries; ++q)  // some ask for an item, and meet its copies
      if (random.Chance(4)) std::copy_n(items.data() + random.Whole(0, n_items - 1) * f, f, queries.data() + q * f);
    eligible_ = random.Chance(3) ? RandomEligible(n_items, uint64_t{1} << random.Whole(0, 9), random.Next())
                                 : std::vector<uint64_t>();
    std::vector<std::vector<int32_t>> excluded;
    if (random.Chance(3)) {
      excluded.resize(static_cast<size_t>(n_queries));
      for (auto& list : excluded)
        for (const auto& [item, value] : RandomEntries(n_items, uint64_t{1} << random.Whole(0, 6), random.engine()))
          list.push_back(item);
    }
    if (random.Chance(3)) {
      const Histories histories = RandomHistories(n_items, n_queries, random.Next());
      ExpectExact(items, n_items, queries, n_queries, f, n, excluded, &histories);
    } else {
      ExpectExact(items, n_items, queries, n_queries, f, n, excluded);
    }
    if (HasFailure()) return;
  }
}

KINDRED_ON_ALL_BACKENDS(TopNRandomTest);

}  // namespace
}  // namespace kindred
