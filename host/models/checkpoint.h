// What a training needs to go on after it was ended: <store>/<model>/checkpoint/, an artifact of kind "checkpoint".
//
//   user_factors.npy      float32 [n_users, n_factors]    of a fit between two half-steps (host/models/als.h)
//   item_factors.npy      float32 [n_items, n_factors]
//   eigenvalues.npy       float32 [n_factors]
//   user_biases.npy       float32 [n_users]               of explicit feedback only, as
//   item_biases.npy       float32 [n_items]               is the manifest's rating_mean
//
// The rest is in the manifest. There is one a model, replaced as a whole: at every moment a reader finds the old one or
// the new one. All functions are called with the model's ModelLock held.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/models/als.h"
#include "host/store/model_store.h"

namespace kindred {

/// The format of checkpoints. They live no longer than a training, so a program reads its own format only.
inline constexpr int kCheckpointFormat = 1;

struct Checkpoint {
  nlohmann::json settings = nlohmann::json::object();  // all that decides the bits, for who wrote it to compare
  std::string phase;                                   // which of a training's fits this is
  nlohmann::json report = nlohmann::json::object();    // what was done before that fit
  nlohmann::json seconds = nlohmann::json::object();   // of the training's parts, so far
  int64_t next_version = 0;                            // the number that the training's version was to get
  std::vector<AlsEpoch> epochs;                        // of the fit, so far: state.n_half_steps / 2
  AlsState state;
};

std::filesystem::path CheckpointPath(const ModelStore& store, const std::string& model);

/// Writes a checkpoint, in place of one that is there. Throws kNumeric for values that are not finite, kIo, and
/// kAlreadyExists where what is there is no checkpoint; then nothing has changed. Needs room for both.
void WriteCheckpoint(const ModelStore& store, const std::string& model, const Checkpoint& checkpoint);

/// Throws kNotFound, kCorrupt (naming what is damaged) or kUnsupported for another format.
Checkpoint ReadCheckpoint(const ModelStore& store, const std::string& model);

/// Takes the checkpoint away, if there is one, and what dead processes left of others. Throws kIo, and kAlreadyExists
/// where what is there is no checkpoint.
void RemoveCheckpoint(const ModelStore& store, const std::string& model);

}  // namespace kindred
