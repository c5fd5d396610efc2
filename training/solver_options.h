// How the half-steps of ALS are solved, as flags and in a report.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "kernels/backend.h"

namespace kindred {

struct SolverFlags {
  std::optional<std::string> method;  // "exact" (the default), "cg" or "blocks"
  std::optional<int64_t> cg_steps;    // defaults as of AlsSolver
  std::optional<int64_t> block_size;

  /// Throws kUsage for a setting of another method.
  AlsSolver Solver() const;
};

void AddSolverFlags(CLI::App& app, SolverFlags& flags);

/// {"method": "cg", "n_steps": 3} or {"method": "blocks", "block_size": 64}, for manifests; not for exact ones.
nlohmann::json SolverJson(const AlsSolver& solver);

}  // namespace kindred
