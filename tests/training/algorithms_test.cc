// Every algorithm of train by its command, on the same small data: trained, evaluated, read back, searched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "host/data/random.h"
#include "host/models/model.h"
#include "tests/support/captured_run.h"
#include "tests/support/dataset_writer.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class AlgorithmsTest : public testing::Test {
 protected:
  AlgorithmsTest() {
    DatasetWriter writer;  // users with a taste for one of ten groups of items, and now and then anything
    for (int user = 0; user < 200; ++user)
      for (int e = 0; e < 14; ++e) {
        const uint64_t bits = RandomBits(23, static_cast<uint64_t>(user * 100 + e));
        const auto item = static_cast<int>(bits % 5 == 0 ? (bits >> 16) % 120 : user % 10 * 12 + (bits >> 16) % 12);
        writer.Add({"u" + std::to_string(user), "i" + std::to_string(item), {}, 1.0f, 1000 + e});
      }
    writer.Write(folder_.path() / "data", true, false, json::object(), false);
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
  EXPECT_THAT(err_, HasSubstr("ease: a catalogue of 120 items takes 0.058 MB for its inverse and about 0.0"));
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
  refused("it is for --confidence-cap 1, and this blend has ''", with("confidence-cap = '1'\n"));
  refused("it is for --split time, and this blend has 'none'", with("split = 'time'\n"));
  std::vector<std::string> capped = with("algorithm = 'rp3beta'\nconfidence-cap = '1'\n");
  capped.insert(capped.end(), {"--model", "m", "--algorithm", "blend", "--confidence-cap", "1", "--plan"});
  EXPECT_EQ(Train(capped), 0) << err_;
  refused("wrong.toml: unknown key 'n-factor'",
          {"--component", cosine, "--component", Write("wrong.toml", "n-factor = 8\n")});
  refused("bad.toml", {"--component", cosine, "--component", Write("bad.toml", "algorithm = 'nothing'\n")});
  refused("absent.toml", {"--component", cosine, "--component", Path("absent.toml")});
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
