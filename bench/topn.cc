// Exact top-N through the Backend seam beside faiss, implicit, hnswlib and NumPy.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <numeric>

#include "bench/statistics.h"
#include "bench/topn_data.h"
#include "bench/workloads.h"
#include "host/ranking/catalogue.h"
#include "host/report/format.h"
#include "kernels/cpu/backend.h"
#include "kernels/cpu/host_memory.h"

namespace kindred {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr size_t kLeastSingleCalls = 100, kMostCalls = 5000;  // bench/peers/topn.py has the same

struct ProgramOptions {
  std::string data;
  int64_t n_factors = 0;
  int n_threads = 0;
  int64_t one_in = 0;  // 0: no filter
  bool of_users = false;
  bool check_only = false;
  std::vector<int64_t> batches;
  double least_seconds = 0.5;
};

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Queries that are put to an index, in calls of one or many. Every call must give what all queries at once give.
class Asking {
 public:
  /// `all`: the queries and their conditions, without outputs.
  Asking(Backend& backend, const ItemIndex& index, const TopNRequest& all, int64_t n)
      : backend_(backend), context_(backend.NewContext()), index_(index), all_(all), n_(n), answers_(n_queries() * n) {
    Ask(0, n_queries(), answers_);
  }

  /// Throws unless the first answers are the defined ones, item by item and score by score.
  void RequireDefined(const TopNAnswers& defined) const {
    for (size_t place = 0; place < defined.items.size(); ++place)
      if (answers_.items[place] != defined.items[place] || answers_.scores[place] != defined.scores[place])
        throw Error(ErrorCode::kNumeric,
                    fmt::format("query {}, place {}: item {} with score {}; defined are item {} and {}",
                                place / static_cast<size_t>(n_), place % static_cast<size_t>(n_), answers_.items[place],
                                answers_.scores[place], defined.items[place], defined.scores[place]));
  }

  /// Tells the lists of all queries from others.
  uint64_t Sum() const {
    uint64_t sum = 0;
    for (size_t place = 0; place < answers_.items.size(); ++place)
      sum += (place + 1) * static_cast<uint64_t>(answers_.items[place] + 1);
    return sum % (uint64_t{1} << 53);
  }

  json Time(int64_t batch, double least_seconds) {
    Output output(batch * n_);
    std::vector<float> seconds;
    double all = 0, cpu = 0;
    TopNCost cost;
    const size_t least = batch == 1 ? kLeastSingleCalls : 1;
    while (seconds.size() < kMostCalls && (all < least_seconds || seconds.size() < least)) {
      const int64_t first = static_cast<int64_t>(seconds.size()) % (n_queries() / batch) * batch;
      const double cpu_before = OwnCpuSeconds();
      const auto start = Clock::now();
      Ask(first, batch, output);
      const double taken = SecondsSince(start);
      cpu += OwnCpuSeconds() - cpu_before;
      all += taken;
      seconds.push_back(static_cast<float>(taken));
      RequireSame(first, output);
      for (const TopNCost& of : output.costs) cost.scanned += of.scanned, cost.rescored += of.rescored;
    }
    return Measured(batch, std::move(seconds), cpu, cost);
  }

 private:
  struct Output {
    explicit Output(int64_t size) : items(static_cast<size_t>(size)), scores(items.size()) {}
    std::vector<int32_t> items;
    std::vector<float> scores;
    std::vector<TopNCost> costs;
  };

  int64_t n_queries() const { return all_.queries.n_rows; }

  void Ask(int64_t first, int64_t n_queries, Output& output) const {
    const int64_t n_factors = all_.queries.n_cols;
    output.costs.resize(static_cast<size_t>(n_queries));
    TopNRequest request = all_;
    request.queries = {all_.queries.data + first * n_factors, n_queries, n_factors};
    if (!all_.excluded_indptr.empty()) request.excluded_indptr = {all_.excluded_indptr.data + first, n_queries + 1};
    request.items = {output.items.data(), n_queries, n_};
    request.scores = {output.scores.data(), n_queries, n_};
    request.costs = {output.costs.data(), n_queries};
    backend_.TopN(*context_, index_, request);
    context_->Wait();
  }

  void RequireSame(int64_t first, const Output& output) const {
    if (!std::equal(output.items.begin(), output.items.end(), answers_.items.begin() + first * n_) ||
        !std::equal(output.scores.begin(), output.scores.end(), answers_.scores.begin() + first * n_))
      throw Error(ErrorCode::kNumeric, fmt::format("{} queries from {} on have other answers than in a call of all",
                                                   std::ssize(output.costs), first));
  }

  json Measured(int64_t batch, std::vector<float> seconds, double cpu, const TopNCost& cost) const {
    const auto n_calls = static_cast<double>(seconds.size()), asked = n_calls * static_cast<double>(batch);
    std::sort(seconds.begin(), seconds.end());
    const double median = SpreadOf({seconds.begin(), seconds.end()}).median;
    json measure = {{"seconds", median}, {"cpu_seconds", cpu / n_calls}, {"work", batch}, {"unit", "query"}};
    if (batch == 1) {
      measure["p50_seconds"] = QuantileOf(seconds, 0.5);
      measure["p99_seconds"] = QuantileOf(seconds, 0.99);
    }
    measure["settings"] = {
        {"queries/s", static_cast<double>(batch) / median},
        {"scanned", PercentText(static_cast<double>(cost.scanned) / asked / static_cast<double>(index_.n_items()))},
        {"rescored", static_cast<double>(cost.rescored) / asked}};
    return measure;
  }

  Backend& backend_;
  std::unique_ptr<Context> context_;
  const ItemIndex& index_;
  TopNRequest all_;
  int64_t n_;
  Output answers_;
};

std::unique_ptr<ItemIndex> TimedIndex(Backend& backend, const std::vector<float>& items, int64_t n_factors,
                                      json& measures) {
  const int64_t n_items = static_cast<int64_t>(items.size()) / n_factors, before = ResidentMemory();
  const double cpu_before = OwnCpuSeconds();
  const auto start = Clock::now();
  const std::unique_ptr<Context> context = backend.NewContext();
  std::unique_ptr<ItemIndex> index = backend.NewItemIndex(*context, {items.data(), n_items, n_factors}, {});
  context->Wait();
  measures["index"] = {{"seconds", SecondsSince(start)},
                       {"cpu_seconds", OwnCpuSeconds() - cpu_before},
                       {"work", static_cast<double>(n_items) / 1e6},
                       {"unit", "million items"}};
  TrimMemory();
  measures["index"]["settings"] = {{"memory beside the factors", BytesText(ResidentMemory() - before)}};
  return index;
}

std::string CallName(int64_t batch) {
  return batch == 1 ? "1 query" : fmt::format("{} queries", batch);
}

json AskQueries(Backend& backend, const ProgramOptions& options) {
  const TopNCatalogue catalogue = ReadCatalogue(options.data, options.n_factors);
  json report;
  json& measures = report["measures"];
  const std::unique_ptr<ItemIndex> index = TimedIndex(backend, catalogue.items, options.n_factors, measures);
  TopNRequest all;
  all.queries = {catalogue.queries.data(), catalogue.n_queries(), options.n_factors};
  std::unique_ptr<ItemFilter> filter;
  if (options.one_in > 0) {
    const std::vector<uint64_t> eligible = ReadEligible(options.data, options.one_in);
    const std::unique_ptr<Context> context = backend.NewContext();
    const auto start = Clock::now();
    filter = backend.NewItemFilter(*context, *index, eligible);
    context->Wait();
    measures["filter"] = {{"seconds", SecondsSince(start)}, {"unit", "filter"}};
    all.eligible = filter.get();
  }
  Asking asking(backend, *index, all, kListLength);
  asking.RequireDefined(ReadDefined(options.data, fmt::format("one_in_{}", std::max<int64_t>(1, options.one_in))));
  report["answer"] = {{"sum", asking.Sum()}};
  for (const int64_t batch : options.batches) {
    if (batch > catalogue.n_queries())
      throw Error(ErrorCode::kUsage, fmt::format("--batches {}: expected at most the {} queries that there are", batch,
                                                 catalogue.n_queries()));
    if (!options.check_only) measures[CallName(batch)] = asking.Time(batch, options.least_seconds);
  }
  return report;
}

/// Lists for users without what they have, and items like one.
json AskOfUsers(Backend& backend, const ProgramOptions& options) {
  const TopNCatalogue catalogue = ReadCatalogue(options.data, options.n_factors);
  const Csr seen = ReadSeen(options.data, catalogue.n_items());
  json report;
  json& measures = report["measures"];
  {
    const std::unique_ptr<ItemIndex> index = TimedIndex(backend, catalogue.items, options.n_factors, measures);
    TopNRequest all;
    all.queries = {catalogue.queries.data(), catalogue.n_queries(), options.n_factors};
    all.excluded_indptr = {seen.indptr.data(), std::ssize(seen.indptr)};
    all.excluded_items = {seen.indices.data(), std::ssize(seen.indices)};
    Asking asking(backend, *index, all, kUserListLength);
    asking.RequireDefined(ReadDefined(options.data, "unseen"));
    report["answer"] = {{"sum", asking.Sum()}};
    if (!options.check_only) {
      measures["all users"] = asking.Time(catalogue.n_queries(), options.least_seconds);
      measures["one user"] = asking.Time(1, options.least_seconds);
    }
  }
  const std::vector<float> directions =
      NormalizedRows({catalogue.items.data(), catalogue.n_items(), options.n_factors});
  json unused;
  const std::unique_ptr<ItemIndex> index = TimedIndex(backend, directions, options.n_factors, unused);
  std::vector<int64_t> indptr(static_cast<size_t>(catalogue.n_items()) + 1);
  std::iota(indptr.begin(), indptr.end(), 0);
  const std::vector<int32_t> itself(indptr.begin(), indptr.end() - 1);
  TopNRequest all;
  all.queries = {directions.data(), catalogue.n_items(), options.n_factors};
  all.excluded_indptr = {indptr.data(), std::ssize(indptr)};
  all.excluded_items = {itself.data(), std::ssize(itself)};
  Asking asking(backend, *index, all, kUserListLength);
  asking.RequireDefined(ReadDefined(options.data, "similar"));
  report["answer"]["similar"] = asking.Sum();
  if (!options.check_only) measures["items like one"] = asking.Time(1, options.least_seconds);
  return report;
}

int RunTopN(int argc, char** argv) {
  CLI::App app("Exact top-N of a catalogue.");
  ProgramOptions options;
  app.add_option("--data", options.data)->required();
  app.add_option("--n-factors", options.n_factors)->required();
  app.add_option("--threads", options.n_threads);
  app.add_option("--seconds", options.least_seconds);
  app.add_option("--batches", options.batches)->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--one-in", options.one_in, "ask for eligible items");
  app.add_flag("--of-users", options.of_users, "ask as a recommender does");
  app.add_flag("--check", options.check_only);
  CLI11_PARSE(app, argc, argv);
  CpuBackend backend(options.n_threads);
  json report = options.of_users ? AskOfUsers(backend, options) : AskQueries(backend, options);
  report["quality"] = {{"recall", 1}, {"deficit", 0}};  // or it had thrown
  std::cout << report.dump() << "\n";
  return 0;
}

/// A catalogue of the bench: how it is made, and what is asked of it.
struct Data {
  std::string name;
  std::string folder;
  std::vector<std::string> prepare;
  int64_t n_factors;
  int most_rounds = 3;
  bool large = false;  // more than a million items
};

Data MadeItems(const Setup& setup, const std::string& size, int64_t n_items, int64_t n_factors) {
  const bool large = n_items > 1'000'000;
  const std::string folder = setup.folder / fmt::format("items-{}-{}", n_items, n_factors);
  return {fmt::format("{} items x {}", size, n_factors),
          folder,
          setup.Own("make-items",
                    {"--out", folder, "--items", std::to_string(n_items), "--n-factors", std::to_string(n_factors),
                     "--queries", large || setup.quick ? "256" : "4096", "--checks", large ? "16" : "32"}),
          n_factors,
          large                  ? 1
          : n_items >= 1'000'000 ? 2
                                 : 3,
          large};
}

/// Of gowalla where its files are at hand; of a quick run from made-up interactions.
std::vector<Data> Models(const Setup& setup) {
  std::vector<Data> models;
  const std::string train = setup.data / "gowalla/train.txt", test = setup.data / "gowalla/test.txt";
  const bool real = !setup.quick && !setup.data.empty() && fs::exists(train);
  const auto add = [&](int64_t n_factors, const char* regularization, const char* weight) {
    const std::string name = real ? "gowalla" : "tiny", folder = setup.folder / fmt::format("{}-{}", name, n_factors);
    std::vector<std::string> words = {"--out",
                                      folder,
                                      "--n-factors",
                                      std::to_string(n_factors),
                                      "--regularization",
                                      regularization,
                                      "--unobserved-weight",
                                      weight,
                                      "--epochs",
                                      "8",
                                      "--checks",
                                      "200"};
    if (real)
      words.insert(words.end(), {"--train", train, "--test", test});
    else
      words.insert(words.end(), {"--users", "600", "--items", "400", "--entries", "12000"});
    models.push_back({fmt::format("{} x {}", name, n_factors), folder, setup.Own("make-model", words), n_factors});
  };
  if (setup.quick) add(16, "0.03", "0.1");
  if (!real) return models;
  add(64, "0.003", "0.02");  // as in the README
  add(128, "0.003", "0.03");
  add(256, "0.005", "0.02");
  return models;
}

class CaseMaker {
 public:
  CaseMaker(const Setup& setup, const Data& data, const std::string& name) : setup_(setup), data_(data) {
    one_.name = name;
    one_.prepare = data.prepare;
    one_.most_rounds = data.most_rounds;
  }

  CaseMaker& Ours(const std::vector<std::string>& more) {
    one_.programs.push_back(
        {.name = "kindred", .command = setup_.Own("topn", Words(more)), .quality_arguments = {"--check"}});
    return *this;
  }
  CaseMaker& Peer(const char* name, const std::vector<std::string>& method, const char* module,
                  const std::vector<std::string>& more) {
    std::vector<std::string> words = method;
    const std::vector<std::string> common = Words(more);
    words.insert(words.end(), common.begin(), common.end());
    one_.programs.push_back({.name = name,
                             .role = Role::kPeer,
                             .command = setup_.Peer("topn.py", words),
                             .quality_arguments = {"--check"},
                             .python_module = module});
    return *this;
  }
  Case Done() { return std::move(one_); }

 private:
  std::vector<std::string> Words(const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"--data",      data_.folder,
                                      "--n-factors", std::to_string(data_.n_factors),
                                      "--threads",   std::to_string(setup_.n_threads),
                                      "--seconds",   setup_.quick ? "0.01" : "0.5"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  const Setup& setup_;
  const Data& data_;
  Case one_;
};

const std::vector<std::string> kFaiss = {"faiss", "--wait-policy", "passive"}, kFaissAsItComes = {"faiss"};

/// `most`: queries a call; `most_of_slow`: of what would take minutes with more.
Case ExactCase(const Setup& setup, const Data& data, int64_t most, int64_t most_of_slow) {
  const auto up_to = [](int64_t limit) {
    std::string batches = "1";
    for (const int64_t batch : {16, 256, 4096})
      if (batch <= limit) batches += "," + std::to_string(batch);
    return std::vector<std::string>{"--batches", batches};
  };
  CaseMaker maker(setup, data, data.name);
  maker.Ours(up_to(most)).Peer("faiss", kFaiss, "faiss", up_to(most));
  if (!data.large) maker.Peer("faiss, default wait policy", kFaissAsItComes, "faiss", up_to(most));
  return maker.Peer("implicit", {"implicit"}, "implicit", up_to(most_of_slow))
      .Peer("NumPy", {"numpy"}, "numpy", up_to(most_of_slow))
      .Done();
}

Case ApproximateCase(const Setup& setup, const Data& data) {
  const std::vector<std::string> batches = {"--batches", setup.quick ? "1,16" : "1,16,256"};
  return CaseMaker(setup, data, data.name + ", beside an approximate index")
      .Ours(batches)
      .Peer("hnswlib", {"hnswlib"}, "hnswlib", batches)
      .Done();
}

Case EligibleCase(const Setup& setup, const Data& data, int64_t one_in) {
  const std::vector<std::string> more = {"--one-in", std::to_string(one_in), "--batches", "1,16"};
  return CaseMaker(setup, data,
                   fmt::format("{}, {} eligible", data.name, PercentText(1.0 / static_cast<double>(one_in))))
      .Ours(more)
      .Peer("faiss", kFaiss, "faiss", more)
      .Peer("NumPy", {"numpy"}, "numpy", more)
      .Done();
}

Case UsersCase(const Setup& setup, const Data& data) {
  return CaseMaker(setup, data, data.name + ", seen left out")
      .Ours({"--of-users"})
      .Peer("implicit", {"implicit"}, "implicit", {"--of-users"})
      .Done();
}

std::vector<Case> Cases(const Setup& setup) {
  std::vector<Case> cases;
  if (setup.quick) {
    const Data items = MadeItems(setup, "3k", 3000, 16);
    cases = {ExactCase(setup, items, 256, 256), ApproximateCase(setup, items), EligibleCase(setup, items, 10)};
  } else {
    for (const int64_t n_factors : {64, 128, 256}) {
      const Data items = MadeItems(setup, "100k", 100'000, n_factors);
      cases.push_back(ExactCase(setup, items, 4096, 4096));
      if (n_factors < 256) cases.push_back(ApproximateCase(setup, items));
    }
    for (const int64_t n_factors : {64, 128, 256})
      cases.push_back(ExactCase(setup, MadeItems(setup, "1M", 1'000'000, n_factors), 4096, 256));
    cases.push_back(ExactCase(setup, MadeItems(setup, "10M", 10'000'000, 64), 256, 16));
    for (const int64_t one_in : kOneIn)
      cases.push_back(EligibleCase(setup, MadeItems(setup, "1M", 1'000'000, 128), one_in));
  }
  for (const Data& model : Models(setup)) {
    cases.push_back(ExactCase(setup, model, 256, 256));
    cases.push_back(UsersCase(setup, model));
  }
  return cases;
}

}  // namespace

Workload TopNWorkload() {
  Workload workload;
  workload.name = "topn";
  workload.title = "Exact top-N beside faiss, implicit, hnswlib and NumPy";
  workload.description =
      R"(The 100 items with the largest inner products, in calls of one to 4096 queries; a time is a call's median,
p50 and p99 are those of at least 100 calls one after another. Made-up items are a mixture of 500 Gaussians with
log-normal lengths, queries of the same mixture; gowalla's are the factors of ALS as the README trains it, 29,858 users
x 40,981 items. Kindred is asked through `Backend::TopN` in its process, peers are Python processes; all have the
catalogue in memory, and the same threads.

Ids come before times. The defined answers to the first queries (16 to 200) are made by plain loops in double: Kindred
must have the same ids and scores in the same places, and each of its calls the answer of a call of all queries. *recall*
is the part of the defined ids that a program finds, *deficit* how far at worst a defined score falls behind the defined
one in its place, as a part of the query's best: what float32 sums in another order confuse is about 1e-7, and an exact
peer that is off by more than 1e-5 gets no time. *scanned* are the items whose bound was computed, *rescored* those
scored by the definition, both a query.

faiss: `IndexFlatIP` of the wheel, with `OMP_WAIT_POLICY=passive` and, up to a million items, as it comes; filters are
its `IDSelectorBitmap`.
implicit: its `topk`, and for users `recommend` with what they have left out and `similar_items`; one BLAS thread where
it uses threads itself, else all. NumPy: a product and `argpartition`, 64 queries at a time; with a filter the eligible
rows are copied first, and *filter* is that copy. *index* is what is built before the first query, its memory what the
process then has more; faiss's is its copy of the factors. hnswlib: M = 16, ef of construction 100, of search 200, built
once; it is left out where there are more items. implicit and NumPy are not asked 4096 queries at a time of a million
items, nor 256 of ten million: they take as long a query as with fewer.)";
  workload.metrics = {{.name = "recall"}, {.name = "deficit", .higher_is_better = false}};
  workload.cases = Cases;
  workload.programs = {{"topn", RunTopN}, {"make-items", RunMakeItems}, {"make-model", RunMakeModel}};
  return workload;
}

}  // namespace kindred
