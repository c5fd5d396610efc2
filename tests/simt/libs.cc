// libs.h by Eigen and std:: for the emulator. "Device memory" is host memory with NaN in it; every call is done at
// once.
#include "kernels/cuda/libs.h"

#include <Eigen/Dense>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "tests/simt/emulated_memory.h"

namespace kindred::cuda {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixMap = Eigen::Map<Matrix>;
using ConstMatrixMap = Eigen::Map<const Matrix>;

}  // namespace

int DriverVersion() {
  return 13000;
}

DeviceFacts QueryDevice() {
  return {"SIMT emulator", 9, 0, 1, EmulatedMemory::Get().bytes, 227 * 1024};
}

int64_t FreeMemory() {
  return EmulatedMemory::Get().bytes - EmulatedMemory::Get().allocated;
}

void* Allocate(int64_t bytes) {
  const int64_t rounded = (bytes + 255) / 256 * 256;
  void* data =
      EmulatedMemory::Get().Take(rounded) ? std::aligned_alloc(256, static_cast<size_t>(rounded + 256)) : nullptr;
  if (data == nullptr)
    throw Error(ErrorCode::kOutOfMemory, "no " + std::to_string(bytes) + " bytes of emulated memory");
  *static_cast<int64_t*>(data) = rounded;
  data = static_cast<char*>(data) + 256;
  std::memset(data, 0xff, static_cast<size_t>(rounded));
  return data;
}

void Free(void* data) noexcept {
  if (data == nullptr) return;
  void* taken = static_cast<char*>(data) - 256;
  EmulatedMemory::Get().allocated -= *static_cast<int64_t*>(taken);
  std::free(taken);
}

PinnedHost::PinnedHost(const void*, int64_t) {}
PinnedHost::~PinnedHost() = default;

Event::Event() = default;
Event::~Event() = default;
void Event::Record(Stream&) {}
void Stream::WaitFor(const Event&) {}

struct Stream::Handles {};

Stream::Stream() = default;
Stream::~Stream() = default;
StreamHandle Stream::handle() const {
  return {};
}

void Stream::CopyToDevice(void* to, const void* from, int64_t bytes) {
  if (bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));
}
void Stream::CopyToHost(void* to, const void* from, int64_t bytes) {
  CopyToDevice(to, from, bytes);
}
void Stream::CopyOnDevice(void* to, const void* from, int64_t bytes) {
  CopyToDevice(to, from, bytes);
}
void Stream::Zero(void* data, int64_t bytes) {
  std::memset(data, 0, static_cast<size_t>(bytes));
}
void Stream::Synchronize() {}

void Stream::Multiply(int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c) {
  MatrixMap(c, m, n).noalias() = ConstMatrixMap(a, m, k) * ConstMatrixMap(b, k, n);
}

void Stream::SlabGrams(int64_t n_slabs, int64_t slab_rows, int64_t width, const float* a, float* c) {
  for (int64_t s = 0; s < n_slabs; ++s) {
    const ConstMatrixMap slab(a + s * slab_rows * width, slab_rows, width);
    MatrixMap(c + s * width * width, width, width).noalias() = slab.transpose() * slab;
  }
}

void Stream::Eigen(int64_t n, double* a, double* eigenvalues, int32_t* info) {
  Eigen::Map<Eigen::MatrixXd> matrix(a, n, n);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(matrix);
  *info = solver.info() == Eigen::Success ? 0 : 1;
  matrix = solver.eigenvectors();  // column r in column-major: row r of a
  Eigen::Map<Eigen::VectorXd>(eigenvalues, n) = solver.eigenvalues();
}

void Stream::Cholesky(int64_t n, float* a, int32_t* info) {
  *info = 0;
  for (int64_t r = 0; r < n; ++r) {
    float* row = a + r * n;
    for (int64_t c = 0; c <= r; ++c) {
      double rest = row[c];
      for (int64_t k = 0; k < c; ++k) rest -= static_cast<double>(row[k]) * a[c * n + k];
      if (c == r && !(rest > 0)) {
        *info = static_cast<int32_t>(r) + 1;
        return;
      }
      row[c] = static_cast<float>(c == r ? std::sqrt(rest) : rest / a[c * n + c]);
    }
  }
}

void Stream::InverseOfCholesky(int64_t n, float* a, int32_t* info) {
  MatrixMap matrix(a, n, n);
  const Eigen::MatrixXd factor = matrix.cast<double>();
  const Eigen::MatrixXd inverse = factor.triangularView<Eigen::Lower>().solve(Eigen::MatrixXd::Identity(n, n));
  const Eigen::MatrixXd product = inverse.transpose() * inverse;
  matrix.triangularView<Eigen::Lower>() = product.cast<float>();
  *info = 0;
}

int64_t LibraryBytes(int64_t) {
  return 0;
}

}  // namespace kindred::cuda
