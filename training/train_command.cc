#include "training/commands.h"

namespace kindred {

void AddTrainCommand(CommandLine&) {}

}  // namespace kindred
