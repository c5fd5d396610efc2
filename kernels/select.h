// Which backends there are, and which one a user gets.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/backend.h"

namespace kindred {

struct BackendReport {
  std::string name;  // "cpu", "cuda"
  bool available = false;
  std::string reason;  // why it is there, or why not
};

/// Every backend this build knows of, with the reason for its being there or not.
std::vector<BackendReport> ListBackends();

struct ChosenBackend {
  std::unique_ptr<Backend> backend;
  std::string reason;
};

/// `name` is "auto" (the best there is, with the reason), "cpu" or "cuda" (that one, or kUnsupported with the
/// reason). n_threads 0 means one a core. Throws kUsage for another name.
ChosenBackend ChooseBackend(const std::string& name, int n_threads);

}  // namespace kindred
