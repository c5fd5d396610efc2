#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <iostream>
#include <memory>
#include <optional>

#include "host/data/dataset.h"
#include "host/evaluation/holdout_file.h"
#include "host/evaluation/rated_holdout.h"
#include "host/intake/inputs.h"
#include "host/models/model.h"
#include "training/commands.h"
#include "training/evaluating.h"
#include "training/metrics_text.h"
#include "training/reader_options.h"
#include "training/working_backend.h"

namespace kindred {
namespace {

struct EvaluateFlags {
  std::string store = "models";
  std::string model;
  std::string version = kCurrentVersion;
  std::vector<std::string> test_paths;
  ReaderFlags test;
  int64_t k = 20;
  std::optional<float> relevant_rating;
  std::string backend = "auto";
  int n_threads = 0;
  std::string dataset;
  std::string metrics_out;
  bool overwrite = false;
  bool json = false;
};

std::shared_ptr<const Model> OpenVersion(const EvaluateFlags& flags) {
  const ModelStore store(flags.store);
  return Model::Open(store, flags.model, store.Resolve(flags.model, flags.version));
}

/// The row of the dataset for each id of the model; -1 where it lacks it.
std::vector<int32_t> RowsOf(const IdMap& ids, const IdMap& of_dataset) {
  std::vector<int32_t> rows(static_cast<size_t>(ids.size()));
  for (int64_t i = 0; i < ids.size(); ++i) rows[static_cast<size_t>(i)] = of_dataset.Find(ids.Id(i));
  return rows;
}

KnownAttributes AttributesOf(const Dataset& dataset, const ModelView& model) {
  return {&dataset.user_attributes(), &dataset.item_attributes(), RowsOf(model.users, dataset.users()),
          RowsOf(model.items, dataset.items())};
}

int RunEvaluate(const EvaluateFlags& flags) {
  const std::vector<std::string> test_paths = ExpandInputs(flags.test_paths);
  const EventReaderOptions reader = flags.test.Options(test_paths);
  CheckOutside({flags.metrics_out}, {ModelStore(flags.store).ModelPath(flags.model)});
  if (!flags.metrics_out.empty()) CheckMetricsFolder(flags.metrics_out, flags.overwrite);
  WorkingBackend backend(flags.backend, flags.n_threads, GramPrecision::kBf16x3,
                         [](const std::string& message) { spdlog::warn("{}", message); });
  const auto model = OpenVersion(flags);
  const ModelView& view = model->view();
  const bool ratings = view.has_ratings();
  if (flags.relevant_rating && !ratings)
    throw Error(ErrorCode::kUsage, "--relevant-rating is for models of ratings, and this one has none");
  const float relevant_rating = flags.relevant_rating.value_or(view.rating_mean);
  const EventWeighting weighting =
      ParseWeighting(model->manifest().value("weighting", nlohmann::json()), "the model's manifest");
  RatedHoldout rated;
  if (ratings) rated = ReadRatedHoldout(test_paths, reader, view.users, view.items, weighting);
  const Holdout holdout =
      ratings ? rated.Relevant(relevant_rating) : ReadHoldout(test_paths, reader, view.users, view.items, weighting);
  spdlog::info("evaluating {} version {} on {}", model->name(), model->version(), backend.Text());
  const auto dataset = flags.dataset.empty() ? nullptr : Dataset::Open(flags.dataset);
  ThreadPool pool(flags.n_threads);
  Evaluated evaluated = EvaluateModel(backend, model->view(), model, holdout,
                                      dataset ? AttributesOf(*dataset, model->view()) : KnownAttributes(),
                                      {flags.k, flags.metrics_out, flags.overwrite, &pool});
  nlohmann::json report = {{"model", model->name()},
                           {"version", model->version()},
                           {"algorithm", model->view().algorithm},
                           {"k", flags.k},
                           {"metrics", std::move(evaluated.metrics)},
                           {"holdout", std::move(evaluated.holdout)},
                           {"evaluation", std::move(evaluated.details)},
                           {"backend", backend.Describe()}};
  if (!backend.fell_back().empty()) report["fell_back"] = backend.fell_back();
  report["holdout"]["files"] = test_paths;
  if (ratings) {
    report["rating_errors"] = RatingErrorsJson(EvaluateRatings(view, rated, &pool));
    report["holdout"]["relevant_rating"] = relevant_rating;
  }
  if (flags.json) {
    PrintJson(report);
  } else {
    std::cout << fmt::format("{} version {}\n", model->name(), model->version()) << MetricsText(report);
    if (ratings) std::cout << RatingErrorsText(report["rating_errors"]);
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
  app->add_option("--model-version", flags->version, "the version: its number, a label, or 'current'")
      ->check(Accepts(&CheckVersionName, "VERSION"));
  app->add_option("--test", flags->test_paths, "files of held-out interactions")->required()->allow_extra_args(false);
  AddReaderFlags(*app, "test-", flags->test);
  app->add_option("--k", flags->k, "length of the evaluated lists")->check(Within(1, 100'000));
  app->add_option("--relevant-rating", flags->relevant_rating,
                  "of a model of ratings: the least held-out rating that a list should have; default: the mean rating")
      ->check(Within(-1e30, 1e30));
  app->add_option("--backend", flags->backend, "auto, cpu or cuda")->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app->add_option("--threads", flags->n_threads, "threads to use; 0: one a core")->check(Within(0, 1024));
  app->add_option("--dataset", flags->dataset, "the dataset's folder: for groups by attributes of users and items");
  app->add_option("--metrics-out", flags->metrics_out,
                  "write user_metrics.csv and group_metrics.csv into this folder: who gets what")
      ->type_name("FOLDER");
  app->add_flag("--overwrite", flags->overwrite)->description("replace metrics that are there");
  app->add_flag("--json", flags->json)->description("print the report as one JSON object");
}

}  // namespace kindred
