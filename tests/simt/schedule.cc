#include "tests/simt/schedule.h"

#include <bit>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <string>
#include <string_view>

#include "kernels/error.h"

namespace kindred::simt {
namespace {

struct Choice {
  Order order;
  uint64_t seed;
};

Choice ChoiceOfEnvironment() {
  const char* variable = std::getenv("KINDRED_SIMT_ORDER");
  const std::string_view text = variable == nullptr ? "forward" : variable;
  if (text == "forward") return {Order::kForward, 0};
  if (text == "reverse") return {Order::kReverse, 0};
  constexpr std::string_view kPrefix = "random:";
  if (text.starts_with(kPrefix)) {
    uint64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data() + kPrefix.size(), text.data() + text.size(), seed);
    if (error == std::errc() && end == text.data() + text.size()) return {Order::kRandom, seed};
  }
  throw Error(ErrorCode::kUsage,
              "KINDRED_SIMT_ORDER is '" + std::string(text) + "'; expected forward, reverse or random:SEED");
}

std::mutex g_mutex;

Choice& CurrentChoice() {
  static Choice choice = ChoiceOfEnvironment();
  return choice;
}

Choice LockedChoice() {
  const std::lock_guard lock(g_mutex);
  return CurrentChoice();
}

}  // namespace

void SetOrder(Order order, uint64_t seed) {
  const std::lock_guard lock(g_mutex);
  CurrentChoice() = {order, seed};
}

std::string OrderName() {
  const Choice choice = LockedChoice();
  if (choice.order == Order::kRandom) return "random:" + std::to_string(choice.seed);
  return choice.order == Order::kForward ? "forward" : "reverse";
}

Schedule::Schedule(uint64_t n_blocks) : n_blocks_(n_blocks) {
  const Choice choice = LockedChoice();
  order_ = choice.order;
  state_ = (choice.seed + 1) * 0x9e3779b97f4a7c15u;
  if (state_ == 0) state_ = 1;
  if (order_ == Order::kReverse) {
    block_ = n_blocks - 1;
    step_ = n_blocks - 1;
  } else if (order_ == Order::kRandom) {
    block_ = Random() % n_blocks;
    for (step_ = Random() % n_blocks + 1; std::gcd(step_, n_blocks) != 1;) step_ = step_ % n_blocks + 1;
  }
}

uint64_t Schedule::Random() {  // xorshift64
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return state_;
}

uint64_t Schedule::NextBlock() {
  const uint64_t block = block_;
  block_ = (block_ + step_) % n_blocks_;
  return block;
}

int Schedule::Pick(uint32_t set, int after) {
  if (order_ == Order::kRandom) {
    for (uint64_t skip = Random() % static_cast<uint64_t>(std::popcount(set)); skip > 0; --skip) set &= set - 1;
    return std::countr_zero(set);
  }
  if (order_ == Order::kForward) {
    const uint32_t above = after >= 31 ? 0 : set & (~0u << (after + 1));
    return std::countr_zero(above != 0 ? above : set);
  }
  const uint32_t below = after == kNone ? 0 : set & ((1u << after) - 1);
  return 31 - std::countl_zero(below != 0 ? below : set);
}

}  // namespace kindred::simt
