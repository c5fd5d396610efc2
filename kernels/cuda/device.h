// The dialect of the .cu files: CUDA where nvcc compiles them, and the emulator of tests/simt/ where g++ does.
//
// Three rules keep a kernel in both worlds: dynamic shared memory by KINDRED_DYNAMIC_SHARED and static by
// KINDRED_SHARED; launches by Launch; PTX only here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "kernels/error.h"

#ifdef __CUDACC__

#include <cuda_runtime.h>

#define KINDRED_SHARED(T, name, n) __shared__ T name[n]
#define KINDRED_NOINLINE __noinline__
#define KINDRED_DYNAMIC_SHARED(T, name)                                    \
  extern __shared__ __align__(16) unsigned char kindred_dynamic_shared_[]; \
  T* const name = reinterpret_cast<T*>(kindred_dynamic_shared_)

namespace kindred::cuda {

/// Where a launch is queued.
using StreamHandle = cudaStream_t;

/// Throws kDevice where the launch is refused. Every launch opens all the shared memory the device has for the kernel:
/// threads that launch it with different amounts would otherwise take it from each other.
template <class... Parameters, class... Arguments>
void Launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, StreamHandle stream,
            Arguments&&... arguments) {
  const void* entry = reinterpret_cast<const void*>(kernel);
  cudaError_t status = cudaSuccess;
  cudaGetLastError();  // what no launch has done
  if (shared_bytes > 0) {
    int device = 0, most = 0;
    cudaFuncAttributes attributes{};
    status = cudaGetDevice(&device);
    if (status == cudaSuccess) status = cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    if (status == cudaSuccess) status = cudaFuncGetAttributes(&attributes, entry);
    if (status == cudaSuccess)
      status = cudaFuncSetAttribute(entry, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    most - static_cast<int>(attributes.sharedSizeBytes));
  }
  if (status == cudaSuccess) {
    kernel<<<grid, block, shared_bytes, stream>>>(static_cast<Parameters>(arguments)...);
    status = cudaGetLastError();
  }
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw Error(status == cudaErrorMemoryAllocation ? ErrorCode::kOutOfMemory : ErrorCode::kDevice,
              std::string("CUDA refused a launch: ") + cudaGetErrorString(status));
}

/// d += a b for a 16 x 16, b 16 x 8, bf16 pairs; fragments as in the PTX ISA, mma.m16n8k16.
__device__ __forceinline__ void MmaBf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Four 8 x 8 matrices of bf16 in shared memory: lane l names row l % 8 of matrix l / 8, 16 bytes at a multiple of 16;
/// its to[i] becomes columns 2 (l % 4) and the next of row l / 4 of matrix i.
__device__ __forceinline__ void LoadMatrices(uint32_t (&to)[4], const void* row) {
  const unsigned from = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(from)
               : "memory");
}
/// The same of the transposed matrices: rows 2 (l % 4) and the next of column l / 4.
__device__ __forceinline__ void LoadMatricesTransposed(uint32_t (&to)[4], const void* row) {
  const unsigned from = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(from)
               : "memory");
}

/// Two floats rounded to bf16, the first in the low half.
__device__ __forceinline__ uint32_t PackBf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

/// Copies 16 bytes from global to shared memory behind the threads' back; bytes past `bytes` become 0.
__device__ __forceinline__ void CopyAsync16(void* shared, const void* global, int bytes = 16) {
  const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(to), "l"(global), "r"(bytes) : "memory");
}
__device__ __forceinline__ void CommitCopies() {
  asm volatile("cp.async.commit_group;\n" ::: "memory");
}
/// Waits until at most kPending of this thread's groups are under way.
template <int kPending>
__device__ __forceinline__ void WaitForCopies() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kPending) : "memory");
}

}  // namespace kindred::cuda

#else
#include <simt.h>
#endif

namespace kindred::cuda {

constexpr unsigned kAllLanes = 0xffffffffu;

/// The value of a bf16 that lies in the high half of a float.
__device__ inline float Bf16Value(uint32_t bits) {
  return __uint_as_float(bits << 16);
}

}  // namespace kindred::cuda
