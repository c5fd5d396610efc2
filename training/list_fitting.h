// The lists that a training's options ask for (host/models/popular_lists.h).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/data/dataset.h"
#include "host/models/linear_model.h"
#include "training/pipeline.h"

namespace kindred {

struct FittedLists {
  LinearModel model;  // no factors: it is none of these
  std::string attribute;
  std::vector<std::string> groups;
  nlohmann::json report;

  ListGroups list_groups() const { return {attribute, groups}; }
};

FittedLists FitLists(const Dataset& dataset, std::span<const uint8_t> keep, const EventWeighting& weighting,
                     const TrainOptions& options);

/// Before anything is made: throws kInvalidArgument for what the dataset lacks (times, a column, naming the nearest;
/// its type), and warns of a window longer than the data, of one group only and of more than can have lists.
void CheckLists(const TrainOptions& options, const Dataset& dataset, const TrainEvents& events);

/// Lists of the model at most.
int64_t MostLists(const TrainOptions& options, const Dataset& dataset);

}  // namespace kindred
