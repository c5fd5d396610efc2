// Lists of a published model in a file of a temporary folder, by runs that may be ended.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>

#include "host/models/model.h"
#include "kernels/cpu/backend.h"
#include "tests/host/intake/source_rows.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"
#include "training/batch_recommend.h"

namespace kindred {

/// The end of a process, as far as a test can have it.
struct Crash : std::runtime_error {
  Crash() : std::runtime_error("crash") {}
};

class BatchRecommendTest : public testing::Test {
 protected:
  BatchRecommendTest() {
    options_.store = Path("models");
    options_.model = "m";
    options_.out = Path("lists.csv");
    options_.n = 7;
    options_.backend = "cpu";
  }

  std::string Path(const std::string& name) const { return (folder_.path() / name).string(); }
  void Publish(const TinyModelOptions& options) { TinyModel(*backend_, options).Publish(Store(), "m"); }
  ModelStore Store() const { return ModelStore(options_.store); }
  std::shared_ptr<const Model> Published() const { return Model::Open(Store(), "m"); }

  nlohmann::json Run() { return RecommendToFile(options_, {}); }
  nlohmann::json Overwrite() {
    options_.overwrite = true;
    return Run();
  }
  /// Ends the run when it looks for the n-th time whether to stop; false where it was done before.
  bool StopAt(int n) {
    BatchEvents events;
    events.stop = [&n] { return --n > 0 ? "" : "SIGTERM"; };
    try {
      RecommendToFile(options_, events);
      return false;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(),
                  testing::AllOf(testing::HasSubstr("stopped by SIGTERM after "), testing::HasSubstr("--resume")));
      return true;
    }
  }
  /// Ends it after so many tiles, as kill -9 would while the next one is written.
  void CrashAfter(int n) {
    BatchEvents events;
    events.progress = [&n](int64_t, int64_t) {
      if (--n == 0) throw Crash();
    };
    EXPECT_THROW(RecommendToFile(options_, events), Crash);
    Append(options_.out + ".partial", "half a til");
    Append(options_.out + ".journal", R"({"lists": 5, "ro)");
  }
  static void Append(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary | std::ios::app) << text;
  }
  nlohmann::json Resume() {
    BatchOptions options = options_;
    options.resume = true;
    return RecommendToFile(options, {});
  }
  std::string Bytes() const { return Content(options_.out); }
  SourceRows Rows(InputFormat format = InputFormat::kCsv) const {
    return ReadSource(*OpenRows(options_.out, {.format = format}));
  }
  void ExpectRefused(ErrorCode code, const std::string& part) {
    SCOPED_TRACE(part);
    ExpectError(code, part, [&] { Run(); });
  }
  void ExpectNothingLeft() const {
    EXPECT_FALSE(std::filesystem::exists(options_.out + ".partial"));
    EXPECT_FALSE(std::filesystem::exists(options_.out + ".journal"));
  }

  TemporaryFolder folder_;
  const std::unique_ptr<Backend> backend_ = std::make_unique<CpuBackend>(1);
  BatchOptions options_;
};

}  // namespace kindred
