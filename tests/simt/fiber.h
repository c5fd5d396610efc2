// A stack that is switched to by hand: what the emulator runs each GPU thread on.
#pragma once

#include <cstddef>

#if !defined(__x86_64__) && !defined(KINDRED_SIMT_UCONTEXT)
#define KINDRED_SIMT_UCONTEXT
#endif
#ifdef KINDRED_SIMT_UCONTEXT
#include <ucontext.h>
#endif

namespace kindred::simt {

/// AddressSanitizer and ThreadSanitizer are told of every switch; to ThreadSanitizer a fiber is a thread.
/// A fiber stays on the thread that made it. Cost of a switch: some 10 ns by hand, some 100 ns by ucontext.
class Fiber {
 public:
  /// The stack the calling thread has.
  Fiber();
  /// A stack of 256 KB over a guard page. `entry` runs at the first switch, calls Entered first, and never returns.
  /// `index` names the fiber in reports and shifts the stack's top: equal offsets would share cache sets.
  Fiber(void (*entry)(), int index);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber();

  static void Switch(Fiber& from, Fiber& to);
  static void Entered();

 private:
#ifdef KINDRED_SIMT_UCONTEXT
  ucontext_t context_;
#else
  void* stack_pointer_ = nullptr;
#endif
  char* mapping_ = nullptr;
  void* tsan_fiber_ = nullptr;
  void* asan_fake_stack_ = nullptr;
  const void* bottom_ = nullptr;  // as AddressSanitizer tells
  size_t bytes_ = 0;
};

/// A happens-before edge for ThreadSanitizer, from every Release to the Acquires after it.
class Edge {
 public:
  void Release();
  void Acquire();

 private:
  char address_ = 0;
};

/// Hides what is done in its scope from ThreadSanitizer.
class Unseen {
 public:
  Unseen();
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
  ~Unseen();
};

}  // namespace kindred::simt
