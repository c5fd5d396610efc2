// libs.h by the CUDA runtime, cuBLAS and cuSOLVER: the plug-in's half, never part of the emulator.
#include "kernels/cuda/libs.h"

#include <cublas_v2.h>
#include <cuda_runtime.h>
#include <cusolverDn.h>

#include <vector>

namespace kindred::cuda {
namespace {

void Check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  const ErrorCode code = status == cudaErrorMemoryAllocation ? ErrorCode::kOutOfMemory : ErrorCode::kDevice;
  cudaGetLastError();  // so that it is not reported again
  throw Error(code, std::string(what) + ": " + cudaGetErrorString(status));
}

void Check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw Error(ErrorCode::kDevice, std::string(what) + ": " + cublasGetStatusString(status));
}

void Check(cusolverStatus_t status, const char* what) {
  if (status != CUSOLVER_STATUS_SUCCESS)
    throw Error(ErrorCode::kDevice, std::string(what) + ": cuSOLVER status " + std::to_string(status));
}

__global__ void Addresses(float* first, int64_t stride, int64_t n, float** addresses) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) addresses[i] = first + i * stride;
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

int64_t FreeMemory() {
  size_t free = 0, total = 0;
  Check(cudaMemGetInfo(&free, &total), "CUDA memory");
  return static_cast<int64_t>(free);
}

void* Allocate(int64_t bytes) {
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, static_cast<size_t>(bytes));
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw Error(ErrorCode::kOutOfMemory,
                "no " + std::to_string(bytes) + " bytes of GPU memory; " + std::to_string(FreeMemory()) + " are free");
  }
  Check(status, "CUDA allocation");
  return data;
}

void Free(void* data) noexcept {
  cudaFree(data);
}

struct Stream::Handles {
  cudaStream_t stream = nullptr;
  cublasHandle_t blas = nullptr;
  cusolverDnHandle_t solver = nullptr;
  DeviceMemory blas_workspace;
  DeviceMemory memory;  // of the last Eigen or Cholesky
  std::vector<char> host_memory;
};

Stream::Stream() : handles_(std::make_unique<Handles>()) {
  constexpr size_t kBlasWorkspace = size_t{32} << 20;  // fixed, so that cuBLAS chooses the same way every time
  Check(cudaStreamCreateWithFlags(&handles_->stream, cudaStreamNonBlocking), "CUDA stream");
  Check(cublasCreate(&handles_->blas), "cuBLAS");
  Check(cublasSetStream(handles_->blas, handles_->stream), "cuBLAS");
  handles_->blas_workspace = DeviceMemory(kBlasWorkspace);
  Check(cublasSetWorkspace(handles_->blas, handles_->blas_workspace.data(), kBlasWorkspace), "cuBLAS");
  Check(cublasSetMathMode(handles_->blas, CUBLAS_PEDANTIC_MATH), "cuBLAS");
  Check(cusolverDnCreate(&handles_->solver), "cuSOLVER");
  Check(cusolverDnSetStream(handles_->solver, handles_->stream), "cuSOLVER");
  Check(cusolverDnSetDeterministicMode(handles_->solver, CUSOLVER_DETERMINISTIC_RESULTS), "cuSOLVER");
}

Stream::~Stream() {
  if (handles_->solver != nullptr) cusolverDnDestroy(handles_->solver);
  if (handles_->blas != nullptr) cublasDestroy(handles_->blas);
  if (handles_->stream != nullptr) cudaStreamDestroy(handles_->stream);
}

StreamHandle Stream::handle() const {
  return handles_->stream;
}

void Stream::CopyToDevice(void* to, const void* from, int64_t bytes) {
  Check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, handles_->stream), "CUDA copy");
}

void Stream::CopyToHost(void* to, const void* from, int64_t bytes) {
  Check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, handles_->stream), "CUDA copy");
}

void Stream::CopyOnDevice(void* to, const void* from, int64_t bytes) {
  Check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, handles_->stream), "CUDA copy");
}

void Stream::Zero(void* data, int64_t bytes) {
  Check(cudaMemsetAsync(data, 0, static_cast<size_t>(bytes), handles_->stream), "CUDA memset");
}

void Stream::Synchronize() {
  Check(cudaStreamSynchronize(handles_->stream), "CUDA");
}

// Row-major c = a b is column-major ct = bt at.
void Stream::Multiply(int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c) {
  const float one = 1, zero = 0;
  Check(cublasSgemm_64(handles_->blas, CUBLAS_OP_N, CUBLAS_OP_N, n, m, k, &one, b, n, a, k, &zero, c, n),
        "cuBLAS GEMM");
}

void Stream::SlabGrams(int64_t n_slabs, int64_t slab_rows, int64_t width, const float* a, float* c) {
  const float one = 1, zero = 0;
  Check(cublasSgemmStridedBatched_64(handles_->blas, CUBLAS_OP_N, CUBLAS_OP_T, width, width, slab_rows, &one, a, width,
                                     slab_rows * width, a, width, slab_rows * width, &zero, c, width, width * width,
                                     n_slabs),
        "cuBLAS GEMM");
}

void Stream::Eigen(int64_t n, double* a, double* eigenvalues) {
  cusolverDnParams_t parameters = nullptr;
  Check(cusolverDnCreateParams(&parameters), "cuSOLVER");
  size_t device_bytes = 0, host_bytes = 0;
  Check(cusolverDnXsyevd_bufferSize(handles_->solver, parameters, CUSOLVER_EIG_MODE_VECTOR, CUBLAS_FILL_MODE_LOWER, n,
                                    CUDA_R_64F, a, n, CUDA_R_64F, eigenvalues, CUDA_R_64F, &device_bytes, &host_bytes),
        "cuSOLVER eigendecomposition");
  Synchronize();  // the last call's memory may still be in use
  handles_->memory = DeviceMemory(static_cast<int64_t>(device_bytes) + 256);
  handles_->host_memory.resize(host_bytes + 1);
  int* info = handles_->memory.as<int>();
  Check(cusolverDnXsyevd(handles_->solver, parameters, CUSOLVER_EIG_MODE_VECTOR, CUBLAS_FILL_MODE_LOWER, n, CUDA_R_64F,
                         a, n, CUDA_R_64F, eigenvalues, CUDA_R_64F, handles_->memory.as<char>() + 256, device_bytes,
                         handles_->host_memory.data(), host_bytes, info),
        "cuSOLVER eigendecomposition");
  cusolverDnDestroyParams(parameters);
}

void Stream::Cholesky(int64_t n, float* systems, int64_t ld, int64_t stride, int64_t n_systems, int32_t* info) {
  Synchronize();
  handles_->memory = DeviceMemory(n_systems * static_cast<int64_t>(sizeof(float*)));
  float** addresses = handles_->memory.as<float*>();
  Launch(Addresses, dim3(static_cast<unsigned>((n_systems + 255) / 256)), dim3(256), 0, handles_->stream, systems,
         stride, n_systems, addresses);
  // The row-major lower triangle is the column-major upper one.
  Check(cusolverDnSpotrfBatched(handles_->solver, CUBLAS_FILL_MODE_UPPER, static_cast<int>(n), addresses,
                                static_cast<int>(ld), info, static_cast<int>(n_systems)),
        "cuSOLVER Cholesky");
}

}  // namespace kindred::cuda
