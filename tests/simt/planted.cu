#include "tests/simt/planted.h"

#include <cmath>
#include <vector>

#include "kernels/cuda/device.h"

namespace kindred::simt {
namespace {

using cuda::kAllLanes;
using cuda::Launch;

constexpr int kThreads = 128;

// Bugs in what orders memory. Each kernel must rotate its input by 33 to be right.

__global__ void Rotate(const float* in, float* out) {  // the barrier between is missing
  KINDRED_SHARED(float, values, kThreads);
  values[threadIdx.x] = in[threadIdx.x];
  out[threadIdx.x] = values[(threadIdx.x + 33) % kThreads];
}

__global__ void RotateTwice(const float* in, float* out) {  // the barrier before the second round is missing
  KINDRED_SHARED(float, values, kThreads);
  for (int round = 0; round < 2; ++round) {
    values[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = values[(threadIdx.x + 33) % kThreads];
  }
}

__global__ void RotateByShuffle(const float* in, float* out) {  // a shuffle orders no memory
  KINDRED_SHARED(float, values, kThreads);
  const unsigned first = threadIdx.x / 32 * 32;
  values[threadIdx.x] = in[threadIdx.x];
  __shfl_sync(kAllLanes, 0, 0);
  const float next = values[first + (threadIdx.x + 1) % 32];
  out[threadIdx.x] = next == in[first + (threadIdx.x + 1) % 32] ? in[(threadIdx.x + 33) % kThreads] : 0.0f;
}

__global__ void RotateCopy(const float* in, float* out) {  // waits for one group too few
  KINDRED_SHARED(float, values, kThreads);
  if (threadIdx.x < kThreads / 4) cuda::CopyAsync16(&values[threadIdx.x * 4], in + threadIdx.x * 4);
  cuda::CommitCopies();
  cuda::WaitForCopies<1>();
  __syncthreads();
  out[threadIdx.x] = values[(threadIdx.x + 33) % kThreads];
  cuda::WaitForCopies<0>();
}

__global__ void RotateCopyTwice(const float* in, float* out) {  // issues into what others may still read
  KINDRED_SHARED(float, values, kThreads);
  for (unsigned round = 0; round < 2; ++round) {
    if (threadIdx.x < kThreads / 4) cuda::CopyAsync16(&values[threadIdx.x * 4], in + (threadIdx.x ^ round) * 4);
    cuda::CommitCopies();
    cuda::WaitForCopies<0>();
    __syncthreads();
    if (round == 0) out[threadIdx.x] = values[(threadIdx.x + 33) % kThreads];
  }
}

__global__ void RotateOverBlocks(const float* in, float* out) {  // blocks are not ordered
  const unsigned half = kThreads / 2;
  if (blockIdx.x == 0) out[threadIdx.x] = out[threadIdx.x + half] = in[(threadIdx.x + 33) % kThreads];
  if (blockIdx.x == 1) out[half + (threadIdx.x + 1) % half] = in[(half + (threadIdx.x + 1) % half + 33) % kThreads];
}

__global__ void ReadPastTheEnd(const float* in, float* out) {
  KINDRED_DYNAMIC_SHARED(float, values);
  values[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x + 33];
}

template <class Kernel>
bool Rotates(Kernel kernel, unsigned n_blocks, unsigned n_threads, size_t shared_bytes) {
  std::vector<float4> in_storage(kThreads / 4);
  float* in = &in_storage[0].x;
  for (int i = 0; i < kThreads; ++i) in[i] = static_cast<float>(i + 1);
  std::vector<float> out(kThreads);
  Launch(kernel, dim3(n_blocks), dim3(n_threads), shared_bytes, nullptr, in, out.data());
  for (int i = 0; i < kThreads; ++i)
    if (out[static_cast<size_t>(i)] != in[(i + 33) % kThreads]) return false;
  return true;
}

// Bugs that end the kernel.

__global__ void DivergentBarriers(int n) {
  if (static_cast<int>(threadIdx.x) < n) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void BarrierAndShuffle(int n) {
  if (static_cast<int>(threadIdx.x) < n) __syncthreads();
  __shfl_xor_sync(kAllLanes, 1, 1);
  if (static_cast<int>(threadIdx.x) >= n) __syncthreads();
}
__global__ void ShuffleOfHalfAWarp(int n) {
  if (static_cast<int>(threadIdx.x) < n) __shfl_xor_sync(kAllLanes, 1, 1);
  __syncthreads();
}
__global__ void MaskWithoutItself(int) {
  __shfl_sync(0xfffeu, 1, 1);
}
__global__ void ExitedLanes(int n) {
  if (static_cast<int>(threadIdx.x) >= n) return;
  __ballot_sync(0x1ffu, 1);
  __ballot_sync(kAllLanes, 1);
}
__global__ void DifferentOperations(int n) {
  if (static_cast<int>(threadIdx.x) < n) {
    __shfl_sync(kAllLanes, 1, 1);
  } else {
    __ballot_sync(kAllLanes, 1);
  }
}
__global__ void DifferentLines(int n) {
  if (static_cast<int>(threadIdx.x) < n) {
    __shfl_sync(kAllLanes, 1, 1);
  } else {
    __shfl_sync(kAllLanes, 1, 2);
  }
}
__global__ void OneBarrierTooMany(int n) {
  __syncthreads();
  if (static_cast<int>(threadIdx.x) < n) __shfl_sync(0x3u, 1, 1);
}
__global__ void WriteDynamicPastTheEnd(int n) {
  KINDRED_DYNAMIC_SHARED(float, values);
  values[static_cast<int>(threadIdx.x) + n] = 1;
}
__global__ void WriteStaticPastTheEnd(int n) {
  KINDRED_SHARED(double, before, 4);
  KINDRED_SHARED(float, values, 7);
  if (threadIdx.x == 0) before[0] = 0;
  float* p = values;
  if (threadIdx.x == 0) p[n + 4] = 1;
}
__global__ void MisalignedCopy(int n) {
  KINDRED_SHARED(float4, values, 2);
  cuda::CopyAsync16(&values[0].x + n % 2 + 1, &values[1]);
}
__global__ void CopyToGlobal(float4* out) {
  KINDRED_SHARED(float4, values, 2);
  cuda::CopyAsync16(out, values);
}
__global__ void CopyNeverWaitedFor(const float4* in) {
  KINDRED_SHARED(float4, values, 1);
  cuda::CopyAsync16(values, in);
  cuda::CommitCopies();
}
__global__ void SourceChanges(float4* in) {
  KINDRED_SHARED(float4, values, 1);
  cuda::CopyAsync16(values, in);
  cuda::CommitCopies();
  in->y = 7;
  cuda::WaitForCopies<0>();
}
__global__ void DynamicNotAskedFor(int n) {
  KINDRED_DYNAMIC_SHARED(int, values);
  values[0] = n;
}
__global__ void StaticOver48KiB(int n) {
  KINDRED_SHARED(int, large, 10000);
  KINDRED_SHARED(int, more, 3000);
  large[0] = more[0] = n;
}
__global__ void StaticAndDynamic(int n) {
  KINDRED_SHARED(int, large, 5000);
  KINDRED_DYNAMIC_SHARED(int, more);
  large[0] = more[0] = n;
}
__global__ void Nothing(int) {}
__global__ void LaunchesAKernel(int n) {
  Launch(Nothing, dim3(1), dim3(1), 0, nullptr, n);
}
__global__ void DeepStack(int n) {
  volatile char local[1 << 20];
  for (size_t i = sizeof local; i > 0; i -= 1024) local[i - 1] = static_cast<char>(n);
}

template <auto kKernel, unsigned kBlock = 32, size_t kShared = 0, unsigned kGrid = 1>
bool RunInt() {
  Launch(kKernel, dim3(kGrid), dim3(kBlock), kShared, nullptr, 8);
  return true;
}
template <auto kKernel>
bool RunOnMemory() {
  float4 memory = {};
  Launch(kKernel, dim3(1), dim3(1), 0, nullptr, &memory);
  return true;
}

constexpr Planted kPlanted[] = {
    {"missing_barrier", [] { return Rotates(Rotate, 1, kThreads, 0); }},
    {"missing_second_barrier", [] { return Rotates(RotateTwice, 1, kThreads, 0); }},
    {"shuffle_for_barrier", [] { return Rotates(RotateByShuffle, 1, kThreads, 0); }},
    {"missing_wait", [] { return Rotates(RotateCopy, 1, kThreads, 0); }},
    {"early_copy", [] { return Rotates(RotateCopyTwice, 1, kThreads, 0); }},
    {"race_of_blocks", [] { return Rotates(RotateOverBlocks, 2, kThreads / 2, 0); }},
    {"read_past_end", [] { return Rotates(ReadPastTheEnd, 1, kThreads, kThreads * sizeof(float)); }},
    {"divergent_barriers", RunInt<DivergentBarriers>},
    {"barrier_and_shuffle", RunInt<BarrierAndShuffle, 64>},
    {"shuffle_of_half_a_warp", RunInt<ShuffleOfHalfAWarp>},
    {"mask_without_itself", RunInt<MaskWithoutItself>},
    {"exited_lanes", RunInt<ExitedLanes>},
    {"lanes_that_never_were", RunInt<ExitedLanes, 8>},
    {"different_operations", RunInt<DifferentOperations>},
    {"different_lines", RunInt<DifferentLines>},
    {"lanes_that_never_come", RunInt<OneBarrierTooMany>},
    {"write_dynamic_past_end", RunInt<WriteDynamicPastTheEnd, 32, 128>},
    {"write_static_past_end", RunInt<WriteStaticPastTheEnd>},
    {"misaligned_copy", RunInt<MisalignedCopy>},
    {"copy_to_global", RunOnMemory<CopyToGlobal>},
    {"copy_never_waited_for", RunOnMemory<CopyNeverWaitedFor>},
    {"source_changes", RunOnMemory<SourceChanges>},
    {"dynamic_not_asked_for", RunInt<DynamicNotAskedFor>},
    {"static_over_48_kb", RunInt<StaticOver48KiB>},
    {"static_and_dynamic_over_48_kb", RunInt<StaticAndDynamic, 32, 40000>},
    {"dynamic_over_227_kb", RunInt<Nothing, 32, 227 * 1024 + 1>},
    {"block_of_1025", RunInt<Nothing, 1025>},
    {"block_of_0", RunInt<Nothing, 0>},
    {"grid_of_0", RunInt<Nothing, 32, 0, 0>},
    {"launch_in_a_kernel", RunInt<LaunchesAKernel, 1>},
    {"deep_stack", RunInt<DeepStack, 1>},
};

}  // namespace

std::span<const Planted> AllPlanted() {
  return kPlanted;
}

}  // namespace kindred::simt
