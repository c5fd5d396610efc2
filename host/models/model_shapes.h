// Whether the parts of a model fit each other.
#pragma once

#include <string>

#include "host/models/model.h"

namespace kindred {

/// Refuses, with this code and place in the message, a model whose parts do not fit each other; after that no index
/// leads out of its array. Cost: a pass over offsets and indices.
void CheckShapes(const ModelView& model, ErrorCode code, const std::string& where);

}  // namespace kindred
