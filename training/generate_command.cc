#include "training/commands.h"

namespace kindred {

void AddGenerateCommand(CommandLine&) {}

}  // namespace kindred
