#include "training/commands.h"

namespace kindred {

void AddEvaluateCommand(CommandLine&) {}

}  // namespace kindred
