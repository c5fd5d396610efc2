// Environment variables for a while.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

namespace kindred {

/// Sets an environment variable, and puts back what was there when it goes.
class WithEnvironment {
 public:
  WithEnvironment(std::string name, const std::string& value) : name_(std::move(name)) {
    if (const char* before = std::getenv(name_.c_str())) before_ = before;
    ::setenv(name_.c_str(), value.c_str(), 1);
  }
  ~WithEnvironment() {
    if (before_)
      ::setenv(name_.c_str(), before_->c_str(), 1);
    else
      ::unsetenv(name_.c_str());
  }
  WithEnvironment(const WithEnvironment&) = delete;
  WithEnvironment& operator=(const WithEnvironment&) = delete;

 private:
  std::string name_;
  std::optional<std::string> before_;
};

}  // namespace kindred
