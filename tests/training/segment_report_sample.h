// A report of segments such as a job makes, of made-up customers of a shop: five kinds of them, a version before with
// four, rules, stages, likelihood and audit. The same on every machine.
#pragma once

#include <nlohmann/json.hpp>

namespace kindred {

nlohmann::json SampleSegmentReport();

}  // namespace kindred
