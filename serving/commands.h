// The subcommands that speak gRPC; each is added to the program by one line of main.cc.
#pragma once

#include "host/cli/command_line.h"

namespace kindred {

void AddServeCommand(CommandLine& program);
void AddQueryCommand(CommandLine& program);
void AddItemsCommand(CommandLine& program);

/// Of `query`: what is asked of segments.
void AddSegmentQueries(CommandLine& program, CLI::App* query);

}  // namespace kindred
