#include "host/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace kindred {
namespace {

using std::chrono::duration;

std::string Seconds(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  return whole < 3600 ? fmt::format("{}:{:02} min", whole / 60, whole % 60)
                      : fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

}  // namespace

Progress::Progress(std::string what, int64_t total, std::string unit)
    : what_(std::move(what)),
      total_(total),
      unit_(std::move(unit)),
      terminal_(isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      last_(start_) {}

Progress::~Progress() {
  if (bar_shown_) std::fputs("\r\033[K", stderr);
}

void Progress::Update(int64_t done, const std::string& note) {
  const auto now = Clock::now();
  if (now - start_ < std::chrono::seconds(2) ||
      now - last_ < (terminal_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(5000)))
    return;
  last_ = now;
  Show(done, note, !terminal_);
}

void Progress::Step(int64_t done, const std::string& note) {
  last_ = Clock::now();
  if (done_before_ < 0) done_before_ = done - 1;
  Show(done, note, true);
}

void Progress::Show(int64_t done, const std::string& note, bool line) {
  const double elapsed = duration<double>(Clock::now() - start_).count();
  std::string text = total_ > 0 ? fmt::format("{}: {} {}/{}", what_, unit_, done, total_)
                                : fmt::format("{}: {} {}", what_, done, unit_);
  if (!note.empty()) text += "  " + note;
  text += "  " + Seconds(elapsed);
  const int64_t done_here = done - std::max<int64_t>(done_before_, 0);
  if (total_ > 0 && done_here > 0 && done < total_)
    text += ", " + Seconds(elapsed * static_cast<double>(total_ - done) / static_cast<double>(done_here)) + " left";
  if (bar_shown_) std::fputs("\r\033[K", stderr);
  if (line) {
    std::fprintf(stderr, "%s\n", text.c_str());
    bar_shown_ = false;
    return;
  }
  if (total_ > 0) {
    const int filled = static_cast<int>(30 * done / total_);
    text +=
        " [" + std::string(static_cast<size_t>(filled), '#') + std::string(static_cast<size_t>(30 - filled), '.') + "]";
  }
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
  bar_shown_ = true;
}

}  // namespace kindred
