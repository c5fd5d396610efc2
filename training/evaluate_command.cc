#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <iostream>
#include <memory>

#include "host/evaluation/holdout_file.h"
#include "host/intake/inputs.h"
#include "host/models/model.h"
#include "training/commands.h"
#include "training/metrics_text.h"
#include "training/reader_options.h"
#include "training/working_backend.h"

namespace kindred {
namespace {

struct EvaluateFlags {
  std::string store = "models";
  std::string model;
  int64_t version = 0;
  std::vector<std::string> test_paths;
  ReaderFlags test;
  int64_t k = 20;
  std::string backend = "auto";
  int n_threads = 0;
  bool json = false;
};

int RunEvaluate(const EvaluateFlags& flags) {
  const std::vector<std::string> test_paths = ExpandInputs(flags.test_paths);
  const EventReaderOptions reader = flags.test.Options(test_paths);
  WorkingBackend backend(flags.backend, flags.n_threads, GramPrecision::kBf16x3,
                         [](const std::string& message) { spdlog::warn("{}", message); });
  const auto model = Model::Open(ModelStore(flags.store), flags.model, flags.version);
  const Holdout holdout =
      ReadHoldout(test_paths, reader, model->view().users, model->view().items,
                  ParseWeighting(model->manifest().value("weighting", nlohmann::json()), "the model's manifest"));
  spdlog::info("evaluating {} version {} on {}", model->name(), model->version(), backend.Text());
  const Evaluation evaluation = backend.Run(
      "evaluating", [&](Backend& on) { return Evaluate(Ranker(on, model->view(), model), holdout, flags.k); });
  nlohmann::json report = {{"model", model->name()},
                           {"version", model->version()},
                           {"algorithm", model->view().algorithm},
                           {"k", flags.k},
                           {"metrics", MetricsJson(evaluation)},
                           {"holdout", HoldoutJson(evaluation)},
                           {"backend", backend.Describe()}};
  if (!backend.fell_back().empty()) report["fell_back"] = backend.fell_back();
  report["holdout"]["files"] = test_paths;
  if (flags.json) {
    PrintJson(report);
  } else {
    std::cout << fmt::format("{} version {}\n", model->name(), model->version()) << MetricsText(report);
  }
  return 0;
}

}  // namespace

void AddEvaluateCommand(CommandLine& program) {
  auto flags = std::make_shared<EvaluateFlags>();
  CLI::App* app = program.Add("evaluate", "Evaluates a published model on held-out interactions",
                              [flags] { return RunEvaluate(*flags); });
  app->add_option("--store", flags->store, "the model store's folder");
  app->add_option("--model", flags->model, "the model's name in the store")->required();
  app->add_option("--model-version", flags->version, "the version; 0: the current one")->check(Within(0, 1e18));
  app->add_option("--test", flags->test_paths, "files of held-out interactions")->required()->allow_extra_args(false);
  AddReaderFlags(*app, "test-", flags->test);
  app->add_option("--k", flags->k, "length of the evaluated lists")->check(Within(1, 100'000));
  app->add_option("--backend", flags->backend, "auto, cpu or cuda")->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app->add_option("--threads", flags->n_threads, "threads to use; 0: one a core")->check(Within(0, 1024));
  app->add_flag("--json", flags->json)->description("print the report as one JSON object");
}

}  // namespace kindred
