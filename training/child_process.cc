#include "training/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>

namespace kindred {
namespace {

constexpr timespec kPause{0, 20'000'000};
constexpr std::chrono::seconds kPatience{10};

}  // namespace

StopSignals::StopSignals() {
  sigemptyset(&taken_);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&taken_, signal);
  ::sigprocmask(SIG_BLOCK, &taken_, &before_);
}

StopSignals::~StopSignals() {
  ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

void StopSignals::Pause() const {
  const int signal = ::sigtimedwait(&taken_, nullptr, &kPause);
  if (signal == SIGINT || signal == SIGTERM) throw Error(ErrorCode::kIo, "stopped by a signal");
}

bool PipeReader::ReadMore() {
  char piece[1 << 14];
  while (true) {
    const ssize_t got = ::read(end_.get(), piece, sizeof piece);
    if (got > 0) unread_.append(piece, static_cast<size_t>(got));
    if (got >= 0) return got > 0;
    if (errno != EAGAIN && errno != EINTR) throw SystemError("read the output of", command_);
    signals_.Pause();
  }
}

std::optional<std::string> PipeReader::ReadLine() {
  while (unread_.find('\n') == std::string::npos)
    if (!ReadMore()) return std::nullopt;
  std::string line = unread_.substr(0, unread_.find('\n'));
  unread_.erase(0, line.size() + 1);
  return line;
}

std::string PipeReader::ReadAll() {
  while (ReadMore()) {
  }
  return std::exchange(unread_, {});
}

ChildProcess::ChildProcess(const StopSignals& signals, const std::vector<std::string>& arguments, Mode mode,
                           const std::filesystem::path& log)
    : signals_(signals), command_("kindred " + (arguments.empty() ? "" : arguments[0])), output_(signals, command_) {
  std::vector<char*> words = {const_cast<char*>("kindred")};
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);

  Descriptor to_child;
  if (mode != Mode::kShow) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw SystemError("start", command_);
    output_.Open(Descriptor(ends[0]));
    to_child = Descriptor(ends[1]);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
  Descriptor log_file;
  if (mode == Mode::kOutlive) log_file = OpenFile(log, O_WRONLY | O_CREAT | O_TRUNC);

  pid_ = ::fork();
  if (pid_ < 0) throw SystemError("start", command_);
  if (pid_ > 0) return;
  ::sigprocmask(SIG_SETMASK, &signals.before(), nullptr);
  if (mode == Mode::kOutlive) {
    ::setsid();
    ::dup2(log_file.get(), STDERR_FILENO);
  } else {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  }
  if (to_child.get() >= 0) ::dup2(to_child.get(), STDOUT_FILENO);
  ::execv("/proc/self/exe", words.data());
  ::_exit(127);
}

ChildProcess::~ChildProcess() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGTERM);
  const auto start = std::chrono::steady_clock::now();
  while (!Ended() && std::chrono::steady_clock::now() - start < kPatience) ::nanosleep(&kPause, nullptr);
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool ChildProcess::Ended() {
  if (pid_ >= 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
  return pid_ < 0;
}

void ChildProcess::Wait() {
  while (!Ended()) signals_.Pause();
  if (WIFSIGNALED(status_))
    throw Error(ErrorCode::kIo, fmt::format("'{}' was ended by signal {}", command_, WTERMSIG(status_)));
  if (WEXITSTATUS(status_) != 0)
    throw Error(ErrorCode::kIo, fmt::format("'{}' failed with exit status {}", command_, WEXITSTATUS(status_)));
}

void ChildProcess::Stop() {
  ::kill(pid_, SIGTERM);
  Wait();
}

std::string ChildProcess::ReadLine() {
  if (std::optional<std::string> line = output_.ReadLine()) return *std::move(line);
  Wait();
  throw Error(ErrorCode::kIo, fmt::format("'{}' said nothing", command_));
}

std::string ChildProcess::ReadAll() {
  return output_.ReadAll();
}

std::string ShellWords(const std::vector<std::string>& arguments) {
  std::string words;
  for (const std::string& argument : arguments) {
    const bool plain = !argument.empty() && std::all_of(argument.begin(), argument.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || std::string_view("-_./:=,@%+").find(static_cast<char>(c)) != std::string::npos;
    });
    if (!words.empty()) words += ' ';
    if (plain) {
      words += argument;
      continue;
    }
    words += '\'';
    for (const char c : argument) c == '\'' ? words += "'\\''" : words += c;
    words += '\'';
  }
  return words;
}

}  // namespace kindred
