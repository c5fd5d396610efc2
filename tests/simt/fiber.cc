#include "tests/simt/fiber.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "kernels/error.h"

#ifdef KINDRED_SIMT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef KINDRED_SIMT_TSAN
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_set_fiber_name(void* fiber, const char* name);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

#ifndef KINDRED_SIMT_UCONTEXT
extern "C" void kindred_simt_switch(void** save, void* load);
asm(R"(
.text
.globl kindred_simt_switch
.hidden kindred_simt_switch
.type kindred_simt_switch,@function
kindred_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size kindred_simt_switch,.-kindred_simt_switch
)");
#endif

namespace kindred::simt {
namespace {

constexpr size_t kGuardBytes = 4096;
constexpr size_t kStackBytes = 256 * 1024;
constexpr size_t kColors = 61, kColorBytes = 320;

[[maybe_unused]] constinit thread_local Fiber* g_left = nullptr;  // the fiber of the last switch

}  // namespace

Fiber::Fiber() {
#ifdef KINDRED_SIMT_TSAN
  tsan_fiber_ = __tsan_get_current_fiber();
#endif
}

Fiber::Fiber(void (*entry)(), int index) {
  void* mapping = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED || mprotect(mapping, kGuardBytes, PROT_NONE) != 0)
    throw Error(ErrorCode::kOutOfMemory, std::string("no stack for an emulated thread: ") + std::strerror(errno));
  mapping_ = static_cast<char*>(mapping);
  bottom_ = mapping_ + kGuardBytes;
  bytes_ = kStackBytes;
  const size_t usable = kStackBytes - static_cast<size_t>(index) % kColors * kColorBytes;
#ifdef KINDRED_SIMT_UCONTEXT
  getcontext(&context_);
  context_.uc_stack.ss_sp = mapping_ + kGuardBytes;
  context_.uc_stack.ss_size = usable;
  context_.uc_link = nullptr;
  makecontext(&context_, entry, 0);
#else
  void** top = reinterpret_cast<void**>(mapping_ + kGuardBytes + usable);
  *--top = nullptr;  // where a return address would be: the stack is 8 past a multiple of 16 at entry
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;  // the registers that kindred_simt_switch restores
  stack_pointer_ = top;
#endif
#ifdef KINDRED_SIMT_TSAN
  tsan_fiber_ = __tsan_create_fiber(0);
  char name[32];
  std::snprintf(name, sizeof name, "GPU thread %d", index);
  __tsan_set_fiber_name(tsan_fiber_, name);
#endif
}

Fiber::~Fiber() {
  if (mapping_ == nullptr) return;
#ifdef KINDRED_SIMT_TSAN
  __tsan_destroy_fiber(tsan_fiber_);
#endif
#ifdef KINDRED_SIMT_ASAN
  __asan_unpoison_memory_region(mapping_ + kGuardBytes, kStackBytes);
#endif
  munmap(mapping_, kGuardBytes + kStackBytes);
}

void Fiber::Switch(Fiber& from, Fiber& to) {
  g_left = &from;
#ifdef KINDRED_SIMT_TSAN
  __tsan_switch_to_fiber(to.tsan_fiber_, 1);  // 1: a switch orders nothing
#endif
#ifdef KINDRED_SIMT_ASAN
  __sanitizer_start_switch_fiber(&from.asan_fake_stack_, to.bottom_, to.bytes_);
#endif
#ifdef KINDRED_SIMT_UCONTEXT
  swapcontext(&from.context_, &to.context_);
#else
  kindred_simt_switch(&from.stack_pointer_, to.stack_pointer_);
#endif
#ifdef KINDRED_SIMT_ASAN
  __sanitizer_finish_switch_fiber(from.asan_fake_stack_, &g_left->bottom_, &g_left->bytes_);
#endif
}

void Fiber::Entered() {
#ifdef KINDRED_SIMT_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &g_left->bottom_, &g_left->bytes_);
#endif
}

void Edge::Release() {
#ifdef KINDRED_SIMT_TSAN
  __tsan_release(&address_);
#endif
}

void Edge::Acquire() {
#ifdef KINDRED_SIMT_TSAN
  __tsan_acquire(&address_);
#endif
}

Unseen::Unseen() {
#ifdef KINDRED_SIMT_TSAN
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
}

Unseen::~Unseen() {
#ifdef KINDRED_SIMT_TSAN
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
}

}  // namespace kindred::simt
