// Finding and loading the CUDA plug-in. The program never links CUDA: a library that is not there, or not usable, is a
// reason to give, not a program that does not start.
#pragma once

#include <filesystem>
#include <vector>

#include "kernels/plugin_interface.h"

namespace kindred {

inline constexpr const char* kPluginFile = "kindred_cuda.so";

/// Where the plug-in is looked for: the folder KINDRED_PLUGIN_DIR where that is set; else the program's own folder, as
/// it is built, and ../lib/kindred beside it, as it is installed.
std::vector<std::filesystem::path> PluginFolders();

/// The first of the folders' files of that name. Throws kUnsupported, naming the folders.
std::filesystem::path FindPlugin();

/// Loads the library with all it needs, for as long as the process lives: what it threw or made may outlive every use
/// of it. Throws kUnsupported with the dynamic loader's reason.
void* LoadPlugin(const std::filesystem::path& path);

/// The functions of a loaded library. Throws kUnsupported where it is no plug-in, or one of another build.
const PluginTable& PluginTableOf(void* library, const std::filesystem::path& path);

/// Throws the error that a function of the table left.
[[noreturn]] void Throw(const PluginError& error);

}  // namespace kindred
