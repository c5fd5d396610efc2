// Round trips of `kindred serve` beside an empty gRPC service.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <fstream>
#include <iostream>

#include "bench/empty_service.h"
#include "bench/serving_load.h"
#include "bench/workloads.h"
#include "host/data/random.h"

namespace kindred {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// An adjacency file of users who drew their items with repeats, the first items more often.
void WriteLines(const fs::path& path, int64_t n_users, int64_t n_items, int n_draws) {
  std::ofstream file(path, std::ios::binary);
  for (int64_t user = 0; user < n_users; ++user) {
    file << user;
    for (int draw = 0; draw < n_draws; ++draw) {
      const auto at = static_cast<uint64_t>(2 * draw);
      const double place =
          RandomUniform(static_cast<uint64_t>(user), at) * RandomUniform(static_cast<uint64_t>(user), at + 1);
      file << " " << static_cast<int64_t>(place * static_cast<double>(n_items));
    }
    file << "\n";
  }
  file.close();
  if (!file) throw Error(ErrorCode::kIo, "'" + path.string() + "' cannot be written");
}

/// A model of the lines in FOLDER/store, and its users' ids in FOLDER/NAME.users.
class Publisher {
 public:
  Publisher(const fs::path& folder, std::string kindred) : folder_(folder), kindred_(std::move(kindred)) {}

  void Publish(const std::string& name, const fs::path& lines, int n_factors) const {
    std::ifstream file(lines);
    std::ofstream users(folder_ / (name + ".users"));
    for (std::string line; std::getline(file, line);)
      if (const size_t end = line.find(' '); end != line.npos) users << line.substr(0, end) << "\n";
    Kindred({"prepare", lines, "--format", "adjacency", "--out", folder_ / name, "--json"});
    Kindred({"train", folder_ / name, "--store", folder_ / "store", "--model", name, "--algorithm", "als",
             "--n-factors", std::to_string(n_factors), "--epochs", "1", "--json"});
  }

 private:
  void Kindred(std::vector<std::string> words) const {
    words.insert(words.begin(), kindred_);
    RunOrThrow(signals_, words, folder_ / "errors.txt");
  }

  StopSignals signals_;
  fs::path folder_;
  std::string kindred_;
};

int RunMakeServed(int argc, char** argv) {
  CLI::App app("Publishes the models that are served.");
  std::string folder, kindred, lines;
  int64_t n_users = 0, n_items = 0;
  int n_factors = 0;
  app.add_option("--folder", folder)->required();
  app.add_option("--kindred", kindred)->required();
  app.add_option("--lines", lines, "an adjacency file; without it made-up users and items are served");
  app.add_option("--users", n_users)->required();
  app.add_option("--items", n_items)->required();
  app.add_option("--n-factors", n_factors)->required();
  CLI11_PARSE(app, argc, argv);
  const fs::path path(folder);
  fs::create_directories(path);
  if (lines.empty()) WriteLines(lines = path / "large.txt", n_users, n_items, 27);
  WriteLines(path / "small.txt", 2000, 200, 10);
  const Publisher publisher(path, kindred);
  publisher.Publish("large", lines, n_factors);
  publisher.Publish("small", path / "small.txt", 16);
  std::cout << "{}\n";
  return 0;
}

std::vector<Case> Cases(const Setup& setup) {
  const std::string folder = setup.folder / "serving", gowalla = setup.data / "gowalla/train.txt";
  const bool real = !setup.quick && !setup.data.empty() && fs::exists(gowalla);
  const int n_factors = setup.quick ? 16 : 128;
  std::vector<std::string> make = {"--folder",    folder,
                                   "--kindred",   setup.kindred,
                                   "--users",     setup.quick ? "500" : "30000",
                                   "--items",     setup.quick ? "300" : "41000",
                                   "--n-factors", std::to_string(n_factors)};
  if (real) make.insert(make.end(), {"--lines", gowalla});
  const std::string large = real ? "40,981" : setup.quick ? "300" : "41,000";

  std::vector<Case> cases;
  const auto add = [&](int callers, int users_a_call) {
    const auto program = [&](const std::string& name, Role role, const std::string& users,
                             const std::vector<std::string>& server) {
      std::vector<std::string> words = {
          "--users",   folder + "/" + users + ".users", "--callers", std::to_string(callers),
          "--batch",   std::to_string(users_a_call),    "--errors",  folder + "/server.txt",
          "--warm-up", setup.quick ? "0.05" : "0.5",    "--seconds", setup.quick ? "0.5" : "3",
          "--"};
      words.insert(words.end(), server.begin(), server.end());
      return Program{.name = name, .role = role, .command = setup.Own("serving-load", words)};
    };
    const auto serve = [&](const std::string& model) {
      return std::vector<std::string>{setup.kindred, "serve",    "--store",     folder + "/store", "--model",
                                      model,         "--listen", "127.0.0.1:0", "--json"};
    };
    Case one;
    one.name = fmt::format("{} caller{}, {} user{} a call", callers, callers == 1 ? "" : "s", users_a_call,
                           users_a_call == 1 ? "" : "s");
    one.prepare = setup.Own("make-served", make);
    one.programs = {program("kindred, " + large + " items", Role::kOurs, "large", serve("large")),
                    program("kindred, 200 items", Role::kOurs, "small", serve("small")),
                    program("empty service", Role::kPeer, "large", setup.Own("empty-service", {}))};
    cases.push_back(std::move(one));
  };
  if (setup.quick) {
    add(2, 1);
    add(2, 8);
    return cases;
  }
  for (const int callers : {1, 4, 16, 64}) add(callers, 1);
  for (const int callers : {4, 16}) add(callers, 64);
  return cases;
}

}  // namespace

Workload ServingWorkload() {
  Workload workload;
  workload.name = "serving";
  workload.title = "Serving round trip beside an empty gRPC service";
  workload.description =
      R"(Known users in turn, n = 10, seen items left out; exact, nothing cached. The large catalogue has 128 factors
(of gowalla where it is at hand); the small one, with 16, shows what a call costs without the scan. The empty service
has the same settings and replies of the same size, and computes nothing. Closed loop over 2 loopback connections,
client and server on the same cores. The time is that of the run by its calls; cost and memory are the server's. Every
reply must have 10 items, and the first 50 users the same ones in every run.)";
  workload.cases = Cases;
  workload.programs = {
      {"serving-load", RunServingLoad}, {"empty-service", RunEmptyService}, {"make-served", RunMakeServed}};
  return workload;
}

}  // namespace kindred
