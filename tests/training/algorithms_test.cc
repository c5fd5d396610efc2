// Every algorithm of train by its command, on the same small data: trained, evaluated, read back, searched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "host/models/model.h"
#include "tests/support/captured_run.h"
#include "tests/support/tastes.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::ContainsRegex;
using testing::HasSubstr;

class AlgorithmsTest : public testing::Test {
 protected:
  AlgorithmsTest() {
    WriteTastes(folder_.path() / "data",
                {.n_users = 200, .n_events = 14, .n_groups = 10, .n_items = 12, .anything = 5});
  }

  std::string Path(const std::string& name) const { return (folder_.path() / name).string(); }

  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
    return Path(name);
  }

  int Train(std::vector<std::string> flags) {
    CommandLine program;
    AddTrainCommand(program);
    AddTuneCommand(program);
    std::vector<std::string> words = {"train", Path("data"), "--store", Path("store"), "--backend", "cpu"};
    if (flags[0] == "tune") {
      words = {"tune", Path("data"), "--backend", "cpu"};
      flags.erase(flags.begin());
    }
    words.insert(words.end(), flags.begin(), flags.end());
    return RunCaptured(program, words, &out_, &err_);
  }

  json Trained(const std::string& algorithm, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {"--model", "m", "--algorithm", algorithm, "--split", "random", "--json"});
    EXPECT_EQ(Train(flags), 0) << err_;
    return json::parse(out_);
  }

  TemporaryFolder folder_;
  std::string out_, err_;
};

TEST_F(AlgorithmsTest, EachBeatsPopularityAndIsReadBack) {
  for (const char* algorithm : {"svd-filter", "item-cosine", "rp3beta", "ease"}) {
    SCOPED_TRACE(algorithm);
    const json report = Trained(algorithm);
    EXPECT_GT(report["metrics"]["ndcg_at_20"].get<double>(),
              1.5 * report["metrics"]["popularity_ndcg_at_20"].get<double>());
    EXPECT_GT(report[algorithm]["n_item_item_entries"].get<int64_t>(), 0);
    EXPECT_EQ(report[algorithm].contains("n_columns"), algorithm == std::string("svd-filter"));
    const auto model = Model::Open(ModelStore(Path("store")), "m");
    EXPECT_EQ(model->view().algorithm, algorithm);
    EXPECT_EQ(model->view().item_item.nnz(), report[algorithm]["n_item_item_entries"]);
  }
}

TEST_F(AlgorithmsTest, SettingsOfAnotherAlgorithmAreRefused) {
  for (const auto& [flag, value, of] : {std::tuple("--beta", "0.5", "rp3beta"),
                                        {"--low-pass-weight", "1", "svd-filter"},
                                        {"--max-items", "10", "ease"},
                                        {"--n-neighbours", "10", "svd-filter or item-cosine or rp3beta or ease"},
                                        {"--component", "a.toml", "blend"}}) {
    EXPECT_EQ(Train({"--model", "m", "--algorithm", "als", flag, value}), 2);
    EXPECT_THAT(err_, HasSubstr(std::string(flag) + " is for --algorithm " + of + ", and this is als"));
  }
  const std::map<std::string, std::vector<std::string>> of = {
      {"--n-factors", {"als", "svd", "svd-filter", "content"}},
      {"--regularization", {"als", "ease"}},
      {"--regularization-exponent", {"als"}},
      {"--unobserved-weight", {"als"}},
      {"--epochs", {"als"}},
      {"--checkpoint-every=epoch", {"als"}},
      {"--svd-tolerance=0.01", {"svd", "svd-filter", "content"}},
      {"--svd-shrinkage", {"svd"}},
      {"--n-neighbours", {"svd-filter", "item-cosine", "rp3beta", "ease"}},
      {"--alpha", {"rp3beta"}},
      {"--beta", {"rp3beta"}},
      {"--low-pass-weight", {"svd-filter"}},
      {"--spectrum-power", {"svd-filter"}},
      {"--popularity-exponent", {"svd-filter"}},
      {"--target-exponent", {"svd-filter"}},
      {"--max-items=1000", {"ease"}},
      {"--n-bands", {"blend"}},
  };
  for (const auto& [flag, algorithms] : of)
    for (const std::string_view algorithm : kAlgorithms) {
      const bool has_it = std::ranges::find(algorithms, algorithm) != algorithms.end();
      if (algorithm == "blend" || algorithm == "content" || (has_it && algorithm != "als")) continue;  // fitted below
      const std::string argument = flag.find('=') == std::string::npos ? flag + "=1" : flag;
      const int status = Train({"--model", "m", "--algorithm", std::string(algorithm), argument, "--plan"});
      EXPECT_EQ(status, has_it ? 0 : 2) << algorithm << " " << argument << ": " << err_;
      EXPECT_EQ(err_.find("is for --algorithm") != std::string::npos, !has_it) << algorithm << " " << argument;
    }
  EXPECT_EQ(Train({"--model", "m", "--algorithm", "ease", "--regularization", "0", "--plan"}), 2);
  EXPECT_THAT(err_, HasSubstr("--regularization 0: ease takes more than 0"));
  EXPECT_EQ(Train({"--model", "m", "--algorithm", "item-cosine", "--n-neighbours", "0"}), 2);
  EXPECT_THAT(err_, HasSubstr("--n-neighbours 0: expected 1 or more"));
  EXPECT_EQ(Train({"--model", "m", "--algorithm", "ease", "--max-items", "100", "--plan"}), 1);
  EXPECT_THAT(
      err_, ContainsRegex("ease: a catalogue of 120 items takes 0[.]058 MB for its inverse and about [0-9.]*[1-9]0* s "
                          "here; expected at most 100 items, or --max-items that allows more"));
}

TEST_F(AlgorithmsTest, ABlendIsAtLeastAsGoodAsItsParts) {
  const std::string filter = Write("filter.toml", "algorithm = 'svd-filter'\nn-factors = 8\n");
  const std::string cosine = Write("cosine.toml", "algorithm = 'item-cosine'\nn-neighbours = 30\n");
  const std::string als = Write("als.toml", "algorithm = 'als'\nn-factors = 8\nepochs = 3\n");
  const json blend = Trained("blend", {"--component", filter, "--component", cosine, "--component", als});
  const json& parts = blend["blend"]["parts"];
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0]["algorithm"], "svd-filter");
  EXPECT_EQ(parts[0]["n_factors"], 8);
  EXPECT_EQ(parts[0]["low_pass_weight"], 0.3);
  EXPECT_EQ(parts[1], (json{{"algorithm", "item-cosine"}, {"n_neighbours", 30}}));
  EXPECT_EQ(parts[2]["n_epochs"], 3);
  EXPECT_EQ(blend["seed"], 1);
  EXPECT_EQ(blend["blend"]["n_bands"], 5);
  EXPECT_GT(blend["metrics"]["ndcg_at_20"].get<double>(),
            1.5 * blend["metrics"]["popularity_ndcg_at_20"].get<double>());
  EXPECT_FALSE(blend["blend"]["bands"].empty());
  for (const json& part : blend["blend"]["part_ndcg"])
    EXPECT_GT(blend["blend"]["ndcg"].get<double>(), part.get<double>() - 0.02);
  const auto model = Model::Open(ModelStore(Path("store")), "m");
  ASSERT_EQ(model->view().parts.size(), 3u);
  EXPECT_EQ(model->view().parts[2].n_factors(), 8);
  const json again = Trained("blend", {"--component", filter, "--component", cosine, "--component", als});
  EXPECT_EQ(again["metrics"], blend["metrics"]);
}

TEST_F(AlgorithmsTest, ComponentsThatDoNotDoAreRefused) {
  const std::string cosine = Write("cosine.toml", "algorithm = 'item-cosine'\n");
  const auto refused = [&](const std::string& text, std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"--model", "m", "--algorithm", "blend"});
    EXPECT_EQ(Train(flags), 2);
    EXPECT_THAT(err_, HasSubstr(text));
  };
  refused("0 --component; expected two or more", {});
  refused("1 --component; expected two or more", {"--component", cosine});
  refused("popularity cannot be a part",
          {"--component", cosine, "--component", Write("p.toml", "algorithm = 'popularity'\n")});
  refused("e.toml: 'feedback' is of a whole training",
          {"--component", cosine, "--component", Write("e.toml", "feedback = 'explicit'\n")});
  const auto with = [&](const std::string& text) {
    return std::vector<std::string>{"--component", cosine, "--component", Write("x.toml", text)};
  };
  refused("'component' is of a whole training", with("algorithm = 'blend'\ncomponent = ['x.toml']\n"));
  refused("a blend cannot be a part of a blend", with("algorithm = 'blend'\n"));
  refused("'backend' is of a whole training", with("backend = 'cpu'\n"));
  refused("svd with --svd-shrinkage auto", with("algorithm = 'svd'\nsvd-shrinkage = 'auto'\n"));
  refused("--n-neighbours 0: expected 1 or more", with("algorithm = 'rp3beta'\nn-neighbours = 0\n"));
  refused("--regularization is for --algorithm als or ease", with("algorithm = 'rp3beta'\nregularization = 1\n"));
  refused("weighting.confidence_cap is 1.0 in the file and nothing here; expected the same",
          with("confidence-cap = '1'\n"));
  refused("split.kind is \"time\" in the file and \"none\" here", with("split = 'time'\n"));
  refused("wrong.toml: unknown key 'n-factor'",
          {"--component", cosine, "--component", Write("wrong.toml", "n-factor = 8\n")});
  refused("bad.toml", {"--component", cosine, "--component", Write("bad.toml", "algorithm = 'nothing'\n")});
  refused("absent.toml", {"--component", cosine, "--component", Path("absent.toml")});
}

// Settings that a search found are of the events that it saw, by what the flags say and not by how they are written.
TEST_F(AlgorithmsTest, AComponentIsOfTheBlendsEvents) {
  const auto status = [&](const std::string& text, std::vector<std::string> flags) {
    const std::string part = Write("part.toml", "algorithm = 'rp3beta'\n" + text);
    flags.insert(flags.end(), {"--component", part, "--component", part, "--model", "m", "--algorithm", "blend"});
    flags.emplace_back("--plan");
    return Train(flags);
  };
  EXPECT_EQ(status("confidence-cap = '1'\nhalf-life = '7d'\n", {"--confidence-cap", "1.0", "--half-life", "1w"}), 0)
      << err_;
  EXPECT_EQ(status("half-life = '7d'\n", {"--half-life", "8d"}), 2);
  EXPECT_THAT(err_, HasSubstr("weighting.half_life_seconds is 604800.0 in the file and 691200.0 here"));
  EXPECT_EQ(status("half-life = '7d'\n", {"--half-life", "7d", "--value-cap", "3"}), 2);
  EXPECT_THAT(err_, HasSubstr("weighting.value_cap is nothing in the file and 3.0 here"));
  EXPECT_EQ(status("value-cap = 'none'\n", {}), 2) << "the dataset may have one";

  const std::string random = "split = 'random'\nholdout-fraction = 0.1\nseed = 7\n";
  EXPECT_EQ(status(random, {"--split", "random", "--holdout-fraction", "1e-1", "--seed", "7"}), 0) << err_;
  EXPECT_EQ(status(random, {"--split", "random"}), 2) << "it has seen what the blend holds out";
  EXPECT_THAT(err_, HasSubstr("split.seed is 7 in the file and 1 here"));
  EXPECT_EQ(status(random, {"--split", "random", "--holdout-fraction", "0.2", "--seed", "7"}), 2);
  EXPECT_THAT(err_, HasSubstr("split.fraction is 0.1 in the file and 0.2 here"));
  EXPECT_EQ(status("split = 'leave-last-n'\nseed = 7\n", {"--split", "leave-last-n"}), 0) << "no seed is in it";
  EXPECT_EQ(
      status("split = 'time'\nsplit-time = '1970-01-01T00:18:00Z'\n", {"--split", "time", "--split-time", "1080"}), 0)
      << err_;
  EXPECT_EQ(status("seed = 7\n", {"--split", "random"}), 0) << "the file says nothing of events: " << err_;
}

TEST_F(AlgorithmsTest, EachIsSearchedAndTrainedByWhatWasFound) {
  for (const char* algorithm : {"svd-filter", "item-cosine", "rp3beta", "ease"}) {
    SCOPED_TRACE(algorithm);
    EXPECT_EQ(Train({"tune", "--algorithm", algorithm, "--trials", "4", "--out", Path(algorithm)}), 0) << err_;
    EXPECT_EQ(Train({"--model", "tuned", "--config", Path(algorithm), "--split", "random"}), 0) << err_;
    EXPECT_EQ(Model::Open(ModelStore(Path("store")), "tuned")->view().algorithm, algorithm);
  }
}

}  // namespace
}  // namespace kindred
