#include "training/commands.h"

namespace kindred {

void AddPrepareCommand(CommandLine&) {}

}  // namespace kindred
