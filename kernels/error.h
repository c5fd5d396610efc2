// The one exception type of Kindred.
#pragma once

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace kindred {

enum class ErrorCode {
  kInvalidArgument,  // the caller's input; the message says what was found and what was expected
  kNotFound,         // a file, model, version or id that is not there
  kAlreadyExists,    // something that would have been overwritten
  kIo,               // the operating system refused; the message carries its reason
  kCorrupt,          // stored data that does not match its checksum or its schema
  kUnsupported,      // well-formed, but not offered by this build or this machine
  kOutOfMemory,      // host or device memory; the backend stays usable
  kDevice,           // the device failed; the backend is dead
  kNumeric,          // a singular system or a value that is not finite
  kUsage,            // a command line or configuration that cannot be used (exit status 2)
};

/// Thrown by every layer and caught only at the borders: main, an RPC, the plug-in's factory.
/// The message names the file, line, column or field, what was found and what was expected.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, int64_t row = -1)
      : std::runtime_error(message), code_(code), row_(row) {}
  ErrorCode code() const { return code_; }
  /// The row of a matrix that it is about, for those who know what the row stands for; -1: none.
  int64_t row() const { return row_; }

 private:
  ErrorCode code_;
  int64_t row_;
};

/// Whether it was the device that failed, so that the same work may succeed on another one.
inline bool IsOfDevice(const Error& error) {
  return error.code() == ErrorCode::kDevice || error.code() == ErrorCode::kOutOfMemory;
}

/// Bytes in GiB with one digit after the point, for messages.
inline std::string GiB(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", static_cast<double>(bytes) / (1 << 30));
  return text;
}

}  // namespace kindred
