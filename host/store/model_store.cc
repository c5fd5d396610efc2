#include "host/store/model_store.h"

#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>

#include "host/text/text.h"

namespace kindred {
namespace fs = std::filesystem;
namespace {

constexpr const char* kCurrent = "CURRENT";
constexpr const char* kLabels = "labels";
constexpr const char* kCheckpoint = "checkpoint";  // host/models/checkpoint.h
constexpr const char* kLock = ".lock";
constexpr const char* kDigits = "0123456789";

bool IsModelName(std::string_view name) {
  return !name.empty() && name[0] != '.' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string_view::npos;
}

bool IsLabel(std::string_view name) {
  return IsModelName(name) && name[0] != '-' && name.find_first_not_of(kDigits) != std::string_view::npos &&
         name != kCurrentVersion && name != kCurrent;
}

bool NamesCurrent(std::string_view version) {
  return version == kCurrentVersion || version == "0";
}

/// The version's number, or 0 where the text is not one as it is written.
int64_t ParseVersion(std::string_view text) {
  int64_t version = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), version);
  const bool whole = problem == std::errc() && end == text.data() + text.size();
  return whole && version > 0 && text[0] != '0' ? version : 0;
}

/// The number a file as CURRENT holds.
int64_t ReadNumber(const fs::path& path) {
  const std::string text = ReadFile(path, 64);
  const int64_t version = text.ends_with('\n') ? ParseVersion(std::string_view(text).substr(0, text.size() - 1)) : 0;
  if (version == 0)
    throw Error(ErrorCode::kCorrupt, fmt::format("'{}' does not hold a version's number", path.string()));
  return version;
}

void ReplaceNumber(const fs::path& path, const fs::path& temporary, int64_t version) {
  try {
    WriteFile(temporary, fmt::format("{}\n", version));
    if (::rename(temporary.c_str(), path.c_str()) != 0) throw SystemError("replace", path);
  } catch (const Error&) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
  SyncFolder(path.parent_path());
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

void CheckVersionName(std::string_view text) {
  if (NamesCurrent(text) || ParseVersion(text) > 0 || IsLabel(text)) return;
  throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no version: expected its number, a label or '{}'",
                                                       Printable(text), kCurrentVersion));
}

fs::path ModelStore::ModelPath(const std::string& model) const {
  if (!IsModelName(model))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no name for a model: letters, digits, '.', '_' and '-', not starting with '.'",
                            Printable(model)));
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

bool ModelStore::IsPart(const std::string& model, const std::string& name) const {
  std::error_code ignored;
  const fs::path path = ModelPath(model) / name;
  if (name == kLabels || name == kCheckpoint || ParseVersion(name) > 0) return fs::is_directory(path, ignored);
  return (name == kCurrent || name == kLock) && fs::is_regular_file(path, ignored);
}

void ModelStore::CheckHas(const std::string& model) const {
  if (Versions(model).empty()) throw NoModel("version", model);
}

int64_t ModelStore::Current(const std::string& model) const {
  try {
    return ReadNumber(ModelPath(model) / kCurrent);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    throw NoModel("current version", model);
  }
}

std::map<std::string, int64_t> ModelStore::Labels(const std::string& model) const {
  const fs::path folder = ModelPath(model) / kLabels;
  std::error_code error;
  std::map<std::string, int64_t> labels;
  for (const std::string& name : NamesIn(folder, error))
    if (IsLabel(name)) labels[name] = ReadNumber(folder / name);
  if (error && error != std::errc::no_such_file_or_directory)
    throw Error(ErrorCode::kIo, fmt::format("cannot read '{}': {}", folder.string(), error.message()));
  return labels;
}

int64_t ModelStore::Resolve(const std::string& model, const std::string& version) const {
  CheckVersionName(version);
  if (NamesCurrent(version)) return Current(model);
  if (const int64_t number = ParseVersion(version); number > 0) return number;
  try {
    return ReadNumber(LabelPath(model, version));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    throw NoLabel(model, version);
  }
}

ModelLock ModelStore::Lock(const std::string& model, const std::string& doing) const {
  const fs::path path = ModelPath(model) / kLock;
  CreateFolders(path.parent_path());
  return ModelLock(path, model, doing);
}

void ModelStore::CheckRoom(const std::string& model, int64_t bytes) const {
  const fs::path folder = ModelPath(model);
  const fs::path probe = folder / ".probe";
  std::error_code ignored;
  try {
    WriteFile(probe, "room\n");
  } catch (const Error&) {
    fs::remove(probe, ignored);
    throw;
  }
  fs::remove(probe, ignored);
  const fs::space_info space = fs::space(folder, ignored);
  if (ignored || space.available >= static_cast<uintmax_t>(bytes)) return;
  throw Error(ErrorCode::kIo, fmt::format("the disk of '{}' has {} bytes left; the new version needs at least {}",
                                          folder.string(), space.available, bytes));
}

int64_t ModelStore::NextVersion(const std::string& model) const {
  const std::vector<int64_t> versions = Versions(model);
  return std::max(versions.empty() ? 0 : versions.back(), CurrentOrZero(*this, model)) + 1;
}

void ModelStore::SetCurrent(const std::string& model, int64_t version) const {
  CheckThere(model, version);
  const fs::path folder = ModelPath(model);
  ReplaceNumber(folder / kCurrent, folder / "CURRENT.tmp", version);
}

void ModelStore::SetCurrentOrRemove(const std::string& model, int64_t version) const {
  try {
    SetCurrent(model, version);
  } catch (const Error&) {
    try {
      Remove(model, version);
    } catch (const Error&) {  // CURRENT names it already, or the disk refuses this too: the first error counts
    }
    throw;
  }
}

void ModelStore::SetLabel(const std::string& model, const std::string& label, int64_t version) const {
  const fs::path path = LabelPath(model, label);
  CheckThere(model, version);
  CreateFolders(path.parent_path());
  ReplaceNumber(path, path.parent_path() / fmt::format(".{}.tmp", label), version);
}

void ModelStore::RemoveLabel(const std::string& model, const std::string& label) const {
  const fs::path path = LabelPath(model, label);
  if (::unlink(path.c_str()) != 0) throw errno == ENOENT ? NoLabel(model, label) : SystemError("remove", path);
  SyncFolder(path.parent_path());
}

void ModelStore::Remove(const std::string& model, int64_t version) const {
  const fs::path path = VersionPath(model, version);
  if (CurrentOrZero(*this, model) == version)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("version {} of model '{}' is the current one", version, model));
  const fs::path hidden = path.parent_path() / fmt::format(".{}.tmp-{}", version, ::getpid());
  if (::rename(path.c_str(), hidden.c_str()) != 0) throw SystemError("remove", path);
  RemoveAll(hidden);
}

fs::path ModelStore::LabelPath(const std::string& model, const std::string& label) const {
  if (!IsLabel(label))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no label: letters, digits, '.', '_' and '-', not starting with '.' or '-', not "
                            "digits alone and not '{}'",
                            Printable(label), kCurrentVersion));
  return ModelPath(model) / kLabels / label;
}

Error ModelStore::NoModel(const std::string& what, const std::string& model) const {
  const std::vector<std::string> models = Models();
  return Error(ErrorCode::kNotFound,
               fmt::format("the store '{}' has no {} of model '{}'; it has {}", root_.string(), what, model,
                           models.empty() ? "no models" : fmt::format("{}", fmt::join(models, ", "))));
}

Error ModelStore::NoLabel(const std::string& model, const std::string& label) const {
  std::vector<std::string> names;
  for (const auto& [name, version] : Labels(model)) names.push_back(name);
  return Error(ErrorCode::kNotFound,
               fmt::format("model '{}' in '{}' has no label '{}'; it has {}", model, root_.string(), label,
                           names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

void ModelStore::CheckThere(const std::string& model, int64_t version) const {
  if (!fs::is_directory(VersionPath(model, version)))
    throw Error(ErrorCode::kNotFound,
                fmt::format("model '{}' has no version {} in '{}'", model, version, root_.string()));
}

}  // namespace kindred
