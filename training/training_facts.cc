#include "training/training_facts.h"

#include <fmt/format.h>

#include "host/store/files.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int64_t kMaxManifestBytes = int64_t{1} << 28;

/// What both must have in common for the same pairs to be held out, with words for it.
struct Part {
  const char* name;
  const char* words;
};
constexpr Part kHoldoutParts[] = {{"kind", "kind of split"},
                                  {"fraction", "part held out"},
                                  {"n", "number of items held out"},
                                  {"seed", "seed of the split"},
                                  {"from_time", "moment of the split"},
                                  {"n_users", "number of users"},
                                  {"n_pairs", "number of held-out pairs"}};

std::string WhyNot(const json& last, const json& report) {
  const json& mine = report.at("holdout");
  const json theirs = last.value("holdout", json::object());
  if (!last.contains("metrics") || !theirs.is_object()) return "nothing was held out for it";
  // Held-out files stay what they are when the data grow; what a split holds out does not.
  const json data = last.value("dataset", json::object()), digest = data.value("digest", json());
  if (mine.value("kind", json()) != "file" && digest != report.at("dataset").at("digest"))
    return "it was trained on other data";
  for (const auto& [name, words] : kHoldoutParts) {
    const json here = mine.value(name, json()), there = theirs.value(name, json());
    if (here != there) return fmt::format("the {} is {} here and was {} there", words, here.dump(), there.dump());
  }
  const std::string metric = fmt::format("ndcg_at_{}", report.at("evaluation").at("k").get<int64_t>());
  return last.at("metrics").contains(metric) ? "" : "its lists were of another length";
}

}  // namespace

json DataFacts(const Dataset& dataset) {
  json facts;
  for (const char* name : {"created_at", "n_events", "time_range", "event_types", "n_files", "n_rows", "n_bad_rows",
                           "n_filtered", "n_duplicates"})
    if (const auto found = dataset.manifest().find(name); found != dataset.manifest().end() && !found->is_null())
      facts[name] = *found;
  return facts;
}

json LastVersion(const ModelStore& store, const std::string& model, const json& report) {
  try {
    const int64_t version = store.Current(model);
    const json last =
        json::parse(ReadFile(store.VersionPath(model, version) / "manifest.json", kMaxManifestBytes), nullptr, false);
    if (!last.is_object()) return nullptr;
    json facts = {{"version", version}, {"why_not", report.contains("metrics") ? WhyNot(last, report) : ""}};
    for (const char* name : {"created_at", "algorithm", "metrics"})
      if (last.contains(name)) facts[name] = last.at(name);
    return facts;
  } catch (const Error&) {
    return nullptr;
  } catch (const json::exception&) {
    return nullptr;
  }
}

}  // namespace kindred
