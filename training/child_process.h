// Processes started by this one: waited for, and not left behind.
#pragma once

#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/store/files.h"

namespace kindred {

/// While it lives, SIGINT and SIGTERM do not end the process but come out of Pause as an Error.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// Sleeps for a moment, less where a child ends. Throws kIo after SIGINT or SIGTERM.
  void Pause() const;
  const sigset_t& before() const { return before_; }

 private:
  sigset_t taken_;
  sigset_t before_;
};

/// What another process writes into a pipe, read by one that StopSignals may interrupt. Errors are kIo.
class PipeReader {
 public:
  /// `command` is for messages.
  PipeReader(const StopSignals& signals, std::string command) : signals_(signals), command_(std::move(command)) {}

  void Open(Descriptor end) { end_ = std::move(end); }
  /// The next line without its end; none where the output ends before.
  std::optional<std::string> ReadLine();
  /// The rest, up to the end of the output.
  std::string ReadAll();

 private:
  bool ReadMore();

  const StopSignals& signals_;
  std::string command_;
  Descriptor end_;
  std::string unread_;
};

/// Another run of this program. It gets SIGTERM when this process dies, however that happens.
class ChildProcess {
 public:
  enum class Mode {
    kShow,     // standard output goes where this process's goes
    kCapture,  // standard output is read here
    kOutlive,  // the same, in a session of its own and with standard error in a file, so that it can be left running
  };

  /// `arguments` are those after the program's name. Throws kIo.
  ChildProcess(const StopSignals& signals, const std::vector<std::string>& arguments, Mode mode = Mode::kShow,
               const std::filesystem::path& log = {});
  ~ChildProcess();  // SIGTERM; after ten seconds SIGKILL
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  /// The next line of the captured output without its end. Throws kIo where there is none.
  std::string ReadLine();
  /// The captured output up to its end.
  std::string ReadAll();
  /// Throws kIo unless the process ends with exit status 0.
  void Wait();
  /// Asks it to end, and waits as Wait does.
  void Stop();
  /// Leaves it running.
  void Release() { pid_ = -1; }

 private:
  bool Ended();

  const StopSignals& signals_;
  std::string command_;
  pid_t pid_ = -1;
  int status_ = 0;
  PipeReader output_;
};

/// The arguments as one would type them after the program's name.
std::string ShellWords(const std::vector<std::string>& arguments);

}  // namespace kindred
