// The sections of a training report that only some algorithms have.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace kindred {

/// Lists by group, a blend's weights, what a content model was chosen by and what became of each column; else empty.
std::string ModelSections(const nlohmann::json& report);

/// What the report says of its algorithm, without what ModelSections shows.
nlohmann::json WithoutSections(nlohmann::json of_algorithm);

}  // namespace kindred
