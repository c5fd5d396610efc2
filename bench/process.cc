#include "bench/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>
#include <utility>

namespace kindred {
namespace {

namespace fs = std::filesystem;

constexpr size_t kErrorBytes = 4000;

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

std::string EndOf(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.size() > kErrorBytes) text.erase(0, text.size() - kErrorBytes);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

BenchProcess::BenchProcess(const StopSignals& signals, const std::vector<std::string>& command, const fs::path& errors)
    : signals_(signals), command_(ShellWords(command)), errors_(errors), output_(signals, command_) {
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const Descriptor error_file = OpenFile(errors, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw SystemError("start", command_);
  output_.Open(Descriptor(ends[0]));
  const Descriptor to_child(ends[1]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);

  busy_before_ = MachineCpuSeconds();
  start_ = std::chrono::steady_clock::now();
  pid_ = ::fork();
  if (pid_ < 0) throw SystemError("start", command_);
  if (pid_ > 0) return;
  ::sigprocmask(SIG_SETMASK, &signals.before(), nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::dup2(to_child.get(), STDOUT_FILENO);
  ::dup2(error_file.get(), STDERR_FILENO);
  ::execvp(words[0], words.data());
  ::_exit(127);
}

BenchProcess::~BenchProcess() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string BenchProcess::ReadLine() {
  if (std::optional<std::string> line = output_.ReadLine()) return *std::move(line);
  throw Error(ErrorCode::kIo, fmt::format("'{}' ended before it said a line\n{}", command_, EndOf(errors_)));
}

Finished BenchProcess::Finish() {
  std::string output = output_.ReadAll();
  int status = 0;
  rusage used{};
  while (true) {
    const pid_t ended = ::wait4(pid_, &status, WNOHANG, &used);
    if (ended == pid_) break;
    if (ended < 0 && errno != EINTR) throw SystemError("wait for", command_);
    signals_.Pause();
  }
  pid_ = -1;
  Finished finished;
  Usage& usage = finished.usage;
  usage.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  usage.cpu_seconds = Seconds(used.ru_utime) + Seconds(used.ru_stime);
  usage.peak_rss_bytes = static_cast<int64_t>(used.ru_maxrss) * 1024;
  const double all = usage.wall_seconds * static_cast<double>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  usage.others_share = std::clamp((MachineCpuSeconds() - busy_before_ - usage.cpu_seconds) / all, 0.0, 1.0);
  finished.exit_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  finished.output = std::move(output);
  finished.errors = EndOf(errors_);
  return finished;
}

Finished BenchProcess::Stop() {
  ::kill(pid_, SIGTERM);
  return Finish();
}

Finished RunProcess(const StopSignals& signals, const std::vector<std::string>& command, const fs::path& errors) {
  return BenchProcess(signals, command, errors).Finish();
}

Finished RunOrThrow(const StopSignals& signals, const std::vector<std::string>& command, const fs::path& errors) {
  Finished finished = RunProcess(signals, command, errors);
  if (finished.exit_status != 0)
    throw Error(ErrorCode::kIo, fmt::format("'{}' ended with exit status {}\n{}", ShellWords(command),
                                            finished.exit_status, finished.errors));
  return finished;
}

double OwnCpuSeconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double MachineCpuSeconds() {
  std::ifstream file("/proc/stat");
  std::string line, name;
  std::getline(file, line);
  std::istringstream fields(line);
  // user nice system idle iowait irq softirq steal; what guests take is in user
  double busy = 0, ticks = 0;
  fields >> name;
  for (int field = 0; field < 8 && fields >> ticks; ++field)
    if (field != 3 && field != 4) busy += ticks;
  return busy / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

WorkFolder::WorkFolder(const fs::path& parent) {
  std::string name = ((parent.empty() ? fs::temp_directory_path() : parent) / "kindred-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw SystemError("make a folder for the bench", name);
  path_ = name;
}

WorkFolder::~WorkFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace kindred
