// The train-side subcommands; each is added to the program by one line of main.cc.
#pragma once

#include "host/cli/command_line.h"

namespace kindred {

void AddDemoCommand(CommandLine& program);
void AddGenerateCommand(CommandLine& program);
void AddPrepareCommand(CommandLine& program);
void AddTrainCommand(CommandLine& program);
void AddEvaluateCommand(CommandLine& program);
void AddDoctorCommand(CommandLine& program);

}  // namespace kindred
