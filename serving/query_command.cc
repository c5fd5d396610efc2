#include "serving/commands.h"

namespace kindred {

void AddQueryCommand(CommandLine&) {}

}  // namespace kindred
