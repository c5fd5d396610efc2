#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "host/data/dataset.h"
#include "host/intake/row_source.h"
#include "training/child_process.h"
#include "training/commands.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr const char* kModel = "shop";
constexpr const char* kSegments = "shop-segments";
constexpr size_t kRows = 5;
constexpr size_t kUsers = 4;

struct DemoOptions {
  std::string dir = "./kindred-demo";
  uint64_t seed = 1;
  bool keep_serving = false;
};

struct ShopItem {
  std::string name, category, price;

  std::string Text() const { return fmt::format("{}, {} ({})", name, price, category); }
};

using Catalogue = std::map<std::string, ShopItem, std::less<>>;

/// Takes the catalogue's rows in.
class CatalogueSink : public RowSink {
 public:
  void Rows(const RowBatch& batch) override {
    for (size_t row = 0; row < static_cast<size_t>(batch.n_rows); ++row) {
      const auto cell = [&](size_t column) { return std::string(batch.columns[column].texts[row]); };
      catalogue[cell(0)] = {cell(1), cell(2), cell(3)};
    }
  }
  void Bad(BadRow row) override { throw Error(ErrorCode::kCorrupt, row.Message()); }

  Catalogue catalogue;
};

Catalogue ReadCatalogue(const fs::path& path) {
  const std::unique_ptr<RowSource> source = OpenRows(path.string(), {});
  std::vector<int> columns;
  for (const std::string_view name : {"item_id", "name", "category", "price"}) {
    const auto all = source->columns();
    const auto found = std::find_if(all.begin(), all.end(), [&](const ColumnInfo& c) { return c.name == name; });
    if (found == all.end())
      throw Error(ErrorCode::kCorrupt, fmt::format("'{}' has no column '{}'", path.string(), name));
    columns.push_back(static_cast<int>(found - all.begin()));
  }
  source->Select(columns);
  CatalogueSink sink;
  while (const std::unique_ptr<RowBlock> block = source->Next()) source->Parse(*block, sink);
  return std::move(sink.catalogue);
}

/// What a user did with an item: the strongest of the events.
struct Deed {
  int32_t item = 0;
  float value = 0;
  std::string type;
};

/// One for each item, the strongest first and among equals the latest.
std::vector<Deed> DeedsOf(const Dataset& dataset, int64_t user) {
  std::vector<Deed> deeds;
  const EventsView& events = dataset.events();
  for (int64_t e = events.indptr[user + 1] - 1; e >= events.indptr[user]; --e) {
    const auto at = static_cast<size_t>(e);
    auto deed = std::find_if(deeds.begin(), deeds.end(), [&](const Deed& d) { return d.item == events.items[at]; });
    if (deed == deeds.end()) deed = deeds.insert(deeds.end(), Deed{events.items[at], -1, {}});
    if (deed->value >= events.values[at]) continue;
    deed->value = events.values[at];
    if (!events.types.empty()) deed->type = dataset.event_types()[events.types[at]];
  }
  std::stable_sort(deeds.begin(), deeds.end(), [](const Deed& a, const Deed& b) { return a.value > b.value; });
  return deeds;
}

const ShopItem& Find(const Catalogue& catalogue, std::string_view id) {
  const auto found = catalogue.find(id);
  if (found == catalogue.end()) throw Error(ErrorCode::kCorrupt, fmt::format("item '{}' is not in the catalogue", id));
  return found->second;
}

/// Users who did enough to show, each with a favourite category of their own.
std::vector<int64_t> UsersToShow(const Dataset& dataset, const Catalogue& catalogue) {
  std::vector<int64_t> users;
  std::set<std::string> taken;
  for (int64_t user = 0; user < dataset.users().size() && users.size() < kUsers; ++user) {
    const std::vector<Deed> deeds = DeedsOf(dataset, user);
    if (deeds.size() < 2 * kRows || deeds.size() > 6 * kRows) continue;
    std::map<std::string, float> liked;
    for (const Deed& deed : deeds) liked[Find(catalogue, dataset.items().Id(deed.item)).category] += deed.value;
    const auto favourite =
        std::max_element(liked.begin(), liked.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    if (taken.insert(favourite->first).second) users.push_back(user);
  }
  return users;
}

class Demo {
 public:
  explicit Demo(const DemoOptions& options) : options_(options), dir_(options.dir) {}

  void Run() {
    const fs::path shop = dir_ / "shop";
    const fs::path dataset = dir_ / "dataset";
    const std::string store = (dir_ / "models").string();
    Show(Overwriting({"generate", "--out", shop.string(), "--seed", std::to_string(options_.seed)}, shop));
    Show(Overwriting({"prepare", (shop / "events.csv").string(), "--out", dataset.string()}, dataset));
    Show({"train", dataset.string(), "--store", store, "--model", kModel, "--split", "leave-last-n", "--n-factors",
          "32", "--seed", std::to_string(options_.seed)});
    Show({"segment", dataset.string(), "--store", store, "--model", kSegments});

    const Words serve = {"serve", "--store", store, "--model", kModel, "--listen", "127.0.0.1:0", "--json"};
    const fs::path log = dir_ / "server.log";
    Announce(serve, " &");
    using Mode = ChildProcess::Mode;
    ChildProcess server(signals_, serve, options_.keep_serving ? Mode::kOutlive : Mode::kCapture, log);
    const std::string ready = server.ReadLine();
    std::cout << ready << "\n";
    const std::string address = nlohmann::json::parse(ready).at("listening");

    Ask(*Dataset::Open(dataset), ReadCatalogue(shop / "items.csv"), address);
    if (!options_.keep_serving) {
      server.Stop();
      std::cout << "\nThe server has stopped. With --keep-serving it stays, to be asked more.\n";
      return;
    }
    std::cout << fmt::format(
        "\nThe server goes on at {} (process {}, log in {}).\n  Ask it:   kindred query recommend "
        "--server {} --user USER\n  Stop it:  kill {}\n",
        address, server.pid(), log.string(), address, server.pid());
    server.Release();
  }

 private:
  static Words Overwriting(Words words, const fs::path& path) {
    if (fs::exists(path)) words.push_back("--overwrite");
    return words;
  }

  static void Announce(const Words& words, const char* after = "") {
    std::cout << "\n$ kindred " << ShellWords(words) << after << std::endl;
  }

  void Show(const Words& words) const {
    Announce(words);
    ChildProcess(signals_, words).Wait();
  }

  nlohmann::json Capture(const Words& words) const {
    Announce(words);
    ChildProcess child(signals_, words, ChildProcess::Mode::kCapture);
    const std::string output = child.ReadAll();
    child.Wait();
    return nlohmann::json::parse(output);
  }

  void Ask(const Dataset& dataset, const Catalogue& catalogue, const std::string& address) const {
    const std::vector<int64_t> users = UsersToShow(dataset, catalogue);
    if (users.empty()) throw Error(ErrorCode::kNotFound, "the shop has no user who did enough to show");
    const auto id = [&](int64_t user) { return std::string(dataset.users().Id(user)); };
    Show({"query", "recommend", "--server", address, "--user", id(users[0]), "--n", std::to_string(kRows)});
    Words batch = {"query", "batch-recommend", "--server", address, "--n", std::to_string(kRows), "--json"};
    for (const int64_t user : users) batch.insert(batch.end(), {"--user", id(user)});
    const nlohmann::json results = Capture(batch).at("results");

    size_t width = 0;
    for (const auto& [item, entry] : catalogue) width = std::max(width, entry.Text().size());
    for (size_t u = 0; u < users.size(); ++u) {
      const std::vector<Deed> deeds = DeedsOf(dataset, users[u]);
      const nlohmann::json& items = results.at(u).at("reply").at("items");
      const std::string head = fmt::format("{} before ({} items)", id(users[u]), deeds.size());
      std::cout << fmt::format("\n{:<{}}    recommended\n", head, width + 6);
      for (size_t row = 0; row < kRows; ++row) {
        std::string before, next;
        if (row < deeds.size())
          before =
              fmt::format("{:<5} {}", deeds[row].type, Find(catalogue, dataset.items().Id(deeds[row].item)).Text());
        if (row < items.size()) next = Find(catalogue, items[row].at("item_id").get<std::string>()).Text();
        std::cout << fmt::format("  {:<{}}  {}\n", before, width + 6, next);
      }
    }
  }

  DemoOptions options_;
  fs::path dir_;
  StopSignals signals_;
};

}  // namespace

void AddDemoCommand(CommandLine& program) {
  const auto options = std::make_shared<DemoOptions>();
  CLI::App* app = program.Add("demo",
                              "Makes up a shop, trains on it, finds segments of its users, serves it and asks for "
                              "recommendations, showing each "
                              "command",
                              [options] {
                                Demo(*options).Run();
                                return 0;
                              });
  app->add_option("--dir", options->dir, "the folder that everything goes to");
  app->add_option("--seed", options->seed, "of the shop and of the training")->check(Within(0, kLargestSeed));
  app->add_flag("--keep-serving", options->keep_serving)->description("leave the server running at the end");
}

}  // namespace kindred
