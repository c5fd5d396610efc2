// The floor under `kindred serve`: the same server settings, replies of the same size, and nothing computed.
#pragma once

namespace kindred {

/// Prints the line that `kindred serve --json` prints when it is ready, and ends on SIGTERM.
int RunEmptyService(int argc, char** argv);

}  // namespace kindred
