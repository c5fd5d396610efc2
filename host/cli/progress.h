// Progress of work that may take long, on standard error: a bar on a terminal, else a plain line now and then.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace kindred {

class Progress {
 public:
  /// `total` 0 where it is not known. Nothing is shown before two seconds have passed.
  Progress(std::string what, int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Cheap enough for inner loops. `note` is shown beside the count, with the time left.
  void Update(int64_t done, const std::string& note = "");
  /// For steps worth a line each (epochs), one by one from any: shown at once, with the time left.
  void Step(int64_t done, const std::string& note);

 private:
  using Clock = std::chrono::steady_clock;

  void Show(int64_t done, const std::string& note, bool line);

  std::string what_;
  int64_t total_;
  std::string unit_;
  bool terminal_;
  bool bar_shown_ = false;
  int64_t done_before_ = -1;  // the first Step; -1: there was none yet
  Clock::time_point start_;
  Clock::time_point last_;
};

}  // namespace kindred
