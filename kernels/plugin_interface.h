// What kindred_cuda.so offers the program, seen from both sides.
//
// Two C functions. kindred_plugin_build_id is asked first; only where the id is this program's own (build_id.h) may the
// rest be used, because then both sides were compiled from the same headers in the same way. Nothing is thrown across
// these functions: errors come back as code and text. A Backend from the table is an ordinary C++ object of both sides,
// and its methods throw kindred::Error.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/backend.h"

namespace kindred {

struct PluginError {
  ErrorCode code = ErrorCode::kDevice;
  char message[1024] = {};
};

/// Versions of CUDA, as 13000 for 13.0.
struct PluginDriver {
  int newest = 0;  // that the installed driver can run; 0 where there is none
  int built_with = 0;
};

struct PluginDevice {
  char name[256] = {};
  int major = 0, minor = 0;  // compute capability
  int n_multiprocessors = 0;
  int64_t memory_bytes = 0;
};

/// Each returns false (or null) with the error.
struct PluginTable {
  bool (*driver)(PluginDriver* driver, PluginError* error);
  bool (*device)(PluginDevice* device, PluginError* error);
  bool (*free_memory)(int64_t* bytes, PluginError* error);
  Backend* (*new_backend)(GramPrecision precision, PluginError* error);  // the caller's to delete
};

template <size_t kSize>
void CopyText(char (&to)[kSize], const char* from) {
  const size_t n = std::min(std::strlen(from), kSize - 1);
  std::memcpy(to, from, n);
  to[n] = '\0';
}

/// Runs `work`; false with the error where it throws.
template <class Work>
bool WithoutThrowing(PluginError* error, const Work& work) noexcept {
  try {
    work();
    return true;
  } catch (const Error& caught) {
    error->code = caught.code();
    CopyText(error->message, caught.what());
  } catch (const std::bad_alloc&) {
    error->code = ErrorCode::kOutOfMemory;
    CopyText(error->message, "no host memory");
  } catch (const std::exception& caught) {
    error->code = ErrorCode::kDevice;
    CopyText(error->message, caught.what());
  }
  return false;
}

}  // namespace kindred

#define KINDRED_PLUGIN_EXPORT extern "C" __attribute__((visibility("default")))

KINDRED_PLUGIN_EXPORT const char* kindred_plugin_build_id();
KINDRED_PLUGIN_EXPORT const kindred::PluginTable* kindred_plugin_table();
