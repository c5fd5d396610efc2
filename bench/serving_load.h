// Closed-loop load on a server: a number of callers, each with one call in flight.
#pragma once

namespace kindred {

/// Starts the server, checks and measures its calls, stops it, and prints an answer of kindred-bench
/// (bench/workload.h).
int RunServingLoad(int argc, char** argv);

}  // namespace kindred
