// Work that is asked to stop by a signal, and ends where it can be taken up again.
#pragma once

#include <csignal>
#include <string>

namespace kindred {

/// While it lives, the first SIGINT or SIGTERM is taken down and answered with a line on standard error; a second one
/// ends the process at once. Signals that are ignored stay so. One at a time.
class StopRequest {
 public:
  StopRequest();
  ~StopRequest();
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;

  /// "SIGINT", "SIGTERM", or nothing where none has come.
  std::string reason() const;

 private:
  struct sigaction before_[2];
};

}  // namespace kindred
