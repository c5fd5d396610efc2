// libs.h by the CUDA runtime, cuBLAS and cuSOLVER: the plug-in's half, never part of the emulator.
#include "kernels/cuda/libs.h"

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <cusolverDn.h>

#include <algorithm>
#include <exception>
#include <vector>

namespace kindred::cuda {
namespace {

constexpr size_t kBlasWorkspace = size_t{32} << 20;  // fixed, so that cuBLAS chooses the same way every time

void Check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  const ErrorCode code = status == cudaErrorMemoryAllocation ? ErrorCode::kOutOfMemory : ErrorCode::kDevice;
  cudaGetLastError();  // so that it is not reported again
  throw Error(code, std::string(what) + ": " + cudaGetErrorString(status));
}

[[noreturn]] void ThrowOfLibrary(bool out_of_memory, const std::string& message) {
  cudaGetLastError();
  throw Error(out_of_memory ? ErrorCode::kOutOfMemory : ErrorCode::kDevice, message);
}

void Check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    ThrowOfLibrary(status == CUBLAS_STATUS_ALLOC_FAILED, std::string(what) + ": " + cublasGetStatusString(status));
}

void Check(cusolverStatus_t status, const char* what) {
  if (status != CUSOLVER_STATUS_SUCCESS)
    ThrowOfLibrary(status == CUSOLVER_STATUS_ALLOC_FAILED,
                   std::string(what) + ": cuSOLVER status " + std::to_string(status));
}

}  // namespace

int DriverVersion() {
  int version = 0;
  Check(cudaDriverGetVersion(&version), "CUDA driver");
  return version;
}

DeviceFacts QueryDevice() {
  int device = 0, n_devices = 0;
  Check(cudaGetDeviceCount(&n_devices), "CUDA device");
  Check(cudaGetDevice(&device), "CUDA device");
  cudaDeviceProp found{};
  Check(cudaGetDeviceProperties(&found, device), "CUDA device");
  return {found.name,
          found.major,
          found.minor,
          found.multiProcessorCount,
          static_cast<int64_t>(found.totalGlobalMem),
          static_cast<int64_t>(found.sharedMemPerBlockOptin)};
}

namespace {

// The device's memory in the order of a stream of its own, so that freeing does not stop every other stream, as
// cudaFree does; what was freed is kept for the next call. Where the device has no pools, cudaMalloc.
class Pool {
 public:
  static Pool& Get() {
    static Pool pool;
    return pool;
  }

  cudaError_t Take(void** data, size_t bytes) {
    if (pool_ == nullptr) return cudaMalloc(data, bytes);
    cudaError_t status = cudaMallocFromPoolAsync(data, bytes, pool_, stream_);
    if (status == cudaErrorMemoryAllocation) {  // what is kept may lie in pieces
      cudaGetLastError();
      cudaDeviceSynchronize();
      cudaMemPoolTrimTo(pool_, 0);
      status = cudaMallocFromPoolAsync(data, bytes, pool_, stream_);
    }
    return status == cudaSuccess ? cudaStreamSynchronize(stream_) : status;
  }
  void Give(void* data) noexcept {
    if (std::uncaught_exceptions() > 0) cudaDeviceSynchronize();  // what unwinds may have left its work in a queue
    if (pool_ == nullptr)
      cudaFree(data);
    else
      cudaFreeAsync(data, stream_);
  }
  /// Bytes freed and kept.
  int64_t Kept() const {
    uint64_t reserved = 0, used = 0;
    if (pool_ == nullptr ||
        cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrReservedMemCurrent, &reserved) != cudaSuccess ||
        cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrUsedMemCurrent, &used) != cudaSuccess)
      return 0;
    return static_cast<int64_t>(reserved - used);
  }

 private:
  Pool() {
    int device = 0, has_pools = 0;
    Check(cudaGetDevice(&device), "CUDA device");
    Check(cudaDeviceGetAttribute(&has_pools, cudaDevAttrMemoryPoolsSupported, device), "CUDA device");
    if (has_pools == 0) return;
    uint64_t kept = uint64_t{1} << 30;
    cudaMemPool_t pool = nullptr;
    Check(cudaDeviceGetDefaultMemPool(&pool, device), "CUDA memory pool");
    Check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &kept), "CUDA memory pool");
    Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "CUDA stream");
    pool_ = pool;
  }

  cudaMemPool_t pool_ = nullptr;
  cudaStream_t stream_ = nullptr;  // the process's own: never destroyed, as the plug-in is never unloaded
};

}  // namespace

int64_t FreeMemory() {
  size_t free = 0, total = 0;
  Check(cudaMemGetInfo(&free, &total), "CUDA memory");
  return static_cast<int64_t>(free) + Pool::Get().Kept();
}

void* Allocate(int64_t bytes) {
  void* data = nullptr;
  const cudaError_t status = Pool::Get().Take(&data, static_cast<size_t>(bytes));
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw Error(ErrorCode::kOutOfMemory,
                "no " + std::to_string(bytes) + " bytes of GPU memory; " + std::to_string(FreeMemory()) + " are free");
  }
  Check(status, "CUDA allocation");
  return data;
}

void Free(void* data) noexcept {
  if (data != nullptr) Pool::Get().Give(data);
}

PinnedHost::PinnedHost(const void* data, int64_t bytes) {
  if (bytes == 0) return;
  auto* at = const_cast<void*>(data);
  if (cudaHostRegister(at, static_cast<size_t>(bytes), cudaHostRegisterDefault) == cudaSuccess)
    data_ = at;
  else
    cudaGetLastError();
}

PinnedHost::~PinnedHost() {
  if (data_ != nullptr) cudaHostUnregister(data_);
}

struct Stream::Handles {
  ~Handles() {
    if (parameters != nullptr) cusolverDnDestroyParams(parameters);
    if (solver != nullptr) cusolverDnDestroy(solver);
    if (blas != nullptr) cublasDestroy(blas);
    if (stream != nullptr) cudaStreamDestroy(stream);
  }

  // A handle is there once all of it is set.
  cublasHandle_t Blas() {
    if (!blas_is_set) {
      if (blas == nullptr) Check(cublasCreate(&blas), "cuBLAS");
      Check(cublasSetStream(blas, stream), "cuBLAS");
      if (blas_workspace.data() == nullptr) blas_workspace = DeviceMemory(kBlasWorkspace);
      Check(cublasSetWorkspace(blas, blas_workspace.data(), kBlasWorkspace), "cuBLAS");
      Check(cublasSetMathMode(blas, CUBLAS_PEDANTIC_MATH), "cuBLAS");
      blas_is_set = true;
    }
    return blas;
  }
  cusolverDnHandle_t Solver() {
    if (!solver_is_set) {
      if (solver == nullptr) Check(cusolverDnCreate(&solver), "cuSOLVER");
      if (parameters == nullptr) Check(cusolverDnCreateParams(&parameters), "cuSOLVER");
      Check(cusolverDnSetStream(solver, stream), "cuSOLVER");
      Check(cusolverDnSetDeterministicMode(solver, CUSOLVER_DETERMINISTIC_RESULTS), "cuSOLVER");
      solver_is_set = true;
    }
    return solver;
  }
  /// At least so many bytes, in the stream's order; waits for the stream if they have to grow.
  void* SolverMemory(size_t bytes) {
    if (bytes > solver_bytes) {
      Check(cudaStreamSynchronize(stream), "CUDA");  // the last call's memory may still be in use
      solver_bytes = 0;
      solver_memory = DeviceMemory();
      solver_memory = DeviceMemory(static_cast<int64_t>(bytes));
      solver_bytes = bytes;
    }
    return solver_memory.data();
  }

  cudaStream_t stream = nullptr;
  cublasHandle_t blas = nullptr;
  cusolverDnHandle_t solver = nullptr;
  cusolverDnParams_t parameters = nullptr;
  bool blas_is_set = false, solver_is_set = false;
  DeviceMemory blas_workspace;
  DeviceMemory solver_memory;
  size_t solver_bytes = 0;
  std::vector<char> host_memory;
};

Event::Event() {
  cudaEvent_t event = nullptr;
  Check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "CUDA event");
  handle_ = event;
}

Event::~Event() {
  cudaEventDestroy(static_cast<cudaEvent_t>(handle_));
}

void Event::Record(Stream& stream) {
  Check(cudaEventRecord(static_cast<cudaEvent_t>(handle_), stream.handle()), "CUDA event");
}

void Stream::WaitFor(const Event& event) {
  Check(cudaStreamWaitEvent(handles_->stream, static_cast<cudaEvent_t>(event.handle_), 0), "CUDA event");
}

Stream::Stream() : handles_(std::make_unique<Handles>()) {
  Check(cudaStreamCreateWithFlags(&handles_->stream, cudaStreamNonBlocking), "CUDA stream");
}

Stream::~Stream() = default;

int64_t LibraryBytes(int64_t n) {
  return static_cast<int64_t>(kBlasWorkspace) + (int64_t{256} << 20) + 4 * n * n * 8;
}

StreamHandle Stream::handle() const {
  return handles_->stream;
}

void Stream::CopyToDevice(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  Check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, handles_->stream), "CUDA copy");
}

void Stream::CopyToHost(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  Check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, handles_->stream), "CUDA copy");
}

void Stream::CopyOnDevice(void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  Check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, handles_->stream), "CUDA copy");
}

void Stream::Zero(void* data, int64_t bytes) {
  if (bytes == 0) return;
  Check(cudaMemsetAsync(data, 0, static_cast<size_t>(bytes), handles_->stream), "CUDA memset");
}

void Stream::Synchronize() {
  Check(cudaStreamSynchronize(handles_->stream), "CUDA");
}

// Row-major c = a b is column-major ct = bt at.
void Stream::Multiply(int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c) {
  const float one = 1, zero = 0;
  Check(cublasSgemm_64(handles_->Blas(), CUBLAS_OP_N, CUBLAS_OP_N, n, m, k, &one, b, n, a, k, &zero, c, n),
        "cuBLAS GEMM");
}

void Stream::SlabGrams(int64_t n_slabs, int64_t slab_rows, int64_t width, const float* a, float* c) {
  const float one = 1, zero = 0;
  Check(cublasSgemmStridedBatched_64(handles_->Blas(), CUBLAS_OP_N, CUBLAS_OP_T, width, width, slab_rows, &one, a,
                                     width, slab_rows * width, a, width, slab_rows * width, &zero, c, width,
                                     width * width, n_slabs),
        "cuBLAS GEMM");
}

void Stream::Eigen(int64_t n, double* a, double* eigenvalues, int32_t* info) {
  cusolverDnHandle_t solver = handles_->Solver();
  size_t device_bytes = 0, host_bytes = 0;
  Check(cusolverDnXsyevd_bufferSize(solver, handles_->parameters, CUSOLVER_EIG_MODE_VECTOR, CUBLAS_FILL_MODE_LOWER, n,
                                    CUDA_R_64F, a, n, CUDA_R_64F, eigenvalues, CUDA_R_64F, &device_bytes, &host_bytes),
        "cuSOLVER eigendecomposition");
  Synchronize();  // the last call's host memory may still be in use
  void* memory = handles_->SolverMemory(device_bytes);
  handles_->host_memory.resize(host_bytes + 1);
  Check(cusolverDnXsyevd(solver, handles_->parameters, CUSOLVER_EIG_MODE_VECTOR, CUBLAS_FILL_MODE_LOWER, n, CUDA_R_64F,
                         a, n, CUDA_R_64F, eigenvalues, CUDA_R_64F, memory, device_bytes, handles_->host_memory.data(),
                         host_bytes, info),
        "cuSOLVER eigendecomposition");
}

namespace {

// Row-major and lower is column-major and upper, and L is then its transpose.
constexpr cublasFillMode_t kRowMajorLower = CUBLAS_FILL_MODE_UPPER;

int InverseFloats(cusolverDnHandle_t solver, int n, float* a) {
  int floats = 0;
  Check(cusolverDnSpotri_bufferSize(solver, kRowMajorLower, n, a, n, &floats), "cuSOLVER inverse");
  return floats;
}

}  // namespace

void Stream::Cholesky(int64_t n_rows, float* a, int32_t* info) {
  cusolverDnHandle_t solver = handles_->Solver();
  const int n = static_cast<int>(n_rows);
  int floats = 0;
  Check(cusolverDnSpotrf_bufferSize(solver, kRowMajorLower, n, a, n, &floats), "cuSOLVER Cholesky");
  const int most = std::max(floats, InverseFloats(solver, n, a));
  auto* memory = static_cast<float*>(handles_->SolverMemory(static_cast<size_t>(most) * sizeof(float)));
  Check(cusolverDnSpotrf(solver, kRowMajorLower, n, a, n, memory, floats, info), "cuSOLVER Cholesky");
}

void Stream::InverseOfCholesky(int64_t n_rows, float* a, int32_t* info) {
  cusolverDnHandle_t solver = handles_->Solver();
  const int n = static_cast<int>(n_rows), floats = InverseFloats(solver, n, a);
  auto* memory = static_cast<float*>(handles_->SolverMemory(static_cast<size_t>(floats) * sizeof(float)));
  Check(cusolverDnSpotri(solver, kRowMajorLower, n, a, n, memory, floats, info), "cuSOLVER inverse");
}

}  // namespace kindred::cuda
