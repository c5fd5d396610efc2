#include "host/store/artifact.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "host/store/checksum.h"
#include "host/text/text.h"

namespace kindred {
namespace fs = std::filesystem;
namespace {

constexpr const char* kManifest = "manifest.json";
constexpr const char* kManifestDigest = "manifest.json.sha256";
constexpr int64_t kMaxManifestBytes = int64_t{1} << 28;

constexpr size_t kDigestLength = 64;

std::string DigestLine(const std::string& digest) {
  return digest + "  " + kManifest + "\n";
}

/// Reads and verifies the manifest's text; sets its digest.
std::string ReadText(const fs::path& path, const std::string& kind, std::string* digest) {
  std::string text;
  try {
    text = ReadFile(path / kManifest, kMaxManifestBytes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    throw Error(ErrorCode::kNotFound, fmt::format("there is no {} at '{}': no {}", kind, path.string(), kManifest));
  }
  *digest = Sha256(text);
  std::string line;
  try {
    line = ReadFile(path / kManifestDigest, int64_t{4096});
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
  }
  if (line != DigestLine(*digest))
    throw Error(ErrorCode::kCorrupt,
                fmt::format("'{}' does not match the checksum in {}", (path / kManifest).string(), kManifestDigest));
  return text;
}

bool IsArrayFile(std::string_view name) {
  constexpr std::string_view kSuffix = ".npy";
  return name.size() > kSuffix.size() && name.ends_with(kSuffix) &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
             name.size() - kSuffix.size();
}

int64_t NonNegative(const nlohmann::json& object, const char* key, const std::string& where) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found == object.end() || !found->is_number_integer() || found->get<int64_t>() < 0)
    throw Error(ErrorCode::kCorrupt, fmt::format("'{}': '{}' is missing or is no size", where, key));
  return found->get<int64_t>();
}

nlohmann::json ParseManifest(const std::string& text, const fs::path& path, const std::string& kind) {
  const std::string where = (path / kManifest).string();
  nlohmann::json manifest = nlohmann::json::parse(text, nullptr, false);
  if (!manifest.is_object()) throw Error(ErrorCode::kCorrupt, fmt::format("'{}' is no JSON object", where));
  CheckNotNewer(manifest, "format", NonNegative(manifest, "format", where), kArtifactFormat, where);
  const nlohmann::json found = manifest.value("kind", nlohmann::json());
  if (found != kind)
    throw Error(ErrorCode::kUnsupported,
                fmt::format("'{}' is of kind {}; expected a {}", path.string(), found.dump(), kind));
  const auto files = manifest.find("files");
  if (files == manifest.end() || !files->is_object())
    throw Error(ErrorCode::kCorrupt, fmt::format("'{}' lists no files", where));
  return manifest;
}

struct VerifiedFile {
  Descriptor file;
  int64_t bytes = 0;
};

/// Opens a file that is what the manifest's `entry` says: its size, and each block, which `each` gets. Throws kCorrupt.
template <class Each>
VerifiedFile OpenVerified(const fs::path& folder, const std::string& name, const nlohmann::json& entry,
                          const Each& each) {
  const std::string manifest_path = (folder / kManifest).string();
  const auto corrupt = [&](const std::string& what) {
    throw Error(ErrorCode::kCorrupt, fmt::format("'{}': {}", (folder / name).string(), what));
  };
  if (!IsArrayFile(name))
    throw Error(ErrorCode::kCorrupt, fmt::format("'{}' lists a file that is no array", manifest_path));
  const int64_t expected = NonNegative(entry, "bytes", manifest_path);
  const auto blocks = entry.find("xxh3_blocks");
  const int64_t n_blocks = expected / kChecksumBlockBytes + (expected % kChecksumBlockBytes != 0);
  if (blocks == entry.end() || !blocks->is_array() || static_cast<int64_t>(blocks->size()) != n_blocks)
    corrupt("the manifest has no checksum for each block");

  VerifiedFile verified;
  int64_t& bytes = verified.bytes;
  try {
    verified.file = OpenRegularFile(folder / name, &bytes);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound) corrupt("is missing");
    throw;
  }
  if (bytes != expected) corrupt(fmt::format("has {} bytes; the manifest says {}", bytes, expected));

  // Read rather than faulted in, so that a failing disk is an error and not a signal.
  std::vector<std::byte> buffer(static_cast<size_t>(std::min(bytes, kChecksumBlockBytes)));
  for (int64_t block = 0; block < n_blocks; ++block) {
    const int64_t offset = block * kChecksumBlockBytes;
    const auto data = std::span(buffer).first(static_cast<size_t>(std::min(bytes - offset, kChecksumBlockBytes)));
    ReadAll(verified.file, data, offset, folder / name);
    if ((*blocks)[static_cast<size_t>(block)] != Xxh3Hex(data))
      corrupt(fmt::format("block {} (from byte {}) does not match its checksum", block, offset));
    each(std::span<const std::byte>(data));
  }
  if (bytes == 0) corrupt("is empty");
  return verified;
}

}  // namespace

void CheckNotNewer(const nlohmann::json& manifest, const std::string& what, int64_t found, int64_t known,
                   const std::string& where) {
  if (found <= known) return;
  const nlohmann::json made_by = manifest.value("kindred_version", nlohmann::json());
  throw Error(ErrorCode::kUnsupported,
              fmt::format("'{}' has {} {}; this program, kindred {}, reads up to {}: use {}", where, what, found,
                          KINDRED_VERSION, known,
                          made_by.is_string() ? fmt::format("kindred {}, which made it, or a newer one",
                                                            Printable(made_by.get<std::string>()))
                                              : "a newer one"));
}

void CheckReplaceable(const fs::path& path, const std::string& kind) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::kAlreadyExists, fmt::format("'{}' is there already and {}", path.string(), why));
  };
  std::error_code ignored;
  if (fs::is_directory(path, ignored) && fs::is_empty(path, ignored)) return;
  nlohmann::json manifest;
  try {
    manifest = nlohmann::json::parse(ReadFile(path / kManifest, kMaxManifestBytes), nullptr, false);
  } catch (const Error&) {
  }
  if (!manifest.is_object() || manifest.value("kind", nlohmann::json()) != kind)
    refuse(fmt::format("is no {}: not overwritten", kind));
  const nlohmann::json files = manifest.value("files", nlohmann::json::object());
  std::error_code error;
  for (const std::string& name : NamesIn(path, error)) {
    if (name != kManifest && name != kManifestDigest && !files.contains(name))
      refuse(fmt::format("holds '{}', which is no part of the {}: not overwritten", name, kind));
  }
  if (error) refuse(fmt::format("cannot be listed: {}", error.message()));
}

ArtifactWriter::ArtifactWriter(fs::path path, std::string kind) : folder_(std::move(path)), kind_(std::move(kind)) {}

void ArtifactWriter::AddBytes(const std::string& name, const std::string& header, std::span<const std::byte> data) {
  const std::string file_name = name + ".npy";
  if (!IsArrayFile(file_name))
    throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no name for an array: letters, digits and _", name));
  const fs::path path = folder_.path() / file_name;
  const Descriptor file = OpenFile(path, O_WRONLY | O_CREAT | O_EXCL);
  FileChecksum checksum;
  for (const std::span<const std::byte> piece : {std::as_bytes(std::span(header)), data}) {
    checksum.Add(piece);
    WriteAll(file, piece, path);
  }
  checksum.Finish();
  Sync(file, path);
  files_[file_name] = {{"bytes", checksum.bytes()}, {"sha256", checksum.sha256()}, {"xxh3_blocks", checksum.blocks()}};
}

void ArtifactWriter::Commit(nlohmann::json manifest, bool overwrite) {
  manifest["format"] = kArtifactFormat;
  manifest["kind"] = kind_;
  manifest["files"] = files_;
  const std::string text = manifest.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  WriteFile(folder_.path() / kManifest, text);
  WriteFile(folder_.path() / kManifestDigest, DigestLine(Sha256(text)));
  folder_.Commit(overwrite, [this](const fs::path& there) { CheckReplaceable(there, kind_); });
}

struct Artifact::Mapping {
  Mapping(const Descriptor& file, size_t size, const fs::path& path) : bytes(size) {
    data = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
    if (data == MAP_FAILED) throw SystemError("map", path);
  }
  ~Mapping() { ::munmap(data, bytes); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  void* data;
  size_t bytes;
};

std::string Artifact::RecordedDigest(const fs::path& path) {
  try {
    return ReadFile(path / kManifestDigest, int64_t{4096}).substr(0, kDigestLength);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    return {};
  }
}

Artifact::~Artifact() = default;

std::shared_ptr<const Artifact> Artifact::Open(const fs::path& path, const std::string& kind) {
  std::shared_ptr<Artifact> artifact(new Artifact);
  artifact->path_ = path;
  const std::string text = ReadText(path, kind, &artifact->digest_);
  artifact->manifest_ = ParseManifest(text, path, kind);
  for (const auto& [name, entry] : artifact->manifest_["files"].items()) artifact->Map(name, entry);
  artifact->bytes_ += static_cast<int64_t>(text.size() + DigestLine(artifact->digest_).size());
  return artifact;
}

nlohmann::json Artifact::ReadManifest(const fs::path& path, const std::string& kind) {
  std::string digest;
  return ParseManifest(ReadText(path, kind, &digest), path, kind);
}

std::vector<std::string> Artifact::DamagedFiles(const fs::path& path, const std::string& kind) {
  std::vector<std::string> damages;
  const nlohmann::json manifest = ReadManifest(path, kind);
  for (const auto& [name, entry] : manifest["files"].items()) {
    try {
      FileChecksum whole;
      OpenVerified(path, name, entry, [&](std::span<const std::byte> block) { whole.Add(block); });
      whole.Finish();
      if (entry.value("sha256", nlohmann::json()) != whole.sha256())
        throw Error(ErrorCode::kCorrupt, fmt::format("'{}': does not match its SHA-256", (path / name).string()));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kCorrupt && error.code() != ErrorCode::kIo) throw;
      damages.emplace_back(error.what());
    }
  }
  return damages;
}

void Artifact::Map(const std::string& name, const nlohmann::json& entry) {
  const VerifiedFile verified = OpenVerified(path_, name, entry, [](std::span<const std::byte>) {});
  mappings_.push_back(std::make_unique<Mapping>(verified.file, static_cast<size_t>(verified.bytes), path_ / name));
  bytes_ += verified.bytes;
  const Mapping& mapping = *mappings_.back();
  arrays_[name.substr(0, name.size() - 4)] =
      ParseNpy({static_cast<const std::byte*>(mapping.data), mapping.bytes}, (path_ / name).string());
}

const NpyArray& Artifact::Find(const std::string& name, const char* descr, size_t n_dimensions) const {
  const auto found = arrays_.find(name);
  if (found == arrays_.end()) throw Error(ErrorCode::kCorrupt, fmt::format("'{}' has no {}.npy", path_.string(), name));
  const NpyArray& array = found->second;
  if (array.descr != descr || array.shape.size() != n_dimensions)
    throw Error(ErrorCode::kCorrupt,
                fmt::format("'{}': type '{}' in {} dimensions; expected '{}' in {}", (path_ / (name + ".npy")).string(),
                            array.descr, array.shape.size(), descr, n_dimensions));
  return array;
}

}  // namespace kindred
