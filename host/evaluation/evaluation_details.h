// All that an evaluation shows beyond its means: spread over users, groups, scores, and a calibration with its proof.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/data/attribute_table.h"
#include "host/evaluation/calibration.h"
#include "host/evaluation/groups.h"
#include "host/evaluation/metrics.h"

namespace kindred {

/// What is known of the model's users and items: tables, and the row of each user or item in them, -1 for none; without
/// rows all in order. Tables may be null.
struct KnownAttributes {
  const AttributeTable* users = nullptr;
  const AttributeTable* items = nullptr;
  std::vector<int32_t> user_rows = {}, item_rows = {};
};

struct EvaluationDetails {
  std::vector<UserGroups> user_groups;     // by the history's length, then by attributes; those with two groups or more
  std::vector<ItemGroups> item_groups;     // by attributes
  Calibration calibration;                 // from evaluation.learning; empty where there are too few hits or misses
  std::string no_calibration;              // why, then
  std::optional<Reliability> reliability;  // on evaluation.measuring
};

/// Fewer hits, or fewer other pairs, in either part are too few for a calibration.
inline constexpr int64_t kLeastForCalibration = 20;

EvaluationDetails MeasureDetails(const Evaluation& evaluation, const ModelView& model, const CsrView& held_out,
                                 const KnownAttributes& known);

/// The member "evaluation" of reports (docs/formats.md). Names of attributes and groups are printable.
nlohmann::json DetailsJson(const Evaluation& evaluation, const EvaluationDetails& details);

/// Refuses, before anything is computed, a folder that WriteMetricsFiles could not write to: files that are there
/// already (kAlreadyExists, unless `overwrite`), a place that cannot be written (kIo).
void CheckMetricsFolder(const std::filesystem::path& folder, bool overwrite);

/// Writes user_metrics.csv and group_metrics.csv (docs/formats.md), each whole or not at all; creates the folder.
/// Throws as WriteNewFile does.
void WriteMetricsFiles(const std::filesystem::path& folder, const ModelView& model, const Evaluation& evaluation,
                       const EvaluationDetails& details, bool overwrite);

}  // namespace kindred
