// A command line run in this process, with what it printed.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "host/cli/command_line.h"

namespace kindred {

/// Runs `program` with the arguments after its name, and returns its exit status; *out and *err become what it wrote.
inline int RunCaptured(CommandLine& program, const std::vector<std::string>& arguments, std::string* out,
                       std::string* err) {
  std::vector<const char*> argv = {"kindred"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int status = program.Run(static_cast<int>(argv.size()), argv.data());
  *out = testing::internal::GetCapturedStdout();
  *err = testing::internal::GetCapturedStderr();
  return status;
}

}  // namespace kindred
