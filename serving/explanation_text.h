// Why an item is recommended, as `kindred query explain` prints it.
#pragma once

#include "kindred/v1/recommender.pb.h"

namespace kindred {

void PrintExplanation(const v1::ItemExplanation& item);

}  // namespace kindred
