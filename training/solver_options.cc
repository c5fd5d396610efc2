#include "training/solver_options.h"

#include "host/cli/command_line.h"
#include "kernels/error.h"

namespace kindred {

AlsSolver SolverFlags::Solver() const {
  const std::string name = method.value_or("exact");
  const auto refuse = [&](const char* flag, const char* other) {
    throw Error(ErrorCode::kUsage, std::string(flag) + " is for --solver " + other + ", and this is " + name);
  };
  if (cg_steps && name != "cg") refuse("--cg-steps", "cg");
  if (block_size && name != "blocks") refuse("--block-size", "blocks");
  AlsSolver solver;
  if (name == "cg") {
    solver.method = AlsMethod::kConjugateGradient;
    solver.n_steps = cg_steps.value_or(solver.n_steps);
  } else if (name == "blocks") {
    solver.method = AlsMethod::kBlocks;
    solver.n_steps = 1;
    solver.block_size = block_size.value_or(solver.block_size);
  }
  return solver;
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
  app.add_option("--cg-steps", flags.cg_steps, "steps a row and half-step (cg); default: 3")
      ->check(Within(1, AlsSolver::kMaxSteps));
  app.add_option("--block-size", flags.block_size, "factors that are solved together (blocks); default: 64")
      ->check(Within(8, AlsSolver::kMaxBlockSize))
      ->check(CLI::Validator(eights, "multiple of 8", "multiple of 8"));
}

nlohmann::json SolverJson(const AlsSolver& solver) {
  if (solver.method == AlsMethod::kBlocks) return {{"method", "blocks"}, {"block_size", solver.block_size}};
  return {{"method", "cg"}, {"n_steps", solver.n_steps}};
}

}  // namespace kindred
