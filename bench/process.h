// Processes that a bench starts: what they print, how long they take, and what they use.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/store/files.h"
#include "training/child_process.h"

namespace kindred {

/// What a process took from its start to its end, its own children included.
struct Usage {
  double wall_seconds = 0;
  double cpu_seconds = 0;      // user and system
  int64_t peak_rss_bytes = 0;  // of the largest process among it and its children
  double others_share = 0;     // of all cores' time meanwhile, what other processes used: 0 to 1
};

struct Finished {
  int exit_status = 0;  // 128 and the signal's number where one ended it
  std::string output;
  std::string errors;  // the end of what it wrote to standard error
  Usage usage;
};

/// A program with its standard output read here and its standard error in a file. It gets SIGTERM when this process
/// dies.
class BenchProcess {
 public:
  /// `command` is the program, found on PATH where it has no '/', and its arguments. Its standard error goes to
  /// `errors`, which is replaced. Throws kIo; a program that cannot be started ends with exit status 127.
  BenchProcess(const StopSignals& signals, const std::vector<std::string>& command,
               const std::filesystem::path& errors);
  ~BenchProcess();  // SIGKILL
  BenchProcess(const BenchProcess&) = delete;
  BenchProcess& operator=(const BenchProcess&) = delete;

  pid_t pid() const { return pid_; }

  /// The next line of its output without its end. Throws kIo, with what it wrote to standard error, where it ends
  /// before there is one.
  std::string ReadLine();
  /// Reads its output up to the end, and waits for it. Throws kIo where a signal stops this process.
  Finished Finish();
  /// Sends SIGTERM, and waits as Finish does.
  Finished Stop();

 private:
  const StopSignals& signals_;
  std::string command_;
  std::filesystem::path errors_;
  pid_t pid_ = -1;
  PipeReader output_;
  std::chrono::steady_clock::time_point start_;
  double busy_before_ = 0;
};

/// Runs a program to its end.
Finished RunProcess(const StopSignals& signals, const std::vector<std::string>& command,
                    const std::filesystem::path& errors);
/// Likewise, and throws kIo with the command and what it wrote to standard error unless its exit status is 0.
Finished RunOrThrow(const StopSignals& signals, const std::vector<std::string>& command,
                    const std::filesystem::path& errors);

/// Seconds of processor time that this process has used so far.
double OwnCpuSeconds();
/// Seconds of processor time that all processes of the machine together have used since it started; 0 where
/// /proc/stat does not say.
double MachineCpuSeconds();

/// A folder that is removed with everything in it.
class WorkFolder {
 public:
  /// Makes one in `parent`, or where temporary files go where that is empty. Throws kIo.
  explicit WorkFolder(const std::filesystem::path& parent);
  ~WorkFolder();
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace kindred
