// Which thread and which block runs next.
#pragma once

#include <cstdint>
#include <string>

namespace kindred::simt {

enum class Order { kForward, kReverse, kRandom };

/// The schedule of one grid; the same seed gives the same choices.
class Schedule {
 public:
  /// Of the order that SetOrder or KINDRED_SIMT_ORDER=forward|reverse|random:SEED chose. Throws kUsage for another
  /// text.
  explicit Schedule(uint64_t n_blocks);

  /// A member of a set that is not empty: in turn, the one that follows `after` cyclically (kNone: any), or at random.
  int Pick(uint32_t set, int after);
  uint64_t NextBlock();
  bool random() const { return order_ == Order::kRandom; }

  static constexpr int kNone = -1;

 private:
  uint64_t Random();

  Order order_;
  uint64_t state_;
  uint64_t n_blocks_, block_ = 0, step_ = 1;
};

/// The order of the grids launched from now on, on any thread.
void SetOrder(Order order, uint64_t seed = 0);
/// The order as KINDRED_SIMT_ORDER names it.
std::string OrderName();

}  // namespace kindred::simt
