#include "training/solver_options.h"

#include "host/cli/command_line.h"

namespace kindred {

AlsSolver SolverFlags::Solver() const {
  if (method == "cg") return {AlsMethod::kConjugateGradient, cg_steps};
  if (method == "blocks") return {AlsMethod::kBlocks, 1, block_size};
  return {};
}

void AddSolverFlags(CLI::App& app, SolverFlags& flags) {
  const auto eights = [](const std::string& text) {
    return std::stoll(text) % 8 == 0 ? std::string() : "'" + text + "' is no multiple of 8";
  };
  app.add_option(
         "--solver", flags.method,
         "of a row, except for the last solve of the users: exact; cg (conjugate gradients) or blocks (iALS++): "
         "faster epochs, where rows are long and factors many")
      ->check(CLI::IsMember({"exact", "cg", "blocks"}));
  app.add_option("--cg-steps", flags.cg_steps, "steps a row and half-step (cg)")
      ->check(Within(1, AlsSolver::kMaxSteps));
  app.add_option("--block-size", flags.block_size, "factors that are solved together (blocks)")
      ->check(Within(8, AlsSolver::kMaxBlockSize))
      ->check(CLI::Validator(eights, "multiple of 8", "multiple of 8"));
}

nlohmann::json SolverJson(const AlsSolver& solver) {
  if (solver.method == AlsMethod::kBlocks) return {{"method", "blocks"}, {"block_size", solver.block_size}};
  return {{"method", "cg"}, {"n_steps", solver.n_steps}};
}

}  // namespace kindred
