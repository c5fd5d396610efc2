// Segments jobs over small shops in a temporary folder, in this process or as they are typed.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/support/captured_run.h"
#include "tests/support/shoppers.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"
#include "training/segment_job.h"

namespace kindred {

class SegmentJob : public testing::Test {
 protected:
  std::string Dataset(const Shoppers& shoppers = {}) {
    const std::filesystem::path path = folder_.path() / ("dataset" + std::to_string(n_datasets_++));
    shoppers.Write(path);
    return path.string();
  }
  SegmentOptions Options(const std::string& dataset, const std::string& toml = kShoppersToml) const {
    SegmentOptions options;
    options.dataset = dataset;
    options.store = store_.root().string();
    options.model = "s";
    options.spec = ParseSegmentSpec(toml, "segments.toml");
    options.backend = "cpu";
    options.n_threads = 2;
    return options;
  }
  nlohmann::json Make(const SegmentOptions& options) {
    warnings_.clear();
    SegmentEvents events;
    events.warning = [this](const std::string& message) { warnings_.push_back(message); };
    nlohmann::json report = MakeSegments(options, events).report;
    EXPECT_EQ(report["warnings"], nlohmann::json(warnings_));
    return report;
  }
  nlohmann::json Make(const std::string& dataset, const std::string& toml = kShoppersToml) {
    return Make(Options(dataset, toml));
  }

  /// The job as it is typed; out_ and err_ are what it said.
  int Run(const std::string& dataset, const std::string& toml, std::vector<std::string> arguments = {}) {
    const std::string file = folder_.Write("segments.toml", toml);
    CommandLine program;
    AddSegmentCommand(program);
    arguments.insert(arguments.begin(), {"segment", dataset, "--store", store_.root().string(), "--model", "s",
                                         "--backend", "cpu", "--config", file});
    return RunCaptured(program, arguments, &out_, &err_);
  }

  static std::string Replaced(std::string text, const std::string& part, const std::string& by) {
    const size_t at = text.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    return text.replace(at, part.size(), by);
  }
  static std::string Declared(const std::string& more) { return "schema_version = 1\n" + more; }
  static std::set<std::string> Names(const nlohmann::json& report) {
    std::set<std::string> names;
    for (const nlohmann::json& segment : report["segments"]) names.insert(segment["name"].get<std::string>());
    return names;
  }

  TemporaryFolder folder_;
  ModelStore store_{folder_.path() / "store"};
  std::vector<std::string> warnings_;
  std::string out_, err_;
  int n_datasets_ = 0;
};

}  // namespace kindred
