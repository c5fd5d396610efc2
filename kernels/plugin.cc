#include "kernels/plugin.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>

#include "kernels/build_id.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;

template <class Function>
Function* FunctionOf(void* library, const char* name, const fs::path& path) {
  void* function = ::dlsym(library, name);
  if (function == nullptr)
    throw Error(ErrorCode::kUnsupported,
                "'" + path.string() + "' is no plug-in of Kindred: it has no function " + name);
  return reinterpret_cast<Function*>(function);
}

}  // namespace

std::vector<fs::path> PluginFolders() {
  const char* folder = std::getenv("KINDRED_PLUGIN_DIR");
  if (folder != nullptr && *folder != '\0') return {folder};
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  if (failed) return {};
  const fs::path beside = program.parent_path();
  return {beside, (beside / ".." / "lib" / "kindred").lexically_normal()};
}

fs::path FindPlugin() {
  const std::vector<fs::path> folders = PluginFolders();
  std::string names;
  for (const fs::path& folder : folders) {
    std::error_code failed;
    if (fs::is_regular_file(folder / kPluginFile, failed)) return fs::absolute(folder / kPluginFile);
    names += (names.empty() ? "'" : " or '") + folder.string() + "'";
  }
  if (names.empty()) names = "the program's folder, which is not known; set KINDRED_PLUGIN_DIR";
  throw Error(ErrorCode::kUnsupported, std::string("there is no CUDA plug-in: no ") + kPluginFile + " in " + names);
}

void* LoadPlugin(const fs::path& path) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = ::dlerror();
    throw Error(ErrorCode::kUnsupported,
                "'" + path.string() + "' cannot be loaded: " + (reason != nullptr ? reason : "no reason was given") +
                    "; expected CUDA's cuBLAS and cuSOLVER where the dynamic loader looks");
  }
  return library;
}

const PluginTable& PluginTableOf(void* library, const fs::path& path) {
  auto* const build_id = FunctionOf<decltype(kindred_plugin_build_id)>(library, "kindred_plugin_build_id", path);
  const std::string found = build_id(), expected = BuildId();
  if (found != expected)
    throw Error(ErrorCode::kUnsupported, "'" + path.string() + "' is of another build, " + found + "; expected " +
                                             expected + ": install the program and its plug-in from one build");
  return *FunctionOf<decltype(kindred_plugin_table)>(library, "kindred_plugin_table", path)();
}

void Throw(const PluginError& error) {
  throw Error(error.code, error.message);
}

}  // namespace kindred
