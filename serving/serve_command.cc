#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <csignal>
#include <future>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "host/text/text.h"
#include "kernels/select.h"
#include "serving/call_gate.h"
#include "serving/commands.h"
#include "serving/executor.h"
#include "serving/failover.h"
#include "serving/listen_address.h"
#include "serving/live_items.h"
#include "serving/model_watcher.h"
#include "serving/scenarios.h"
#include "serving/segment_service.h"
#include "serving/segment_watcher.h"
#include "serving/server.h"
#include "serving/service.h"

namespace kindred {
namespace {

constexpr double kDayMs = 86'400'000;

struct ServeOptions {
  std::string store = "models";
  std::string model;
  std::string version = kCurrentVersion;
  std::string segments;
  std::string segments_version = kCurrentVersion;
  std::string listen = "127.0.0.1:50051";
  std::string backend = "auto";
  int threads = 0;
  int max_queue = 1024;
  int max_streams = kMaxStreams;
  int64_t drain_ms = 5000;
  int64_t poll_ms = 1000;
  std::string state_dir;
  std::string scenarios;
  bool json = false;
};

CLI::Validator IsListenAddress() {
  const auto check = [](const std::string& text) {
    try {
      ParseListenAddress(text);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  return CLI::Validator(check, "ADDRESS", "address");
}

/// SIGTERM and SIGINT, taken by this thread instead of interrupting any. Made before other threads, which
/// inherit the mask.
class StopSignal {
 public:
  StopSignal() {
    std::signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }

  /// The signal, or 0 after the time.
  int WaitFor(std::chrono::milliseconds time) {
    const timespec wait{time.count() / 1000, time.count() % 1000 * 1'000'000};
    const int signal = sigtimedwait(&set_, nullptr, &wait);
    return signal > 0 ? signal : 0;
  }

  /// From now on a signal ends the process at once.
  void Release() { pthread_sigmask(SIG_UNBLOCK, &set_, nullptr); }

 private:
  sigset_t set_;
};

void LogOfGrpc(gpr_log_func_args* args) {
  const auto level = args->severity == GPR_LOG_SEVERITY_ERROR ? spdlog::level::warn : spdlog::level::debug;
  spdlog::log(level, "grpc: {}", args->message);
}

/// What Protobuf says is about bad requests, and their senders get a status.
void LogOfProtobuf(google::protobuf::LogLevel, const char*, int, const std::string& message) {
  spdlog::debug("protobuf: {}", message);
}

/// What is kept of item updates, and what of it the version has no use for.
void LogState(const ServeOptions& options, const ItemStateInfo& state) {
  spdlog::info("{} item updates of '{}' kept", state.n_values, state.path);
  if (state.n_unused == 0) return;
  spdlog::warn("{} of them do not fit {} and wait for a version that they do", state.n_unused, options.model);
  for (const UnusedUpdate& unused : state.unused)
    spdlog::warn("  item '{}', attribute '{}': {}", Printable(unused.item_id), Printable(unused.attribute),
                 unused.reason);
}

void LogLoad(const ServeOptions& options, const std::string& name, const LoadEvent& event) {
  if (event.reason.empty())
    spdlog::info("serving {} version {}, loaded in {:.2f} s", name, event.version, event.seconds);
  else if (event.version > 0)
    spdlog::error("{} version {} was not loaded: {}", name, event.version, event.reason);
  else
    spdlog::error("{}: {}", name, event.reason);
  if (event.item_state && event.item_state->n_values > 0) LogState(options, *event.item_state);
}

/// From the start on, scenarios fit the version; a later one is served even where it does not fit them.
void LogMisfit(const Scenarios& scenarios, const ServedModel& model) {
  try {
    scenarios.Check(model);
  } catch (const Error& error) {
    spdlog::warn("{} version {} does not fit a scenario, which is refused: {}", model.name, model.version,
                 error.what());
  }
}

void LogFailure(const BackendStatus& now) {
  spdlog::warn("degraded, {}; the CPU answers every call from now on: {}", now.degraded_reason, now.device.device);
}

/// From the start on, `cuda` is the GPU or a failure.
void CheckAsked(const ServeOptions& options, const BackendStatus& backend) {
  if (options.backend == "cuda" && backend.degraded)
    throw Error(ErrorCode::kDevice, "--backend cuda: " + backend.degraded_reason + "; use --backend cpu or auto");
}

/// What became of the first attempt to load something. Set by its watcher, awaited by the thread that serves.
class FirstLoad {
 public:
  /// Whether it was the first.
  bool Settle(const LoadEvent& event) {
    if (std::exchange(settled_, true)) return false;
    reason_.set_value(event.reason);
    return true;
  }
  /// Whether it has come. Throws why it failed, once.
  bool Succeeded() {
    if (!coming_.valid()) return true;
    if (coming_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return false;
    if (const std::string failure = coming_.get(); !failure.empty())
      throw Error(ErrorCode::kIo, "nothing to serve: " + failure);
    return true;
  }

 private:
  std::promise<std::string> reason_;  // empty where it did not fail
  std::future<std::string> coming_ = reason_.get_future();
  bool settled_ = false;  // of the watcher's thread
};

/// All that answers calls, from the store to the socket.
class Serving {
 public:
  Serving(const ServeOptions& options, const std::string& address)
      : options_(options),
        scenarios_(options.scenarios.empty() ? Scenarios() : Scenarios::Read(options.scenarios)),
        item_state_(options.state_dir.empty() ? nullptr : std::make_unique<ItemState>(options.state_dir)),
        failover_(ChooseBackend(options.backend, options.threads), options.threads, &LogFailure),
        executor_(failover_, failover_.n_threads(), options.max_queue),
        gate_(options.max_streams) {
    if (!options.model.empty()) WatchModel();
    if (!options.segments.empty()) WatchSegments();
    recommender_ = std::make_unique<RecommenderService>(ServiceParts{.gate = gate_,
                                                                     .executor = executor_,
                                                                     .failover = failover_,
                                                                     .models = models_.get(),
                                                                     .segments = segments_.get(),
                                                                     .version = KINDRED_VERSION,
                                                                     .item_state = item_state_.get(),
                                                                     .scenarios = scenarios_});
    segment_service_ = std::make_unique<SegmentService>(gate_, executor_, segments_.get());
    server_ = std::make_unique<Server>(
        std::vector<Server::Hosted>{{*recommender_, v1::Recommender::service_full_name(), models_ != nullptr},
                                    {*segment_service_, v1::Segments::service_full_name(), segments_ != nullptr}},
        address);
  }

  /// Until a signal comes; returns it. Throws where there is nothing to serve.
  int Run(StopSignal& stop) {
    for (bool ready = false;;) {
      const int signal = stop.WaitFor(std::chrono::milliseconds(ready ? 1000 : 20));
      if (const int n = gate_.CutOffStreams(kMaxUnread); n > 0)
        spdlog::warn("{} streams were cut off: their clients read nothing for {} s", n, kMaxUnread.count());
      if (signal != 0) return signal;
      if (ready || !HasLoaded()) continue;
      CheckAsked(options_, failover_.status());
      if (models_) scenarios_.Check(*models_->Current());
      server_->SetServing(true);
      PrintReady();
      ready = true;
    }
  }

  void Stop() {
    server_->SetServing(false);
    const int n_cut_off = gate_.Drain(std::chrono::milliseconds(options_.drain_ms));
    if (n_cut_off > 0) spdlog::warn("{} calls were not answered in that time", n_cut_off);
    spdlog::info("stopped; {} calls were answered", gate_.n_answered());
    server_->Shutdown();
  }

 private:
  WatcherOptions Following(const std::string& name, const std::string& version) const {
    return {name, version, std::chrono::milliseconds(options_.poll_ms)};
  }

  void WatchModel() {
    models_ = std::make_unique<ModelWatcher>(
        failover_, ModelStore(options_.store), Following(options_.model, options_.version),
        [this](const LoadEvent& event) {
          LogLoad(options_, options_.model, event);
          if (first_model_.Settle(event) || !event.reason.empty()) return;
          if (const ModelWatcher* watcher = model_watcher_.load()) LogMisfit(scenarios_, *watcher->Current());
        },
        item_state_.get());
    model_watcher_ = models_.get();
  }

  void WatchSegments() {
    segments_ = std::make_unique<SegmentWatcher>(ModelStore(options_.store),
                                                 Following(options_.segments, options_.segments_version),
                                                 [this](const LoadEvent& event) {
                                                   LogLoad(options_, options_.segments, event);
                                                   first_segments_.Settle(event);
                                                 });
  }

  bool HasLoaded() { return (!models_ || first_model_.Succeeded()) && (!segments_ || first_segments_.Succeeded()); }

  void PrintReady() const {
    const BackendStatus backend = failover_.status();
    spdlog::info("ready: listening on {}, answering on {} ({})", server_->address(), backend.device.device,
                 backend.reason);
    if (!options_.json) return;
    nlohmann::json ready = {{"listening", server_->address()},
                            {"model", nullptr},
                            {"segments", nullptr},
                            {"backend", {{"name", backend.device.backend}, {"reason", backend.reason}}}};
    if (models_) ready["model"] = {{"name", options_.model}, {"version", models_->Current()->version}};
    if (segments_)
      ready["segments"] = {{"name", options_.segments}, {"version", segments_->Current()->model->version()}};
    std::cout << ready.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    FlushOutput();
  }

  const ServeOptions& options_;
  const Scenarios scenarios_;
  const std::unique_ptr<ItemState> item_state_;
  FirstLoad first_model_, first_segments_;
  Failover failover_;
  Executor executor_;
  CallGate gate_;
  std::atomic<const ModelWatcher*> model_watcher_ = nullptr;  // for its own thread, once it is made
  std::unique_ptr<ModelWatcher> models_;
  std::unique_ptr<SegmentWatcher> segments_;
  std::unique_ptr<RecommenderService> recommender_;
  std::unique_ptr<SegmentService> segment_service_;
  std::unique_ptr<Server> server_;
};

int RunServer(const ServeOptions& options) {
  if (options.model.empty() && options.segments.empty())
    throw Error(ErrorCode::kUsage, "what is to be served? expected --model, --segments or both");
  for (const auto& [flag, is_set] : {std::pair("--state-dir", !options.state_dir.empty()),
                                     {"--scenarios", !options.scenarios.empty()},
                                     {"--model-version", options.version != kCurrentVersion}})
    if (options.model.empty() && is_set)
      throw Error(ErrorCode::kUsage, fmt::format("{} is of a model; expected --model beside it", flag));
  if (options.segments.empty() && options.segments_version != kCurrentVersion)
    throw Error(ErrorCode::kUsage, "--segments-version is of segments; expected --segments beside it");
  const std::string address = ParseListenAddress(options.listen);
  gpr_set_log_function(&LogOfGrpc);
  google::protobuf::SetLogHandler(&LogOfProtobuf);
  StopSignal stop;
  Serving serving(options, address);
  const int signal = serving.Run(stop);
  stop.Release();
  spdlog::info("{}: finishing the calls in flight, for at most {} ms", signal == SIGTERM ? "SIGTERM" : "SIGINT",
               options.drain_ms);
  serving.Stop();
  return 0;
}

}  // namespace

void AddServeCommand(CommandLine& program) {
  const auto options = std::make_shared<ServeOptions>();
  CLI::App* app = program.Add("serve", "Answer calls over gRPC from a model of the store, from segments, or both.",
                              [options] { return RunServer(*options); });
  app->add_option("--store", options->store, "the model store");
  app->add_option("--model", options->model, "the model to recommend with");
  app->add_option("--model-version", options->version,
                  "a version's number; a label, or 'current', is followed as it changes")
      ->check(Accepts(&CheckVersionName, "VERSION"));
  app->add_option("--segments", options->segments, "the segments of `kindred segment` to serve, of the same store");
  app->add_option("--segments-version", options->segments_version, "likewise of the segments")
      ->check(Accepts(&CheckVersionName, "VERSION"));
  app->add_option("--listen", options->listen,
                  "127.0.0.1:PORT, localhost:PORT, [::1]:PORT or unix:PATH; port 0: a free one")
      ->check(IsListenAddress());
  app->add_option("--state-dir", options->state_dir,
                  "a folder for what changes while serving: updates of items; one server at a time. None: no updates");
  app->add_option("--scenarios", options->scenarios,
                  "a TOML file of presets [scenarios.NAME] that requests may name: filter, exclude_events, n, ...");
  app->add_option("--backend", options->backend, "where to compute: auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app->add_option("--threads", options->threads, "calls computed at the same time; 0: one a core")
      ->check(Within(0, 1024));
  app->add_option("--max-queue", options->max_queue, "calls that may wait for a thread; more are refused")
      ->check(Within(1, 1e6));
  app->add_option("--max-streams", options->max_streams, "streams that may be open at a time; more are refused")
      ->check(Within(1, 1e6));
  app->add_option("--drain-ms", options->drain_ms, "how long calls in flight may take after SIGTERM")
      ->check(Within(0, kDayMs));
  app->add_option("--poll-ms", options->poll_ms, "how often to look for a new version")->check(Within(1, kDayMs));
  app->add_flag("--json", options->json, "when ready, print one JSON object on a line, with the address");
}

}  // namespace kindred
