#include "serving/segment_watcher.h"

#include <fmt/format.h>

#include <utility>

#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/query_plan.h"

namespace kindred {

std::shared_ptr<const ServedSegments> LoadServedSegments(const ModelStore& store, const std::string& name,
                                                         int64_t version) {
  std::shared_ptr<const SegmentModel> model = SegmentModel::Open(store, name, version);
  for (int64_t u = 0; u < model->users().size(); ++u)
    if (!IsUtf8(model->users().Id(u)))
      throw Error(ErrorCode::kUnsupported, fmt::format("user {}: its id {} is not UTF-8, which ids in replies must be; "
                                                       "convert the export",
                                                       u, Quoted(model->users().Id(u))));
  SegmentCatalogue catalogue(*model);
  return std::make_shared<const ServedSegments>(
      ServedSegments{std::move(model), std::move(catalogue), std::chrono::system_clock::now()});
}

SegmentWatcher::SegmentWatcher(const ModelStore& store, const WatcherOptions& options, Listener listener)
    : watcher_(
          store, options,
          [store, name = options.model](int64_t version) -> VersionWatcher::Loaded {
            auto segments = LoadServedSegments(store, name, version);
            return {segments, segments->model->digest()};
          },
          std::move(listener)) {}

}  // namespace kindred
