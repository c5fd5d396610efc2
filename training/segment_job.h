// A segments job: from a dataset to a published version of segments.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "host/segments/segment_spec.h"

namespace kindred {

struct SegmentOptions {
  std::string dataset;
  std::string store = "models";
  std::string model;
  SegmentSpec spec;
  std::string backend = "auto";
  int n_threads = 0;
  /// Users are placed in the segments of the last version, by its features, normalization and centroids; only
  /// thresholds, rules, stages and likelihood are of this job.
  bool keep_clusters = false;
  bool accept_drift = false;  // publish although [drift] or [audit] would hold it
};

/// Where a job is: for progress, without printing.
struct SegmentEvents {
  std::function<void(const std::string& message)> stage = {};
  std::function<void(const std::string& message)> warning = {};
  std::function<void(int64_t n_ended, int64_t n_runs)> runs = {};  // of K-Means
};

struct SegmentResult {
  /// What `kindred segment --json` prints (docs/formats.md, "The report of segments"); the manifest holds the same but
  /// for the version's number, its path and the time that publishing took.
  nlohmann::json report;
  std::string dendrogram;  // the figure for SegmentReportHtml; empty: none
  std::string dendrogram_svg;
};

/// Computes, clusters, compares with the last version, and publishes. `published` in the report is false where [drift]
/// or [audit] holds the version; "reasons" says why. Throws before anything is written where the input does not do;
/// kAlreadyExists where another changes the model; kUnsupported where its current version is none of segments.
SegmentResult MakeSegments(const SegmentOptions& options, const SegmentEvents& events);

}  // namespace kindred
