// Held-out interactions that come as a file of their own, as benchmark splits do.
#pragma once

#include <span>
#include <string>

#include "host/data/event_weighting.h"
#include "host/data/id_map.h"
#include "host/evaluation/metrics.h"
#include "host/intake/event_reader.h"

namespace kindred {

/// Reads the files and maps their ids; ids the maps lack are counted. Events of value 0 or of a type that has the
/// weight 0 are no pairs, as in a split; other weights make no difference. Events without a type are pairs unless the
/// weighting names them (as '', not as '*'). kInvalidArgument: a bad row, naming file and line; a type without a
/// weight; files without events.
Holdout ReadHoldout(std::span<const std::string> paths, const EventReaderOptions& options, const IdMap& users,
                    const IdMap& items, const EventWeighting& weighting = {});

}  // namespace kindred
