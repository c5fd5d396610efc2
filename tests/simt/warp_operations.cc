// What the last lane to arrive computes for all.
#include <bit>

#include "tests/simt/simt.h"

namespace kindred::simt {
namespace {

template <class Payload, class Call>
void ForLanes(void* const* lanes, uint32_t mask, const Call& call) {
  for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    call(lane, *static_cast<Payload*>(lanes[lane]));
  }
}

void NoValue(void* const*, uint32_t) {}

void ShuffleValues(void* const* lanes, uint32_t mask) {
  uint64_t values[32];
  ForLanes<ShufflePayload>(lanes, mask, [&](int lane, ShufflePayload& payload) { values[lane] = payload.value; });
  ForLanes<ShufflePayload>(lanes, mask, [&](int, ShufflePayload& payload) {
    payload.value = (mask >> payload.source & 1) != 0 ? values[payload.source] : ~uint64_t{0};
  });
}

void Ballot(void* const* lanes, uint32_t mask) {
  uint32_t ballot = 0;
  ForLanes<VotePayload>(lanes, mask, [&](int lane, VotePayload& payload) { ballot |= payload.value << lane; });
  ForLanes<VotePayload>(lanes, mask, [&](int, VotePayload& payload) { payload.value = ballot; });
}

template <class T, T (*kOperation)(T, T)>
void Reduce(void* const* lanes, uint32_t mask) {
  T result = static_cast<T>(static_cast<VotePayload*>(lanes[std::countr_zero(mask)])->value);
  ForLanes<VotePayload>(lanes, mask & (mask - 1),
                        [&](int, VotePayload& payload) { result = kOperation(result, static_cast<T>(payload.value)); });
  ForLanes<VotePayload>(lanes, mask, [&](int, VotePayload& payload) { payload.value = static_cast<uint32_t>(result); });
}

template <class T>
T Add(T a, T b) {
  return a + b;
}
template <class T>
T Max(T a, T b) {
  return a < b ? b : a;
}
template <class T>
T Min(T a, T b) {
  return b < a ? b : a;
}
uint32_t And(uint32_t a, uint32_t b) {
  return a & b;
}
uint32_t Or(uint32_t a, uint32_t b) {
  return a | b;
}
uint32_t Xor(uint32_t a, uint32_t b) {
  return a ^ b;
}

float Bf16(uint32_t pair, int half) {
  return std::bit_cast<float>(half == 0 ? pair << 16 : pair & 0xffff0000u);
}

// Fragments of mma.m16n8k16 (PTX ISA): with g = lane / 4 and t = lane % 4, register r of a has row g + 8 (r % 2) and
// columns 2 t + 8 (r / 2) and the next; register r of b has rows 2 t + 8 r and the next of column g; d[i] is at row
// g + 8 (i / 2), column 2 t + i % 2.
void MmaBf16Values(void* const* lanes, uint32_t mask) {
  float a[16][16], b[16][8];
  ForLanes<MmaPayload>(lanes, mask, [&](int lane, MmaPayload& payload) {
    const int g = lane / 4, t = lane % 4;
    for (int half = 0; half < 2; ++half) {
      for (int r = 0; r < 4; ++r) a[g + 8 * (r % 2)][2 * t + 8 * (r / 2) + half] = Bf16(payload.a[r], half);
      for (int r = 0; r < 2; ++r) b[2 * t + 8 * r + half][g] = Bf16(payload.b[r], half);
    }
  });
  ForLanes<MmaPayload>(lanes, mask, [&](int lane, MmaPayload& payload) {
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + 8 * (i / 2), col = 2 * (lane % 4) + i % 2;
      float sum = payload.d[i];
      for (int k = 0; k < 16; ++k) sum += a[row][k] * b[k][col];
      payload.d[i] = sum;
    }
  });
}

// ldmatrix.m8n8.x4 (PTX ISA): lane l gives row l % 8 of matrix l / 8, and gets from each matrix i columns 2 (l % 4) and
// the next of row l / 4; with .trans, the transposed matrix's.
template <bool kTransposed>
void LoadMatricesValues(void* const* lanes, uint32_t mask) {
  const uint16_t* rows[32];
  ForLanes<MatricesPayload>(lanes, mask, [&](int lane, MatricesPayload& payload) { rows[lane] = payload.row; });
  ForLanes<MatricesPayload>(lanes, mask, [&](int lane, MatricesPayload& payload) {
    const auto value = [&](int i, int row, int column) -> uint32_t {
      return kTransposed ? rows[8 * i + column][row] : rows[8 * i + row][column];
    };
    for (int i = 0; i < 4; ++i)
      payload.to[i] = value(i, lane / 4, 2 * (lane % 4)) | value(i, lane / 4, 2 * (lane % 4) + 1) << 16;
  });
}

}  // namespace

const WarpOperation kSyncWarp = {"__syncwarp", NoValue};
const WarpOperation kShuffle = {"__shfl_sync", ShuffleValues};
const WarpOperation kShuffleUp = {"__shfl_up_sync", ShuffleValues};
const WarpOperation kShuffleDown = {"__shfl_down_sync", ShuffleValues};
const WarpOperation kShuffleXor = {"__shfl_xor_sync", ShuffleValues};
const WarpOperation kBallot = {"__ballot_sync", Ballot};
const WarpOperation kAny = {"__any_sync", Ballot};
const WarpOperation kAll = {"__all_sync", Ballot};
const WarpOperation kReduceAdd = {"__reduce_add_sync", Reduce<uint32_t, Add<uint32_t>>};
const WarpOperation kReduceMaxUnsigned = {"__reduce_max_sync", Reduce<uint32_t, Max<uint32_t>>};
const WarpOperation kReduceMaxInt = {"__reduce_max_sync", Reduce<int32_t, Max<int32_t>>};
const WarpOperation kReduceMinUnsigned = {"__reduce_min_sync", Reduce<uint32_t, Min<uint32_t>>};
const WarpOperation kReduceMinInt = {"__reduce_min_sync", Reduce<int32_t, Min<int32_t>>};
const WarpOperation kReduceAnd = {"__reduce_and_sync", Reduce<uint32_t, And>};
const WarpOperation kReduceOr = {"__reduce_or_sync", Reduce<uint32_t, Or>};
const WarpOperation kReduceXor = {"__reduce_xor_sync", Reduce<uint32_t, Xor>};
const WarpOperation kMmaBf16 = {"MmaBf16", MmaBf16Values};
const WarpOperation kLoadMatrices = {"LoadMatrices", LoadMatricesValues<false>};
const WarpOperation kLoadMatricesTransposed = {"LoadMatricesTransposed", LoadMatricesValues<true>};

}  // namespace kindred::simt
