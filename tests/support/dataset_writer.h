// A dataset written event by event.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "host/data/dataset_writer.h"

namespace kindred {

struct Event {
  std::string_view user, item, type = {};
  float value = 1;
  int64_t time = 0;
};

class DatasetWriter {
 public:
  void Add(const Event& event) {
    EventBatch batch;
    batch.users = {&event.user, 1};
    batch.items = {&event.item, 1};
    batch.types = {&event.type, 1};
    batch.values = {&event.value, 1};
    batch.times = {&event.time, 1};
    builder_.Add(batch);
  }

  nlohmann::json Write(const std::filesystem::path& path, bool has_times, bool has_types, nlohmann::json manifest,
                       bool overwrite) {
    ThreadPool pool(1);
    return WriteDataset(path, builder_.Finish({has_times, has_types, false}, nullptr, pool), {}, std::move(manifest),
                        overwrite);
  }

 private:
  EventTableBuilder builder_;
};

}  // namespace kindred
