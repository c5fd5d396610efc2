// What calls are computed on: the chosen backend and, from its first failure on, the CPU. No gRPC types.
//
// A device fails with an error of IsOfDevice: it is lost, or its memory does not do. What it was doing is then done
// again on the CPU, in the same call; calls that others have in flight on it do the same when they meet the failure,
// and later ones never ask it. That holds until the process ends, for devices that were asked for by name too, and for
// lack of memory as well: a device that is short of it would make call after call pay twice. Its memory is released
// model by model and caller by caller, once none of them uses it.
//
// Answers from stored factors, by popularity and by similarity have the same ids and scores on both, as scores are
// defined (kernels/backend.h). Factors folded in agree to the device's rounding.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "host/ranking/ranker.h"
#include "kernels/backend.h"
#include "kernels/select.h"

namespace kindred {

/// What calls are computed on now, for GetServerInfo and the log.
struct BackendStatus {
  DeviceInfo device;
  std::string reason;           // why this backend and not another
  bool degraded = false;        // the chosen backend has failed, and this is the CPU
  std::string degraded_reason;  // what failed, and in doing what; empty before
};

/// One caller's queues: on the device while it works, and on the CPU. Not thread-safe, as a Context is not.
class CallContext {
 private:
  friend class Failover;
  friend class ServedRanker;

  const char* doing_ = "";
  std::unique_ptr<Context> device_;  // null where the CPU was chosen, and once the device has failed
  std::unique_ptr<Context> cpu_;
};

/// Thread-safe. Outlives the contexts and rankers made on it.
class Failover {
 public:
  using Listener = std::function<void(const BackendStatus&)>;

  /// The CPU that may take over is made at once, as threads may be lacking later: n_threads of it, 0 means one a core.
  /// Where `chosen` is the CPU there is no other. The listener is told of the failure, once, by the thread that meets
  /// it first; it may be empty and may not throw.
  explicit Failover(ChosenBackend chosen, int n_threads = 0, Listener listener = {});

  BackendStatus status() const;
  /// Of the CPU.
  int n_threads() const { return cpu_->Describe().n_threads; }

  /// For a caller that computes with one thread. `doing` outlives it, and says in degraded_reason what failed.
  std::unique_ptr<CallContext> NewContext(const char* doing = "answering calls");

 private:
  friend class ServedRanker;

  /// work(device) if that works still. Returns whether it was done; if not, it is the CPU's. Other errors pass through.
  template <class Work>
  bool OnDevice(const char* doing, const Work& work) {
    if (!device_ || failed_) return false;
    try {
      work(*device_);
      return true;
    } catch (const Error& error) {
      if (!IsOfDevice(error)) throw;
      Fail(doing, error);
      return false;
    }
  }
  void Fail(const char* doing, const Error& error);

  std::unique_ptr<Backend> device_;  // null where the CPU was chosen; kept after its failure, for what was made by it
  std::unique_ptr<Backend> cpu_;
  const Listener listener_;
  std::atomic<bool> failed_ = false;
  mutable std::mutex mutex_;
  BackendStatus status_;
};

/// A model that calls are answered from: resident on the device while that works, and from its failure on on the CPU.
class ServedRanker {
 public:
  /// Makes the model resident on the device, if that works; on the CPU the first Ask does it. `keep` holds the memory
  /// behind the view. Throws what Ranker throws, but for the device's failure.
  ServedRanker(Failover& failover, const ModelView& model, std::shared_ptr<const void> keep);

  const ModelView& model() const { return model_; }

  /// answer(context, ranker), with what calls are computed on now, and again from its start on the CPU where the device
  /// fails in it: it must change nothing outside. Cost beside the answer: a lock; for the first caller after the
  /// failure, and those who come meanwhile, making the model ready on the CPU.
  template <class Answer>
  auto Ask(CallContext& context, const Answer& answer) const {
    std::optional<std::invoke_result_t<const Answer&, Context&, const Ranker&>> result;
    std::shared_ptr<const Ranker> on_device = OnDevice();
    if (on_device && context.device_ &&
        failover_.OnDevice(context.doing_, [&](Backend&) { result = answer(*context.device_, *on_device); }))
      return std::move(*result);
    context.device_.reset();  // before the memory that its last operations may use
    on_device.reset();
    return answer(*context.cpu_, OnCpu());
  }

 private:
  std::shared_ptr<const Ranker> OnDevice() const;
  const Ranker& OnCpu() const;

  Failover& failover_;
  const ModelView model_;
  const std::shared_ptr<const void> keep_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Ranker> on_device_;  // dropped after the failure
  mutable std::unique_ptr<const Ranker> on_cpu_;
};

}  // namespace kindred
