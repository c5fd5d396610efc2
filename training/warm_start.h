// A training that begins with the factors of the model's current version.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/data/dataset.h"
#include "host/models/als.h"
#include "host/models/model.h"

namespace kindred {

class WarmStart {
 public:
  /// For a training on `dataset`, whose users and items are matched with the version's by id. Throws as Model::Open,
  /// and kInvalidArgument where the version is not of ALS with options.n_factors, or of the other kind of feedback.
  WarmStart(const ModelStore& store, const std::string& model, const AlsOptions& options, const Dataset& dataset);

  /// The version's factors. Items that it lacks begin at random, as in a fit without a start, users at zero.
  AlsState State() const;

  /// How many held-out pairs, users x items of the dataset, the version was trained on: after a fit that begins with
  /// it, metrics flatter.
  int64_t SeenPairs(const CsrView& held_out) const;

  /// For reports: version, digest, and how many of the dataset's users and items the version has.
  nlohmann::json Describe() const;

 private:
  AlsOptions options_;
  std::shared_ptr<const Model> model_;
  std::vector<int32_t> users_, items_;  // the version's index of each of the dataset's; -1: none
};

}  // namespace kindred
