#include "serving/failover.h"

#include <fmt/format.h>

namespace kindred {

Failover::Failover(ChosenBackend chosen, int n_threads, Listener listener) : listener_(std::move(listener)) {
  status_ = {chosen.backend->Describe(), std::move(chosen.reason), false, {}};
  if (status_.device.backend == "cpu") {
    cpu_ = std::move(chosen.backend);
  } else {
    device_ = std::move(chosen.backend);
    cpu_ = ChooseBackend("cpu", n_threads).backend;
  }
}

BackendStatus Failover::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

std::unique_ptr<CallContext> Failover::NewContext(const char* doing) {
  auto context = std::make_unique<CallContext>();
  context->doing_ = doing;
  context->cpu_ = cpu_->NewContext(1);
  OnDevice(doing, [&](Backend& device) { context->device_ = device.NewContext(1); });
  return context;
}

void Failover::Fail(const char* doing, const Error& error) {
  BackendStatus now;
  {
    std::lock_guard lock(mutex_);
    if (failed_) return;
    now = {cpu_->Describe(), WhyFellBack(status_.device, error), true,
           fmt::format("while {}: {}", doing, error.what())};
    status_ = now;
    failed_ = true;
  }
  if (listener_) listener_(now);
}

ServedRanker::ServedRanker(Failover& failover, const ModelView& model, std::shared_ptr<const void> keep)
    : failover_(failover), model_(model), keep_(std::move(keep)) {
  failover_.OnDevice("loading a model",
                     [&](Backend& device) { on_device_ = std::make_shared<const Ranker>(device, model_, keep_); });
}

std::shared_ptr<const Ranker> ServedRanker::OnDevice() const {
  std::lock_guard lock(mutex_);
  return on_device_;
}

const Ranker& ServedRanker::OnCpu() const {
  std::shared_ptr<const Ranker> failed;  // goes after the lock
  std::lock_guard lock(mutex_);
  failed.swap(on_device_);
  if (!on_cpu_) on_cpu_ = std::make_unique<const Ranker>(*failover_.cpu_, model_, keep_);
  return *on_cpu_;
}

}  // namespace kindred
