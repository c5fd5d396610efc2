// The plug-in that tests load in place of kindred_cuda.so; for programs of kindred_use_plugins (plugins.cmake).
#pragma once

#include <string>

#include "tests/support/environment.h"

namespace kindred {

/// While it lives, the plug-in is tests/support/fake_plugin.cc, failing as `fault` says there.
class FakePlugin {
 public:
  explicit FakePlugin(const std::string& fault = "")
      : folder_("KINDRED_PLUGIN_DIR", KINDRED_FAKE_PLUGIN_DIR), fault_("KINDRED_FAKE_PLUGIN", fault) {}

 private:
  WithEnvironment folder_;
  WithEnvironment fault_;
};

}  // namespace kindred
