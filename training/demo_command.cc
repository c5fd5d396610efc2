#include "training/commands.h"

namespace kindred {

void AddDemoCommand(CommandLine&) {}

}  // namespace kindred
