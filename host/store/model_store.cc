#include "host/store/model_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>

namespace kindred {
namespace fs = std::filesystem;
namespace {

constexpr const char* kCurrent = "CURRENT";

bool IsModelName(std::string_view name) {
  return !name.empty() && name[0] != '.' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string_view::npos;
}

/// The version's number, or 0 where the text is not one as it is written.
int64_t ParseVersion(std::string_view text) {
  int64_t version = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), version);
  const bool whole = problem == std::errc() && end == text.data() + text.size();
  return whole && version > 0 && text[0] != '0' ? version : 0;
}

int64_t CurrentOrZero(const ModelStore& store, const std::string& model) {
  try {
    return store.Current(model);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound && error.code() != ErrorCode::kCorrupt) throw;
    return 0;
  }
}

}  // namespace

fs::path ModelStore::ModelPath(const std::string& model) const {
  if (!IsModelName(model))
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' is no name for a model: letters, digits, '.', '_' and '-', not starting with '.'", model));
  return root_ / model;
}

fs::path ModelStore::VersionPath(const std::string& model, int64_t version) const {
  return ModelPath(model) / std::to_string(version);
}

std::vector<std::string> ModelStore::Models() const {
  std::vector<std::string> models;
  std::error_code ignored;
  for (const std::string& name : NamesIn(root_, ignored))
    if (IsModelName(name) && !Versions(name).empty()) models.push_back(name);
  std::sort(models.begin(), models.end());
  return models;
}

std::vector<int64_t> ModelStore::Versions(const std::string& model) const {
  std::vector<int64_t> versions;
  std::error_code ignored;
  for (const std::string& name : NamesIn(ModelPath(model), ignored)) {
    const int64_t version = ParseVersion(name);
    if (version > 0 && fs::is_directory(VersionPath(model, version), ignored)) versions.push_back(version);
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

int64_t ModelStore::Current(const std::string& model) const {
  const fs::path path = ModelPath(model) / kCurrent;
  std::string text;
  try {
    text = ReadFile(path, 64);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    const std::vector<std::string> models = Models();
    throw Error(ErrorCode::kNotFound,
                fmt::format("the store '{}' has no current version of model '{}'; it has {}", root_.string(), model,
                            models.empty() ? "no models" : fmt::format("{}", fmt::join(models, ", "))));
  }
  const int64_t version = text.ends_with('\n') ? ParseVersion(std::string_view(text).substr(0, text.size() - 1)) : 0;
  if (version == 0)
    throw Error(ErrorCode::kCorrupt, fmt::format("'{}' does not hold a version's number", path.string()));
  return version;
}

TrainingLock ModelStore::Lock(const std::string& model) const {
  const fs::path path = ModelPath(model) / ".lock";
  CreateFolders(path.parent_path());
  Descriptor file = OpenFile(path, O_RDWR | O_CREAT);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return TrainingLock(std::move(file));
  if (errno != EWOULDBLOCK) throw SystemError("lock", path);
  throw Error(ErrorCode::kAlreadyExists,
              fmt::format("another training of model '{}' is running: it holds '{}'", model, path.string()));
}

int64_t ModelStore::NextVersion(const std::string& model) const {
  const std::vector<int64_t> versions = Versions(model);
  return std::max(versions.empty() ? 0 : versions.back(), CurrentOrZero(*this, model)) + 1;
}

void ModelStore::SetCurrent(const std::string& model, int64_t version) const {
  const fs::path folder = ModelPath(model);
  if (!fs::is_directory(VersionPath(model, version)))
    throw Error(ErrorCode::kNotFound,
                fmt::format("model '{}' has no version {} in '{}'", model, version, root_.string()));
  const fs::path temporary = folder / "CURRENT.tmp";
  try {
    WriteFile(temporary, fmt::format("{}\n", version));
    if (::rename(temporary.c_str(), (folder / kCurrent).c_str()) != 0) throw SystemError("replace", folder / kCurrent);
  } catch (const Error&) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
  SyncFolder(folder);
}

void ModelStore::Remove(const std::string& model, int64_t version) const {
  const fs::path path = VersionPath(model, version);
  if (CurrentOrZero(*this, model) == version)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("version {} of model '{}' is the current one", version, model));
  const fs::path hidden = path.parent_path() / fmt::format(".{}.tmp-{}", version, ::getpid());
  if (::rename(path.c_str(), hidden.c_str()) != 0) throw SystemError("remove", path);
  std::error_code ignored;
  fs::remove_all(hidden, ignored);
}

}  // namespace kindred
