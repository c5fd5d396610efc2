// Reads what bench/synthetic.h's WriteNpy wrote.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "host/store/files.h"
#include "host/store/npy.h"
#include "kernels/error.h"

namespace kindred {

/// Throws kNotFound, kIo, and kCorrupt for what is no list of this type.
template <typename T>
std::vector<T> ReadArray(const std::filesystem::path& path) {
  int64_t bytes = 0;
  const Descriptor file = OpenRegularFile(path, &bytes);
  std::string head(kNpyPrefixBytes, '\0');
  ReadAll(file, std::as_writable_bytes(std::span(head)), 0, path);
  std::string fields(NpyHeaderBytes(head, path), '\0');
  ReadAll(file, std::as_writable_bytes(std::span(fields)), static_cast<int64_t>(head.size()), path);
  const NpyHeaderFields header = ParseNpyHeader(fields, path);
  const auto start = static_cast<int64_t>(head.size() + fields.size());
  const int64_t n = header.shape.size() == 1 ? header.shape[0] : -1;
  if (header.descr != NpyType<T>::kDescr || n < 0 || n != (bytes - start) / static_cast<int64_t>(sizeof(T)))
    throw Error(ErrorCode::kCorrupt, "'" + path.string() + "' is no list of " + NpyType<T>::kDescr);
  std::vector<T> values(static_cast<size_t>(n));
  ReadAll(file, std::as_writable_bytes(std::span(values)), start, path);
  return values;
}

}  // namespace kindred
