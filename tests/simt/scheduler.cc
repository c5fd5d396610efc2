// Compiled without ThreadSanitizer: what is done here between fibers is no business of the kernels'.
#include "tests/simt/scheduler.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "kernels/error.h"
#include "tests/simt/async_copies.h"
#include "tests/simt/fiber.h"

namespace kindred::simt {

constinit thread_local ThreadContext* g_thread = nullptr;

namespace {

constexpr int kMaxThreads = 1024;
constexpr int kLanes = 32;
constexpr uint32_t kAllLanes = 0xffffffffu;

[[noreturn]] void Throw(const std::string& message) {
  throw Error(ErrorCode::kDevice, message);
}

std::string Hex(uint32_t mask) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", mask);
  return text;
}

struct Abandoned {};  // thrown where a thread waits, once another has failed

enum class State : uint8_t { kReady, kAtBarrier, kAtWarpOperation, kDone };

struct Thread {
  ThreadContext context{};
  std::unique_ptr<Fiber> fiber;
  int index = 0;
  State state = State::kDone;

  // What it waits for.
  const char* waits_at = "";
  Place place;
  uint32_t mask = 0;
  const WarpOperation* operation = nullptr;
  void* payload = nullptr;

  AsyncCopies copies;

  // For __syncwarp of part of a warp.
  Edge edges[2];
  uint32_t n_part_syncs = 0, met_parities = 0;
};

struct Warp {
  uint32_t ready = 0, not_done = 0, arrived = 0, n_whole_syncs = 0;
};

// The fibers and the memory of a block. To ThreadSanitizer, blocks of one team follow each other, so that these can be
// used again, and blocks of different teams run at once.
struct Team {
  std::vector<std::unique_ptr<Thread>> threads;
  SharedMemory shared;
  // Edges come in twos, used in turn: what a fast thread does next must not come before what a slow one still does.
  Edge barrier_edges[2], warp_edges[kMaxThreads / kLanes][2], block_edges[2];
  unsigned n_blocks = 0;
  Edge fence_edge;
};
#ifdef KINDRED_SIMT_TSAN
constexpr int kTeams = 2;
#else
constexpr int kTeams = 1;
#endif

class Worker {
 public:
  void Run(dim3 grid, dim3 block, size_t shared_bytes, void (*kernel)(const void*), const void* call);
  bool running() const { return kernel_ != nullptr; }
  Thread& current() { return *current_; }
  SharedMemory& shared() { return team_->shared; }
  void Fence();
  uint32_t LanesNotDone() const { return warps_[static_cast<size_t>(current_->index / kLanes)].not_done; }
  BarrierResult WaitAtBarrier(const char* name, bool predicate, const Place& place);
  void Meet(const WarpOperation& operation, uint32_t mask, void* payload, const Place& place);

 private:
  static void Enter();
  void RunThread();
  void RunBlock(dim3 grid, dim3 block, uint64_t block_index);
  void Prepare(dim3 grid, dim3 block, uint64_t block_index);
  void SetReady(Thread& thread);
  void SetWaiting(Thread& thread, State state);
  void Wait(Thread& thread);
  void SwitchTo(Thread* thread);
  Thread* Next(const Thread* after);
  bool OpenBarrier();
  void Record(const std::string& failure);
  std::string DescribeDeadlock() const;

  Fiber main_;
  Team teams_[kTeams];
  Team* team_ = teams_;
  Warp warps_[kMaxThreads / kLanes];
  uint32_t ready_warps_ = 0;
  int n_threads_ = 0, n_not_done_ = 0, n_at_barrier_ = 0, n_true_ = 0;
  BarrierResult barrier_result_{};
  uint32_t barrier_phase_ = 0;
  Edge grid_start_, grid_end_;
  Thread* current_ = nullptr;  // null: main_
  void (*kernel_)(const void*) = nullptr;
  const void* call_ = nullptr;
  Schedule schedule_{1};
  bool failed_ = false;
  std::string failure_;
};

constinit LaunchObserver g_observer = nullptr;

Worker& ThisWorker() {
  thread_local std::unique_ptr<Worker> worker = std::make_unique<Worker>();
  return *worker;
}

void Worker::SetReady(Thread& thread) {
  thread.state = State::kReady;
  warps_[thread.index / kLanes].ready |= 1u << thread.context.lane;
  ready_warps_ |= 1u << (thread.index / kLanes);
}

void Worker::SetWaiting(Thread& thread, State state) {
  thread.state = state;
  Warp& warp = warps_[thread.index / kLanes];
  warp.ready &= ~(1u << thread.context.lane);
  if (warp.ready == 0) ready_warps_ &= ~(1u << (thread.index / kLanes));
}

// The thread to run after one that waits or is done; null where nothing can go on.
Thread* Worker::Next(const Thread* after) {
  if (ready_warps_ == 0 && !OpenBarrier()) return nullptr;
  int warp = after == nullptr ? Schedule::kNone : after->index / kLanes;
  int lane = after == nullptr ? Schedule::kNone : after->context.lane;
  if (after == nullptr || schedule_.random() || warps_[warp].ready == 0) {
    warp = schedule_.Pick(ready_warps_, warp);
    lane = Schedule::kNone;
  }
  return team_->threads[static_cast<size_t>(warp * kLanes + schedule_.Pick(warps_[warp].ready, lane))].get();
}

bool Worker::OpenBarrier() {
  if (n_not_done_ == 0 || n_at_barrier_ < n_not_done_) return false;
  const Thread* first = nullptr;
  for (int i = 0; i < n_threads_; ++i) {
    const Thread& thread = *team_->threads[static_cast<size_t>(i)];
    if (thread.state != State::kAtBarrier) continue;
    if (first == nullptr) first = &thread;
    if (thread.waits_at != first->waits_at || !(thread.place == first->place)) return false;
  }
  barrier_result_ = {n_not_done_, n_true_};
  n_at_barrier_ = n_true_ = 0;
  ++barrier_phase_;
  for (int i = 0; i < n_threads_; ++i)
    if (team_->threads[static_cast<size_t>(i)]->state == State::kAtBarrier)
      SetReady(*team_->threads[static_cast<size_t>(i)]);
  return true;
}

std::string Worker::DescribeDeadlock() const {
  const auto waits = [](const Thread& t) { return t.state == State::kAtBarrier || t.state == State::kAtWarpOperation; };
  const auto alike = [](const Thread& a, const Thread& b) {
    return a.state == b.state && a.mask == b.mask && a.place == b.place;
  };
  std::string report = n_at_barrier_ == n_not_done_ ? "divergent barriers:" : "deadlock:";
  int n_shown = 0;
  for (int i = 0; i < n_threads_; ++i) {
    const Thread& first = *team_->threads[static_cast<size_t>(i)];
    if (!waits(first)) continue;
    int last = i;
    while (last + 1 < n_threads_ && alike(first, *team_->threads[static_cast<size_t>(last) + 1])) ++last;
    if (++n_shown > 8) return report + " ...";
    report += (n_shown == 1 ? " " : "; ") +
              (last == i ? "thread " + std::to_string(i) + " waits at "
                         : "threads " + std::to_string(i) + " to " + std::to_string(last) + " wait at ");
    report += std::string(first.place.file) + ":" + std::to_string(first.place.line) + " (" + first.waits_at;
    if (first.state == State::kAtWarpOperation) {
      const uint32_t exited = first.mask & ~warps_[first.index / kLanes].not_done;
      report += ", mask " + Hex(first.mask) + (exited != 0 ? " of which " + Hex(exited) + " exited" : "");
    }
    report += ")";
    i = last;
  }
  return report;
}

void Worker::Record(const std::string& failure) {
  if (!failed_) failure_ = failure;
  failed_ = true;
}

void Worker::SwitchTo(Thread* thread) {
  Fiber& from = current_ == nullptr ? main_ : *current_->fiber;
  current_ = thread;
  g_thread = thread == nullptr ? nullptr : &thread->context;
  Fiber::Switch(from, thread == nullptr ? main_ : *thread->fiber);
}

// Lets others run until `thread`, which is not ready, is ready again.
void Worker::Wait(Thread& thread) {
  Thread* next = Next(&thread);
  if (next == nullptr) Throw(DescribeDeadlock());
  if (next != &thread) SwitchTo(next);
  if (failed_) throw Abandoned();
}

BarrierResult Worker::WaitAtBarrier(const char* name, bool predicate, const Place& place) {
  Thread& thread = *current_;
  thread.waits_at = name;
  thread.place = place;
  thread.mask = 0;
  Edge& edge = team_->barrier_edges[barrier_phase_ & 1];
  edge.Release();
  SetWaiting(thread, State::kAtBarrier);
  ++n_at_barrier_;
  n_true_ += predicate;
  Wait(thread);
  edge.Acquire();
  return barrier_result_;
}

void Worker::Meet(const WarpOperation& operation, uint32_t mask, void* payload, const Place& place) {
  Thread& thread = *current_;
  Warp& warp = warps_[thread.index / kLanes];
  const uint32_t me = 1u << thread.context.lane;
  const std::unique_ptr<Thread>* lanes = &team_->threads[static_cast<size_t>(thread.index / kLanes * kLanes)];

  thread.waits_at = operation.name;
  thread.place = place;
  thread.mask = mask;
  thread.operation = &operation;
  thread.payload = payload;
  const auto refuse = [&](const std::string& why) {
    Fail(std::string(operation.name) + " by thread " + std::to_string(thread.index) + " with mask " + Hex(mask) + ": " +
             why,
         place);
  };
  if ((mask & me) == 0) refuse("its own lane is not in the mask");
  if ((mask & ~warp.not_done) != 0) refuse("the mask names a lane that has exited or never was");

  const bool orders = &operation == &kSyncWarp, whole = mask == kAllLanes;
  Edge& edge = whole ? team_->warp_edges[thread.index / kLanes][warp.n_whole_syncs & 1]
                     : thread.edges[++thread.n_part_syncs & 1];
  if (orders) edge.Release();
  warp.arrived |= me;
  if ((warp.arrived & mask) == mask) {
    void* payloads[kLanes] = {};
    uint32_t parities = 0;
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
      const int lane = std::countr_zero(rest);
      const Thread& other = *lanes[lane];
      if (other.mask != mask || other.operation != &operation) refuse("another lane is at another operation or mask");
      if (!orders && !(other.place == place)) refuse("another lane is at another line");
      payloads[lane] = other.payload;
      parities |= (other.n_part_syncs & 1) << lane;
    }
    operation.combine(payloads, mask);
    warp.arrived &= ~mask;
    warp.n_whole_syncs += whole;
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
      Thread& other = *lanes[std::countr_zero(rest)];
      other.met_parities = parities;
      if (&other != &thread) SetReady(other);
    }
  } else {
    SetWaiting(thread, State::kAtWarpOperation);
    Wait(thread);
  }
  if (!orders) return;
  if (whole) return edge.Acquire();
  for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    lanes[lane]->edges[thread.met_parities >> lane & 1].Acquire();
  }
}

void Worker::Fence() {
  team_->fence_edge.Release();
  for (Team& other : teams_)
    if (&other != team_) other.fence_edge.Acquire();
}

void Worker::Enter() {
  Fiber::Entered();
  for (;;) ThisWorker().RunThread();
}

void Worker::RunThread() {
  Thread& thread = *current_;
  try {
    if (!failed_) {
      grid_start_.Acquire();
      team_->block_edges[team_->n_blocks & 1].Acquire();
      kernel_(call_);
      if (!thread.copies.empty()) Throw("thread " + std::to_string(thread.index) + " ends with copies not waited for");
    }
  } catch (const Abandoned&) {
  } catch (const std::exception& error) {
    Record(error.what());
  }
  thread.copies.Clear();
  SetWaiting(thread, State::kDone);
  warps_[thread.index / kLanes].not_done &= ~(1u << thread.context.lane);
  --n_not_done_;
  Thread* next = failed_ || n_not_done_ == 0 ? nullptr : Next(&thread);
  if (next == nullptr && !failed_ && n_not_done_ > 0) Record(DescribeDeadlock());
  team_->block_edges[(team_->n_blocks + 1) & 1].Release();
  grid_end_.Release();
  SwitchTo(next);
}

void Worker::Prepare(dim3 grid, dim3 block, uint64_t block_index) {
  n_threads_ = static_cast<int>(block.x * block.y * block.z);
  n_not_done_ = n_threads_;
  n_at_barrier_ = n_true_ = 0;
  ready_warps_ = 0;
  std::fill(std::begin(warps_), std::end(warps_), Warp{});
  while (team_->threads.size() < static_cast<size_t>(n_threads_)) {
    auto thread = std::make_unique<Thread>();
    thread->index = static_cast<int>(team_->threads.size());
    thread->fiber = std::make_unique<Fiber>(&Worker::Enter, thread->index);
    team_->threads.push_back(std::move(thread));
  }
  const auto rows = block_index / grid.x;
  const uint3 place = {static_cast<unsigned>(block_index % grid.x), static_cast<unsigned>(rows % grid.y),
                       static_cast<unsigned>(rows / grid.y)};
  for (int i = 0; i < n_threads_; ++i) {
    Thread& thread = *team_->threads[static_cast<size_t>(i)];
    const auto n = static_cast<unsigned>(i);
    thread.context = {{n % block.x, n / block.x % block.y, n / (block.x * block.y)}, place, block, grid, i % kLanes};
    warps_[i / kLanes].not_done |= 1u << (i % kLanes);
    SetReady(thread);
  }
}

void Worker::RunBlock(dim3 grid, dim3 block, uint64_t block_index) {
  Prepare(grid, block, block_index);
  team_->shared.StartBlock();
  SwitchTo(Next(nullptr));
  for (int i = 0; failed_ && i < n_threads_; ++i)
    if (team_->threads[static_cast<size_t>(i)]->state != State::kDone)
      SwitchTo(team_->threads[static_cast<size_t>(i)].get());
  ++team_->n_blocks;
  if (failed_) return;
  try {
    team_->shared.CheckRedZones();
  } catch (const Error& error) {
    Record(error.what());
  }
}

void Worker::Run(dim3 grid, dim3 block, size_t shared_bytes, void (*kernel)(const void*), const void* call) {
  const uint64_t n_blocks = uint64_t{grid.x} * grid.y * grid.z;
  schedule_ = Schedule(n_blocks);
  failed_ = false;
  for (Team& team : teams_) team.shared.StartGrid(shared_bytes);
  kernel_ = kernel;
  call_ = call;
  grid_start_.Release();
  uint64_t block_index = 0;
  for (uint64_t i = 0; i < n_blocks && !failed_; ++i) {
    team_ = &teams_[i % kTeams];
    block_index = schedule_.NextBlock();
    RunBlock(grid, block, block_index);
  }
  grid_end_.Acquire();
  kernel_ = nullptr;
  if (failed_) Throw("emulated kernel, block " + std::to_string(block_index) + ": " + failure_);
}

void CheckLaunch(dim3 grid, dim3 block, size_t shared_bytes) {
  const auto text = [](dim3 d) {
    return std::to_string(d.x) + " x " + std::to_string(d.y) + " x " + std::to_string(d.z);
  };
  const uint64_t n_threads = uint64_t{block.x} * block.y * block.z;
  if (n_threads < 1 || n_threads > kMaxThreads || block.x > 1024 || block.y > 1024 || block.z > 64)
    Throw("emulated launch: a block of " + text(block) + " threads; expected 1 to 1024, at most 64 in z");
  if (uint64_t{grid.x} * grid.y * grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    Throw("emulated launch: a grid of " + text(grid) + " blocks; expected 1 or more, at most 2^31-1 x 65535 x 65535");
  if (shared_bytes > kMaxSharedBytes)
    Throw("emulated launch: " + std::to_string(shared_bytes) + " bytes of dynamic shared memory; at most 227 KB");
}

}  // namespace

void RunGrid(dim3 grid, dim3 block, size_t shared_bytes, void (*kernel)(const void*), const void* call) {
  CheckLaunch(grid, block, shared_bytes);
  Worker& worker = ThisWorker();
  if (worker.running()) Throw("emulated launch: from inside a kernel");
  worker.Run(grid, block, shared_bytes, kernel, call);
}

void ObserveLaunches(LaunchObserver observer) {
  g_observer = observer;
}

void NoteLaunch(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes) {
  if (g_observer != nullptr) g_observer(kernel, grid, block, shared_bytes);
}

void Fail(const std::string& message, const Place& place) {
  Throw(message + " at " + place.file + ":" + std::to_string(place.line));
}

BarrierResult WaitAtBarrier(const char* name, bool predicate, const Place& place) {
  return ThisWorker().WaitAtBarrier(name, predicate, place);
}

void Meet(const WarpOperation& operation, uint32_t mask, void* payload, const Place& place) {
  ThisWorker().Meet(operation, mask, payload, place);
}

void Fence() {
  ThisWorker().Fence();
}

uint32_t LanesNotDone() {
  return ThisWorker().LanesNotDone();
}

void* StaticShared(const SharedSite& site) {
  return ThisWorker().shared().Static(site);
}

void* DynamicShared(const SharedSite& site) {
  return ThisWorker().shared().Dynamic(site);
}

void CopyAsync(void* to, const void* from, int bytes, const Place& place) {
  Worker& worker = ThisWorker();
  if ((reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % 16 != 0)
    Fail("CopyAsync16: an address that is no multiple of 16", place);
  if (bytes < 0 || bytes > 16) Fail("CopyAsync16: not 0 to 16 bytes", place);
  if (!worker.shared().Holds(to, 16)) Fail("CopyAsync16: not to shared memory", place);
  worker.current().copies.Issue(to, from, bytes);
}

void CommitCopies() {
  ThisWorker().current().copies.Commit();
}

void WaitForCopies(int n_pending, const Place& place) {
  if (!ThisWorker().current().copies.Wait(n_pending)) Fail("CopyAsync16: its source changed before this wait", place);
}

}  // namespace kindred::simt
