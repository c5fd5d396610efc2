// Seconds of the parts of a training, by name.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>

namespace kindred {

class Stopwatch {
 public:
  /// `seconds`: of parts done earlier, which later ones of the same name add to.
  void Begin(const nlohmann::json& seconds) { seconds_.update(seconds); }

  /// Ends a part, which began where the last one ended.
  void Done(const char* part) {
    seconds_ = With(part);
    last_ = Clock::now();
  }

  const nlohmann::json& seconds() const { return seconds_; }
  /// As if `part` ended now.
  nlohmann::json With(const std::string& part) const {
    nlohmann::json seconds = seconds_;
    seconds[part] = seconds.value(part, 0.0) + std::chrono::duration<double>(Clock::now() - last_).count();
    return seconds;
  }

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point last_ = Clock::now();
  nlohmann::json seconds_ = nlohmann::json::object();
};

}  // namespace kindred
