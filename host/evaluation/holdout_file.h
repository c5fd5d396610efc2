// Held-out interactions that come as a file of their own, as benchmark splits do.
#pragma once

#include <span>
#include <string>

#include "host/data/event_reader.h"
#include "host/data/id_map.h"
#include "host/evaluation/metrics.h"

namespace kindred {

/// Reads the files and maps their ids; ids the maps lack are counted. Events of value 0 are no pairs, as in a
/// split.
/// A bad row is kInvalidArgument naming file and line; a file without events too.
Holdout ReadHoldout(std::span<const std::string> paths, const EventReaderOptions& options, const IdMap& users,
                    const IdMap& items);

}  // namespace kindred
