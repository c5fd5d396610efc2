#include "host/intake/inputs.h"

#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <new>
#include <system_error>

#include "host/intake/unpacker.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;

struct NameEnd {
  std::string_view end;
  InputFormat format;
};

constexpr NameEnd kNameEnds[] = {
    {".csv", InputFormat::kCsv},          {".tsv", InputFormat::kTsv},         {".jsonl", InputFormat::kJsonLines},
    {".ndjson", InputFormat::kJsonLines}, {".json", InputFormat::kJsonLines},  {".mtx", InputFormat::kMatrixMarket},
    {".npz", InputFormat::kNpz},          {".parquet", InputFormat::kParquet},
};

std::string Name(const std::string& path) {
  return Printable(path, 4096);
}

bool IsHidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name.starts_with('_');
}

std::vector<std::string> FilesIn(const std::string& folder) {
  std::vector<std::string> files;
  try {
    constexpr auto kFollow = fs::directory_options::follow_directory_symlink;
    for (fs::recursive_directory_iterator at(folder, kFollow), end; at != end; ++at) {
      if (IsHidden(at->path()))
        at.disable_recursion_pending();
      else if (!at->is_directory())
        files.push_back(at->path().string());
    }
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::kIo, fmt::format("cannot list '{}': {}", Name(error.path1()), error.code().message()));
  }
  if (files.empty()) throw Error(ErrorCode::kNotFound, fmt::format("the folder '{}' has no files", Name(folder)));
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> Matches(const std::string& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), GLOB_ERR | GLOB_NOSORT, nullptr, &found);
  std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (status == GLOB_NOSPACE) throw std::bad_alloc();
  if (status == GLOB_ABORTED)
    throw Error(ErrorCode::kIo, fmt::format("cannot list the folders that '{}' looks into", Name(pattern)));
  if (!IsHidden(fs::path(pattern))) std::erase_if(paths, [](const std::string& path) { return IsHidden(path); });
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

std::vector<std::string> ExpandInputs(std::span<const std::string> inputs) {
  if (std::count(inputs.begin(), inputs.end(), "-") > 1)
    throw Error(ErrorCode::kUsage, "standard input ('-') can be read only once");
  std::vector<std::string> files;
  const auto add = [&](const std::string& path) {
    std::error_code error;  // whoever opens the file will meet it again
    if (!fs::is_directory(path, error)) {
      files.push_back(path);
      return;
    }
    const std::vector<std::string> inside = FilesIn(path);
    files.insert(files.end(), inside.begin(), inside.end());
  };
  for (const std::string& input : inputs) {
    std::error_code error;
    const bool pattern = input.find_first_of("*?[") != input.npos;
    if (input == "-" || fs::exists(input, error) || (error && !pattern)) {
      add(input);
      continue;
    }
    if (!pattern) throw Error(ErrorCode::kNotFound, fmt::format("there is no file '{}'", Name(input)));
    const std::vector<std::string> paths = Matches(input);
    if (paths.empty()) throw Error(ErrorCode::kNotFound, fmt::format("no file matches '{}'", Name(input)));
    for (const std::string& path : paths) add(path);
  }
  return files;
}

std::optional<InputFormat> FormatOf(std::string_view path) {
  path = WithoutPacking(path);
  for (const NameEnd& name : kNameEnds)
    if (path.ends_with(name.end)) return name.format;
  return std::nullopt;
}

}  // namespace kindred
