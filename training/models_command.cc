#include <fmt/format.h>

#include <iostream>
#include <memory>

#include "host/models/store_changes.h"
#include "host/models/store_report.h"
#include "host/segments/segment_model.h"
#include "training/commands.h"
#include "training/models_text.h"

namespace kindred {
namespace {

using nlohmann::json;

struct ModelsFlags {
  std::string store = "models";
  std::string model;
  std::string version;
  std::string label;
  std::string remove;
  PruneOptions prune;
  bool json = false;
};

int Print(const ModelsFlags& flags, const json& report, std::string (*text)(const json&)) {
  if (flags.json)
    PrintJson(report);
  else
    std::cout << text(report);
  return 0;
}

/// What `kindred train` made, and what `kindred segment` did.
void OpenVersion(const ModelStore& store, const std::string& model, int64_t version) {
  const json manifest = Artifact::ReadManifest(store.VersionPath(model, version), kModelKind);
  if (manifest.value("algorithm", json()) == kSegmentsAlgorithm)
    SegmentModel::Open(store, model, version);
  else
    OpenModel(store, model, version);
}

int RunList(const ModelsFlags& flags) {
  return Print(flags, StoreReport(ModelStore(flags.store), flags.model), &StoreText);
}

int RunShow(const ModelsFlags& flags) {
  const ModelStore store(flags.store);
  store.CheckHas(flags.model);
  return Print(flags, VersionReport(store, flags.model, store.Resolve(flags.model, flags.version)), &VersionText);
}

/// Each version is told when it is done: a store may take long.
int RunVerify(const ModelsFlags& flags) {
  const ModelStore store(flags.store);
  if (flags.model.empty() && !flags.version.empty())
    throw Error(ErrorCode::kUsage, "--model-version is a version of which model? Expected its name too");
  if (!flags.model.empty()) store.CheckHas(flags.model);
  const std::vector<std::string> models = flags.model.empty() ? store.Models() : std::vector<std::string>{flags.model};
  if (models.empty()) throw Error(ErrorCode::kNotFound, fmt::format("there are no models in '{}'", flags.store));
  json report = {{"store", flags.store}, {"models", json::array()}};
  int64_t n_versions = 0, n_damaged = 0, n_problems = 0;
  for (const std::string& model : models) {
    json& entry = report["models"].emplace_back(json{{"model", model}, {"problems", json::array()}});
    if (flags.version.empty()) entry["problems"] = NameProblems(store, model);
    n_problems += static_cast<int64_t>(entry["problems"].size());
    if (!flags.json)
      for (const json& problem : entry["problems"]) std::cout << model << ": " << problem.get<std::string>() << "\n";
    const std::vector<int64_t> versions =
        flags.version.empty() ? store.Versions(model) : std::vector<int64_t>{store.Resolve(model, flags.version)};
    for (const int64_t version : versions) {
      const json& verified = entry["versions"].emplace_back(VerifyReport(store, model, version, OpenVersion));
      ++n_versions;
      n_damaged += verified["damages"].empty() ? 0 : 1;
      if (!flags.json) std::cout << VerifyText(model, verified) << std::flush;
    }
  }
  report["ok"] = n_damaged == 0 && n_problems == 0;
  if (flags.json) PrintJson(report);
  if (n_damaged > 0)
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} of {} versions in '{}' are damaged", n_damaged, n_versions, flags.store));
  if (n_problems > 0)
    throw Error(ErrorCode::kCorrupt, fmt::format("CURRENT or labels in '{}' do not name a version", flags.store));
  return 0;
}

int RunRollback(const ModelsFlags& flags) {
  return Print(flags, Rollback(ModelStore(flags.store), flags.model, flags.version, OpenVersion), &RollbackText);
}

int RunPrune(const ModelsFlags& flags) {
  return Print(flags, Prune(ModelStore(flags.store), flags.model, flags.prune), &PruneText);
}

int RunLabel(const ModelsFlags& flags) {
  const ModelStore store(flags.store);
  if (flags.remove.empty() == flags.label.empty())
    throw Error(ErrorCode::kUsage, "expected a version and a label for it, or --remove and a label");
  const json report = flags.remove.empty() ? SetLabel(store, flags.model, flags.label, flags.version)
                                           : RemoveLabel(store, flags.model, flags.remove);
  return Print(flags, report, &LabelText);
}

}  // namespace

void AddModelsCommand(CommandLine& program) {
  CLI::App* models = program.Add("models", "Looks at the versions in a model store, and chooses among them", nullptr);
  const auto add = [&](const std::string& name, const std::string& description, int (*run)(const ModelsFlags&)) {
    const auto flags = std::make_shared<ModelsFlags>();
    CLI::App* app = program.AddTo(models, name, description, [flags, run] { return run(*flags); });
    app->add_option("--store", flags->store, "the model store's folder");
    app->add_flag("--json", flags->json)->description("print the report as one JSON object");
    return std::pair(app, flags);
  };

  const CLI::Validator is_version = Accepts(&CheckVersionName, "VERSION");

  const auto [list, list_flags] = add("list", "Every model with its versions and labels", &RunList);
  list->add_option("model", list_flags->model, "only this model");

  const auto [show, show_flags] = add("show", "What a version is, and how it differs from the one before", &RunShow);
  show->add_option("model", show_flags->model, "the model's name")->required();
  show_flags->version = kCurrentVersion;
  show->add_option("--model-version", show_flags->version, "the version: its number, a label, or 'current'")
      ->check(is_version);

  const auto [verify, verify_flags] =
      add("verify", "Checks every byte of versions against their checksums", &RunVerify);
  verify->add_option("model", verify_flags->model, "only this model");
  verify->add_option("--model-version", verify_flags->version, "only this version: its number, a label, or 'current'")
      ->check(is_version);

  const auto [rollback, rollback_flags] = add("rollback", "Makes an earlier version the current one", &RunRollback);
  rollback->add_option("model", rollback_flags->model, "the model's name")->required();
  rollback->add_option("--to", rollback_flags->version, "the version: its number or a label; none: the one before")
      ->check(is_version);

  const auto [prune, prune_flags] = add("prune", "Removes old versions", &RunPrune);
  prune->add_option("model", prune_flags->model, "the model's name")->required();
  prune->add_option("--keep", prune_flags->prune.keep, "so many of the newest versions stay")
      ->required()
      ->check(Within(1, 1e9));
  prune->add_flag("--dry-run", prune_flags->prune.dry_run)->description("only say what would be removed");

  const auto [label, label_flags] =
      add("label", "Names a version, to be used wherever a version is asked for", &RunLabel);
  label->add_option("model", label_flags->model, "the model's name")->required();
  label->add_option("version", label_flags->version, "the version: its number, a label, or 'current'")
      ->check(is_version);
  label->add_option("label", label_flags->label, "the label: set, or moved from another version");
  label->add_option("--remove", label_flags->remove, "remove this label")->type_name("LABEL");
}

}  // namespace kindred
