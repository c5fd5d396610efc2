// Results and answers of the bench: refused with an error, or read, compared, shown and written as they were.
#include <cstdlib>

#include "bench/compare.h"
#include "bench/plot.h"
#include "bench/table.h"

namespace kindred {
namespace {

void Run(const std::string& text) {
  try {
    ParseAnswer(text, "fuzz");
  } catch (const Error&) {
  }
  const nlohmann::json json = ParseJson(text);
  if (json.is_discarded()) return;
  try {
    const Result result = ParseResult(json, "fuzz");
    const nlohmann::json written = ResultJson(result);
    if (ResultJson(ParseResult(written, "fuzz")) != written) std::abort();
    const Comparison comparison = Compare(result, result);
    if (comparison.n_regressions != 0) std::abort();
    ComparisonText(comparison, true);
    for (const WorkloadHead& workload : result.workloads) {
      ResultPage(result, workload, "plot.svg");
      PlotSvg(result, workload);
    }
  } catch (const Error&) {
  }
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
