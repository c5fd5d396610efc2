// How the half-steps of ALS are solved, as flags and in a report.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "kernels/backend.h"

namespace kindred {

struct SolverFlags {
  std::string method = "exact";  // or "cg", "blocks"
  int64_t cg_steps = 3;
  int64_t block_size = 64;

  AlsSolver Solver() const;
};

void AddSolverFlags(CLI::App& app, SolverFlags& flags);

/// {"method": "cg", "n_steps": 3} or {"method": "blocks", "block_size": 64}, for manifests; not for exact ones.
nlohmann::json SolverJson(const AlsSolver& solver);

}  // namespace kindred
