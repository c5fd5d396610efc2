// The emulator's own tests: what each operation computes, under every schedule.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "kernels/cuda/device.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

using cuda::kAllLanes;
using cuda::Launch;

class Simt : public ::testing::TestWithParam<std::pair<simt::Order, uint64_t>> {
 protected:
  Simt() { simt::SetOrder(GetParam().first, GetParam().second); }
  ~Simt() override { simt::SetOrder(simt::Order::kForward); }
};

__global__ void WriteIndices(int* out) {
  const dim3 b = blockDim, g = gridDim;
  const unsigned thread = threadIdx.x + b.x * (threadIdx.y + b.y * threadIdx.z);
  const unsigned block = blockIdx.x + g.x * (blockIdx.y + g.y * blockIdx.z);
  out[block * b.x * b.y * b.z + thread] = static_cast<int>(block * 1000 + thread);
}

TEST_P(Simt, EveryThreadOfEveryBlockRunsOnce) {
  for (const dim3 grid : {dim3(1), dim3(5), dim3(2, 3, 4)}) {
    for (const dim3 block : {dim3(1), dim3(31), dim3(32), dim3(33), dim3(4, 3, 5), dim3(1024)}) {
      const size_t n_threads = size_t{block.x} * block.y * block.z, n_blocks = size_t{grid.x} * grid.y * grid.z;
      std::vector<int> out(n_threads * n_blocks, -1);
      Launch(WriteIndices, grid, block, 0, nullptr, out.data());
      for (size_t i = 0; i < out.size(); ++i)
        ASSERT_EQ(out[i], static_cast<int>(i / n_threads * 1000 + i % n_threads)) << n_threads;
    }
  }
}

__global__ void ReverseBlock(const float* in, float* out) {
  KINDRED_SHARED(float, values, 256);
  KINDRED_DYNAMIC_SHARED(double, squares);
  static_assert(sizeof(values) == 1024);
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, mirror = blockDim.x - 1 - threadIdx.x;
  values[threadIdx.x] = in[i];
  squares[threadIdx.x] = in[i] * in[i];
  __syncthreads();
  out[i] = values[mirror] + static_cast<float>(squares[mirror]);
}

TEST_P(Simt, BarriersAndSharedMemory) {
  for (const unsigned n : {1u, 31u, 32u, 33u, 256u}) {
    std::vector<float> in(n * 3), out(n * 3);
    std::iota(in.begin(), in.end(), 1.0f);
    Launch(ReverseBlock, dim3(3), dim3(n), n * sizeof(double), nullptr, in.data(), out.data());
    for (unsigned i = 0; i < in.size(); ++i) {
      const float mirrored = in[i / n * n + n - 1 - i % n];
      ASSERT_EQ(out[i], mirrored + mirrored * mirrored);
    }
  }
}

__global__ void ReadUnwritten(int* n_nan, const float* unwritten_in) {
  KINDRED_SHARED(float, values, 8);
  KINDRED_DYNAMIC_SHARED(float, more);
  if (std::isnan(values[threadIdx.x]) && std::isnan(more[threadIdx.x])) atomicAdd(n_nan, 1);
  values[threadIdx.x] = more[threadIdx.x] = unwritten_in[0];
}

TEST_P(Simt, SharedMemoryIsNanInEveryBlock) {
  int n_nan = 0;
  const float value = 1;
  for (int i = 0; i < 2; ++i) Launch(ReadUnwritten, dim3(3), dim3(8), 32, nullptr, &n_nan, &value);
  EXPECT_EQ(n_nan, 48);
}

__global__ void CountPredicates(const int* predicates, int* out) {
  const int mine = predicates[threadIdx.x];
  const int count = __syncthreads_count(mine), any = __syncthreads_or(mine), all = __syncthreads_and(mine);
  out[threadIdx.x] = count * 4 + any * 2 + all;
}

TEST_P(Simt, BarriersThatCount) {
  for (const int n_true : {0, 1, 39, 40}) {
    std::vector<int> predicates(40), out(40);
    std::fill(predicates.begin(), predicates.begin() + n_true, 7);
    Launch(CountPredicates, dim3(1), dim3(40), 0, nullptr, predicates.data(), out.data());
    for (const int v : out) ASSERT_EQ(v, n_true * 4 + (n_true > 0) * 2 + (n_true == 40));
  }
}

template <class T>
__global__ void Shuffles(const T* in, T* out, int width, int argument) {
  const unsigned t = threadIdx.x;
  const T value = in[t];
  out[t] = __shfl_sync(kAllLanes, value, argument, width);
  out[t + 32] = __shfl_up_sync(kAllLanes, value, static_cast<unsigned>(argument), width);
  out[t + 64] = __shfl_down_sync(kAllLanes, value, static_cast<unsigned>(argument), width);
  out[t + 96] = __shfl_xor_sync(kAllLanes, value, argument, width);
}

template <class T>
void CheckShuffles() {
  std::vector<T> in(32), out(128);
  for (int i = 0; i < 32; ++i) in[static_cast<size_t>(i)] = static_cast<T>(i * int64_t{1'500'000'000});
  for (const int width : {32, 16, 4, 1}) {
    for (const int argument : {0, 1, 2, 15, 31}) {
      SCOPED_TRACE(testing::Message() << "width " << width << ", argument " << argument);
      Launch(Shuffles<T>, dim3(1), dim3(32), 0, nullptr, in.data(), out.data(), width, argument);
      for (int lane = 0; lane < 32; ++lane) {
        const int first = lane / width * width, last = first + width - 1;
        const int at[4] = {first + argument % width, lane - argument < first ? lane : lane - argument,
                           lane + argument > last ? lane : lane + argument,
                           (lane ^ argument) > last ? lane : lane ^ argument};
        for (int kind = 0; kind < 4; ++kind)
          ASSERT_EQ(out[static_cast<size_t>(kind * 32 + lane)], in[static_cast<size_t>(at[kind])])
              << "kind " << kind << ", lane " << lane;
      }
    }
  }
}

TEST_P(Simt, ShufflesOfFourAndEightBytes) {
  CheckShuffles<float>();
  CheckShuffles<double>();
  CheckShuffles<unsigned>();
  CheckShuffles<unsigned long long>();
}

__global__ void PartOfWarp(int* out) {
  const unsigned mask = threadIdx.x < 10 ? 0x3ffu : ~0x3ffu;
  int sum = static_cast<int>(threadIdx.x);
  if (threadIdx.x < 10) {
    sum = __reduce_add_sync(mask, sum);
  } else {
    sum = __reduce_max_sync(mask, sum) + static_cast<int>(__ballot_sync(mask, threadIdx.x % 2));
  }
  out[threadIdx.x] = sum;
}

TEST_P(Simt, PartsOfAWarpMeetApart) {
  std::vector<int> out(32);
  Launch(PartOfWarp, dim3(1), dim3(32), 0, nullptr, out.data());
  for (int lane = 0; lane < 32; ++lane)
    ASSERT_EQ(out[static_cast<size_t>(lane)], lane < 10 ? 45 : static_cast<int>(31 + (0xaaaaaaaau & ~0x3ffu)));
}

__global__ void VotesAndReductions(const int* in, unsigned* out) {
  const int v = in[threadIdx.x];
  const auto u = static_cast<unsigned>(v);
  const unsigned results[] = {__ballot_sync(kAllLanes, v > 0),
                              static_cast<unsigned>(__any_sync(kAllLanes, v == 7)),
                              static_cast<unsigned>(__all_sync(kAllLanes, v > -100)),
                              static_cast<unsigned>(__all_sync(kAllLanes, v > 0)),
                              __reduce_add_sync(kAllLanes, u),
                              static_cast<unsigned>(__reduce_add_sync(kAllLanes, v)),
                              __reduce_max_sync(kAllLanes, u),
                              static_cast<unsigned>(__reduce_max_sync(kAllLanes, v)),
                              __reduce_min_sync(kAllLanes, u),
                              static_cast<unsigned>(__reduce_min_sync(kAllLanes, v)),
                              __reduce_and_sync(kAllLanes, u),
                              __reduce_or_sync(kAllLanes, u),
                              __reduce_xor_sync(kAllLanes, u)};
  for (size_t i = 0; i < 13; ++i) out[threadIdx.x * 13 + i] = results[i];
}

TEST_P(Simt, VotesAndReductionsOverTheWarp) {
  std::vector<int> in(32);
  for (int i = 0; i < 32; ++i) in[static_cast<size_t>(i)] = i * i % 37 - 9;
  std::vector<unsigned> out(32 * 13), expected(13);
  expected = {0, 0, 1, 0, 0, 0, 0, 0, ~0u, 0, ~0u, 0, 0};
  for (size_t i = 0; i < 32; ++i) {
    const auto u = static_cast<unsigned>(in[i]);
    expected[0] |= static_cast<unsigned>(in[i] > 0) << i;
    expected[1] |= in[i] == 7;
    expected[4] += u;
    expected[6] = std::max(expected[6], u);
    expected[8] = std::min(expected[8], u);
    expected[10] &= u;
    expected[11] |= u;
    expected[12] ^= u;
  }
  expected[5] = expected[4];
  expected[7] = static_cast<unsigned>(*std::max_element(in.begin(), in.end()));
  expected[9] = static_cast<unsigned>(*std::min_element(in.begin(), in.end()));
  Launch(VotesAndReductions, dim3(1), dim3(32), 0, nullptr, in.data(), out.data());
  for (size_t lane = 0; lane < 32; ++lane)
    for (size_t i = 0; i < 13; ++i) ASSERT_EQ(out[lane * 13 + i], expected[i]) << "lane " << lane << ", " << i;
}

__global__ void Atomics(int* sums, unsigned* bits, unsigned long long* largest, float* total, int* winner) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  atomicAdd(&sums[0], i);
  atomicSub(&sums[1], i);
  atomicMax(&sums[2], i);
  atomicMin(&sums[3], -i);
  atomicOr(&bits[0], 1u << (i % 32));
  atomicAnd(&bits[1], ~(1u << (i % 8)));
  atomicMax(largest, static_cast<unsigned long long>(i) << 40);
  atomicAdd(total, 0.5f);
  if (atomicCAS(&winner[0], -1, i) == -1) atomicExch(&winner[1], i);
}

TEST_P(Simt, AtomicsOverBlocks) {
  int sums[4] = {}, winner[2] = {-1, -1};
  unsigned bits[2] = {0, ~0u};
  unsigned long long largest = 0;
  float total = 0;
  Launch(Atomics, dim3(4), dim3(64), 0, nullptr, sums, bits, &largest, &total, winner);
  EXPECT_EQ(sums[0], 255 * 128);
  EXPECT_EQ(sums[1], -255 * 128);
  EXPECT_EQ(sums[2], 255);
  EXPECT_EQ(sums[3], -255);
  EXPECT_EQ(bits[0], ~0u);
  EXPECT_EQ(bits[1], ~0xffu);
  EXPECT_EQ(largest, 255ull << 40);
  EXPECT_EQ(total, 128.0f);
  EXPECT_GE(winner[0], 0);
  EXPECT_EQ(winner[0], winner[1]);
}

__global__ void SumByTheLastBlock(const int* in, int* partial, int* n_done, int* sum) {
  const int t = static_cast<int>(threadIdx.x), n_blocks = static_cast<int>(gridDim.x);
  KINDRED_SHARED(int, is_last, 1);
  if (t == 0) {
    partial[blockIdx.x] = in[blockIdx.x];
    __threadfence();
    is_last[0] = atomicAdd(n_done, 1) == n_blocks - 1;
    __threadfence();
  }
  __syncthreads();
  if (is_last[0] == 0 || t != 1) return;
  for (int i = 0; i < n_blocks; ++i) *sum += partial[i];
}

TEST_P(Simt, FencesOrderBlocks) {
  std::vector<int> in(9), partial(9);
  std::iota(in.begin(), in.end(), 1);
  int n_done = 0, sum = 0;
  Launch(SumByTheLastBlock, dim3(9), dim3(40), 0, nullptr, in.data(), partial.data(), &n_done, &sum);
  EXPECT_EQ(sum, 45);
}

__global__ void CopyRing(const float* in, float* out, int n_tiles) {
  KINDRED_SHARED(float, ring, 3 * 128);
  const int t = static_cast<int>(threadIdx.x);
  const auto issue = [&](int tile) {
    if (tile < n_tiles) cuda::CopyAsync16(&ring[tile % 3 * 128 + t * 4], in + tile * 128 + t * 4, t < 31 ? 16 : 4);
    cuda::CommitCopies();
  };
  issue(0);
  issue(1);
  for (int tile = 0; tile < n_tiles; ++tile) {
    cuda::WaitForCopies<1>();
    __syncthreads();
    issue(tile + 2);
    for (int i = 0; i < 4; ++i) out[tile * 128 + t + i * 32] = ring[tile % 3 * 128 + (t + i * 32 + 4) % 128];
  }
}

TEST_P(Simt, CopiesLandWhereWaitedFor) {
  for (const int n_tiles : {1, 2, 3, 8}) {
    const std::vector<float> in = RandomNormal(n_tiles * 128 + 4, /*seed=*/1);
    const auto* aligned = reinterpret_cast<const float*>((reinterpret_cast<uintptr_t>(in.data()) + 15) / 16 * 16);
    std::vector<float> out(static_cast<size_t>(n_tiles) * 128);
    Launch(CopyRing, dim3(1), dim3(32), 0, nullptr, aligned, out.data(), n_tiles);
    for (int i = 0; i < n_tiles * 128; ++i) {
      const int at = (i % 128 + 4) % 128;
      ASSERT_EQ(out[static_cast<size_t>(i)], at > 124 ? 0.0f : aligned[i / 128 * 128 + at]) << i;
    }
  }
}

__global__ void OneMma(const float* a, const float* b, float* d) {
  const int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
  const auto at = [&](int row, int col) { return cuda::PackBf16(a[row * 16 + col], a[row * 16 + col + 1]); };
  const auto bt = [&](int row, int col) { return cuda::PackBf16(b[row * 8 + col], b[row * 8 + 8 + col]); };
  const uint32_t fa[4] = {at(g, 2 * t), at(g + 8, 2 * t), at(g, 2 * t + 8), at(g + 8, 2 * t + 8)};
  const uint32_t fb[2] = {bt(2 * t, g), bt(2 * t + 8, g)};
  float fd[4];
  for (int i = 0; i < 4; ++i) fd[i] = d[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2];
  cuda::MmaBf16(fd, fa, fb);
  for (int i = 0; i < 4; ++i) d[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = fd[i];
}

TEST_P(Simt, MmaIsAProduct) {
  std::vector<float> a(256), b(128), d(128), expected(128);
  for (size_t i = 0; i < 256; ++i) a[i] = static_cast<float>(i * i % 31) - 15;  // exact in bf16
  for (size_t i = 0; i < 128; ++i) b[i] = static_cast<float>(i * 7 % 23) - 11;
  for (size_t i = 0; i < 128; ++i) {
    expected[i] = d[i] = static_cast<float>(i);
    for (size_t k = 0; k < 16; ++k) expected[i] += a[i / 8 * 16 + k] * b[k * 8 + i % 8];
  }
  Launch(OneMma, dim3(1), dim3(32), 0, nullptr, a.data(), b.data(), d.data());
  EXPECT_EQ(d, expected);
}

__global__ void LoadBothWays(const uint16_t* matrices, uint32_t* plain, uint32_t* transposed) {
  uint32_t to[4];
  cuda::LoadMatrices(to, matrices + threadIdx.x * 8);
  for (int i = 0; i < 4; ++i) plain[i * 32 + threadIdx.x] = to[i];
  cuda::LoadMatricesTransposed(to, matrices + threadIdx.x * 8);
  for (int i = 0; i < 4; ++i) transposed[i * 32 + threadIdx.x] = to[i];
}

TEST_P(Simt, MatricesAreLoadedAsTheyAreAndTransposed) {
  std::vector<uint16_t> matrices(256);
  std::iota(matrices.begin(), matrices.end(), uint16_t{0});
  std::vector<uint32_t> plain(128), transposed(128);
  Launch(LoadBothWays, dim3(1), dim3(32), 0, nullptr, matrices.data(), plain.data(), transposed.data());
  for (uint32_t i = 0; i < 4; ++i)
    for (uint32_t lane = 0; lane < 32; ++lane) {
      const uint32_t row = i * 64 + lane / 4 * 8 + lane % 4 * 2, column = i * 64 + lane % 4 * 2 * 8 + lane / 4;
      EXPECT_EQ(plain[i * 32 + lane], row | (row + 1) << 16) << i << " " << lane;
      EXPECT_EQ(transposed[i * 32 + lane], column | (column + 8) << 16) << i << " " << lane;
    }
}

std::string OrderName(const testing::TestParamInfo<Simt::ParamType>& order) {
  const char* names[] = {"forward", "reverse", "random"};
  return names[static_cast<int>(order.param.first)] + std::to_string(order.param.second);
}
const Simt::ParamType kOrders[] = {
    {simt::Order::kForward, 0}, {simt::Order::kReverse, 0}, {simt::Order::kRandom, 1}, {simt::Order::kRandom, 2}};
INSTANTIATE_TEST_SUITE_P(Orders, Simt, testing::ValuesIn(kOrders), OrderName);

__global__ void RecordOrder(unsigned* order, int* n) {
  __shfl_sync(kAllLanes, 0, 0);
  order[atomicAdd(n, 1)] = blockIdx.x * 64 + threadIdx.x;
}

TEST(SimtOrder, SchedulesDifferAndSeedsRepeat) {
  const auto order_of = [](simt::Order order, uint64_t seed) {
    simt::SetOrder(order, seed);
    std::vector<unsigned> found(448);
    int n = 0;
    Launch(RecordOrder, dim3(7), dim3(64), 0, nullptr, found.data(), &n);
    simt::SetOrder(simt::Order::kForward);
    return found;
  };
  std::vector<std::vector<unsigned>> orders;
  for (const uint64_t seed : {1, 2, 3}) orders.push_back(order_of(simt::Order::kRandom, seed));
  EXPECT_EQ(orders[1], order_of(simt::Order::kRandom, 2));
  orders.push_back(order_of(simt::Order::kForward, 0));
  orders.push_back(order_of(simt::Order::kReverse, 0));
  for (size_t i = 0; i < orders.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_NE(orders[i], orders[j]) << i << " and " << j;
    std::sort(orders[i].begin(), orders[i].end());
    for (unsigned t = 0; t < 448; ++t) ASSERT_EQ(orders[i][t], t);
  }
}

TEST(SimtFunctions, RoundAndCountAsCudaDoes) {
  EXPECT_EQ(cuda::PackBf16(1.0f, -2.0f), 0xc0003f80u);
  EXPECT_EQ(cuda::PackBf16(__uint_as_float(0x3f808000u), __uint_as_float(0x3f818000u)), 0x3f823f80u);  // ties to even
  EXPECT_EQ(cuda::PackBf16(__uint_as_float(0x3f808001u), __uint_as_float(0x7f7fffffu)), 0x7f803f81u);
  EXPECT_EQ(cuda::PackBf16(NAN, -INFINITY), 0xff807fffu);
  EXPECT_EQ(cuda::Bf16Value(0x3f80u), 1.0f);
  EXPECT_EQ(__popc(0xf0f0u), 8);
  EXPECT_EQ(__popcll(~0ull), 64);
  EXPECT_EQ(__clz(0), 32);
  EXPECT_EQ(__clz(1), 31);
  EXPECT_EQ(__ffs(0), 0);
  EXPECT_EQ(__ffs(8), 4);
  EXPECT_EQ(min(3, 2u), 2u);
  EXPECT_EQ(max(1.0f, NAN), 1.0f);
  EXPECT_EQ(max(int64_t{1} << 40, 3), int64_t{1} << 40);
  EXPECT_EQ(rsqrtf(4.0f), 0.5f);
  EXPECT_EQ(sizeof(float4), 16u);
  EXPECT_EQ(alignof(float2), 8u);
}

TEST(SimtThreads, GridsRunOnSeveralHostThreads) {
  std::vector<std::thread> threads;
  std::vector<std::vector<float>> outs(3, std::vector<float>(256));
  std::vector<float> in(256);
  std::iota(in.begin(), in.end(), 0.0f);
  for (auto& out : outs)
    threads.emplace_back([&in, &out] {
      for (int i = 0; i < 20; ++i)
        Launch(ReverseBlock, dim3(2), dim3(128), 128 * sizeof(double), nullptr, in.data(), out.data());
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& out : outs)
    for (size_t i = 0; i < 256; ++i) {
      const float mirrored = in[i / 128 * 128 + 127 - i % 128];
      ASSERT_EQ(out[i], mirrored + mirrored * mirrored);
    }
}

}  // namespace
}  // namespace kindred
