#include "training/commands.h"

namespace kindred {

void AddDoctorCommand(CommandLine&) {}

}  // namespace kindred
