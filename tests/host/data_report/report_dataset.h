// Small datasets for the tests of reports.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "host/data_report/data_report.h"
#include "tests/host/intake/export.h"
#include "tests/support/dataset_writer.h"
#include "tests/support/temporary_folder.h"

namespace kindred {

/// What a dataset is made of. `manifest` is as `prepare` would give it.
struct ReportInput {
  std::vector<OwnedEvent> events;
  bool has_times = true;
  bool has_types = true;
  nlohmann::json manifest = nlohmann::json::object();
};

inline nlohmann::json ReportOf(const ReportInput& input) {
  const TemporaryFolder folder;
  DatasetWriter writer;
  for (const OwnedEvent& event : input.events)
    writer.Add({event.user, event.item, event.type, event.value, event.time});
  writer.Write(folder.path() / "dataset", input.has_times, input.has_types, input.manifest, false);
  return DataReport(*Dataset::Open(folder.path() / "dataset"));
}

}  // namespace kindred
