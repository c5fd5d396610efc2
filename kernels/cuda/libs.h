// What the CUDA backend asks of the device's runtime and libraries, as plain C++ functions.
//
// kernels/cuda/libs.cu answers with the CUDA runtime, cuBLAS and cuSOLVER for the plug-in; tests/simt/libs.cc with
// Eigen and std:: for the emulator. Matrices are row-major. Everything is queued on the stream unless said
// otherwise; errors are kDevice, or kOutOfMemory, which leaves the device usable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "kernels/cuda/device.h"

namespace kindred::cuda {

struct DeviceFacts {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int n_multiprocessors = 0;
  int64_t memory_bytes = 0;
  int64_t shared_bytes = 0;  // the most a block may ask for
};

/// The newest CUDA the installed driver can run, as 13000 for 13.0; 0 where there is no driver.
int DriverVersion();
/// The device of this process. Throws kDevice with the driver's reason where there is none.
DeviceFacts QueryDevice();
/// Bytes that can be allocated now.
int64_t FreeMemory();

/// Device memory, aligned to 256 bytes. Not queued.
void* Allocate(int64_t bytes);
void Free(void* data) noexcept;

/// Device memory with its owner.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  explicit DeviceMemory(int64_t bytes) : data_(Allocate(bytes > 0 ? bytes : 1)) {}
  DeviceMemory(DeviceMemory&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~DeviceMemory() { Free(data_); }

  void* data() const { return data_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_ = nullptr;
};

/// Host memory that copies may run from beside kernels, for as long as this lives; where the system refuses to pin it,
/// copies are only slower. Of two that pin the same memory only the first does.
class PinnedHost {
 public:
  PinnedHost() = default;
  PinnedHost(const void* data, int64_t bytes);
  PinnedHost(PinnedHost&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  PinnedHost& operator=(PinnedHost&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~PinnedHost();

 private:
  void* data_ = nullptr;
};

class Stream;

/// A place in a stream that another stream can wait for.
class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void Record(Stream& stream);

 private:
  friend class Stream;
  void* handle_ = nullptr;
};

/// An ordered queue of work, with the libraries' handles from their first use on.
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  StreamHandle handle() const;

  void CopyToDevice(void* to, const void* from, int64_t bytes);
  void CopyToHost(void* to, const void* from, int64_t bytes);
  void CopyOnDevice(void* to, const void* from, int64_t bytes);
  void Zero(void* data, int64_t bytes);
  /// What is queued from here on starts after what the event stands for.
  void WaitFor(const Event& event);
  /// Blocks until the queue is empty. Throws what went wrong in it.
  void Synchronize();

  /// c = a b in float32: a [m x k], b [k x n], c [m x n], all dense.
  void Multiply(int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c);
  /// For each of n_slabs slabs s of slab_rows rows of a (dense, `width` columns): c[s] = at a, [width x width].
  void SlabGrams(int64_t n_slabs, int64_t slab_rows, int64_t width, const float* a, float* c);
  /// Eigendecomposition of the symmetric a [n x n]: eigenvalues ascending; a's row r becomes the r-th eigenvector.
  /// *info becomes 0, or something else where it did not converge.
  void Eigen(int64_t n, double* a, double* eigenvalues, int32_t* info);
  /// a's lower triangle [n x n, n up to kMaxInverseRows] becomes L, where a = L Lt. *info becomes 0, or i + 1 where row
  /// i's pivot is not positive and what follows is of no use. Takes memory for the inverse, too.
  void Cholesky(int64_t n, float* a, int32_t* info);
  /// Then from L, as Cholesky left it, the lower triangle of (L Lt)^-1; *info becomes 0, or something else.
  void InverseOfCholesky(int64_t n, float* a, int32_t* info);

 private:
  struct Handles;
  std::unique_ptr<Handles> handles_;
};

/// Device memory to leave for what the libraries and the runtime take for themselves, with Eigen of n and any product.
int64_t LibraryBytes(int64_t n);

}  // namespace kindred::cuda
