#include "training/stop_request.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string_view>

namespace kindred {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};
constexpr std::string_view kAnswer =
    "\nkindred: stopping as soon as this can be taken up again; a second signal ends it at once\n";

std::atomic<int> requested = 0;
static_assert(std::atomic<int>::is_always_lock_free);

void TakeDown(int signal) {
  const int error = errno;
  const bool is_first = requested.exchange(signal) == 0;
  for (const int either : kSignals) std::signal(either, SIG_DFL);
  if (is_first)
    static_cast<void>(::write(STDERR_FILENO, kAnswer.data(), kAnswer.size()));
  else  // another thread took the first at the same moment
    std::raise(signal);
  errno = error;
}

}  // namespace

StopRequest::StopRequest() {
  requested = 0;
  struct sigaction action = {};
  action.sa_handler = TakeDown;
  action.sa_flags = SA_RESTART;
  for (const int either : kSignals) sigaddset(&action.sa_mask, either);  // a second one waits, and finds the default
  for (int i = 0; i < 2; ++i) {
    ::sigaction(kSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler != SIG_IGN) ::sigaction(kSignals[i], &action, nullptr);
  }
}

StopRequest::~StopRequest() {
  for (int i = 0; i < 2; ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
}

std::string StopRequest::reason() const {
  switch (requested) {
    case 0:
      return "";
    case SIGINT:
      return "SIGINT";
    default:
      return "SIGTERM";
  }
}

}  // namespace kindred
