// The train-side subcommands; each is added to the program by one line of main.cc.
#pragma once

#include "host/cli/command_line.h"

namespace kindred {

/// What --seed takes: every double up to it is a 64-bit seed.
constexpr double kLargestSeed = 1.8e19;

void AddDemoCommand(CommandLine& program);
void AddGenerateCommand(CommandLine& program);
void AddPrepareCommand(CommandLine& program);
void AddReportCommand(CommandLine& program);
void AddTrainCommand(CommandLine& program);
void AddSegmentCommand(CommandLine& program);
void AddTuneCommand(CommandLine& program);
void AddEvaluateCommand(CommandLine& program);
void AddRecommendCommand(CommandLine& program);
void AddModelsCommand(CommandLine& program);
void AddDoctorCommand(CommandLine& program);

}  // namespace kindred
