#include "serving/commands.h"

namespace kindred {

void AddServeCommand(CommandLine&) {}

}  // namespace kindred
