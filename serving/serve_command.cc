#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <future>
#include <iostream>
#include <memory>
#include <utility>

#include "host/text/text.h"
#include "kernels/select.h"
#include "serving/commands.h"
#include "serving/executor.h"
#include "serving/failover.h"
#include "serving/listen_address.h"
#include "serving/live_items.h"
#include "serving/model_watcher.h"
#include "serving/scenarios.h"
#include "serving/server.h"
#include "serving/service.h"

namespace kindred {
namespace {

constexpr double kDayMs = 86'400'000;

struct ServeOptions {
  std::string store = "models";
  std::string model;
  std::string version = kCurrentVersion;
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

void LogLoad(const ServeOptions& options, const LoadEvent& event) {
  if (event.reason.empty())
    spdlog::info("serving {} version {}, loaded in {:.2f} s", options.model, event.version, event.seconds);
  else if (event.version > 0)
    spdlog::error("{} version {} was not loaded: {}", options.model, event.version, event.reason);
  else
    spdlog::error("{}: {}", options.model, event.reason);
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

void PrintReady(const ServeOptions& options, const Server& server, const ServedModel& model,
                const BackendStatus& backend) {
  spdlog::info("ready: listening on {}, answering on {} ({})", server.address(), backend.device.device, backend.reason);
  if (!options.json) return;
  const nlohmann::json ready = {{"listening", server.address()},
                                {"model", {{"name", model.name}, {"version", model.version}}},
                                {"backend", {{"name", backend.device.backend}, {"reason", backend.reason}}}};
  std::cout << ready.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  FlushOutput();
}

int RunServer(const ServeOptions& options) {
  const std::string address = ParseListenAddress(options.listen);
  gpr_set_log_function(&LogOfGrpc);
  google::protobuf::SetLogHandler(&LogOfProtobuf);
  StopSignal stop;

  const Scenarios scenarios = options.scenarios.empty() ? Scenarios() : Scenarios::Read(options.scenarios);
  std::unique_ptr<ItemState> item_state;
  if (!options.state_dir.empty()) item_state = std::make_unique<ItemState>(options.state_dir);
  Failover failover(ChooseBackend(options.backend, options.threads), options.threads, &LogFailure);
  Executor executor(failover, failover.n_threads(), options.max_queue);
  std::promise<std::string> first_load;  // why it failed; empty where it did not
  bool settled = false;                  // of the watcher's thread
  ModelWatcher watcher(failover, ModelStore(options.store),
                       {options.model, options.version, std::chrono::milliseconds(options.poll_ms), item_state.get()},
                       [&](const LoadEvent& event) {
                         LogLoad(options, event);
                         if (!std::exchange(settled, true))
                           first_load.set_value(event.reason);
                         else if (event.reason.empty())
                           LogMisfit(scenarios, *watcher.Current());
                       });
  RecommenderService service(executor, watcher, failover, KINDRED_VERSION, item_state.get(), scenarios,
                             options.max_streams);
  Server server(service, address);

  std::future<std::string> loading = first_load.get_future();
  int signal = 0;
  while (signal == 0) {
    signal = stop.WaitFor(std::chrono::milliseconds(loading.valid() ? 20 : 1000));
    if (const int n = service.CutOffStreams(kMaxUnread); n > 0)
      spdlog::warn("{} streams were cut off: their clients read nothing for {} s", n, kMaxUnread.count());
    if (!loading.valid() || loading.wait_for(std::chrono::seconds(0)) != std::future_status::ready) continue;
    if (const std::string failure = loading.get(); !failure.empty())
      throw Error(ErrorCode::kIo, "nothing to serve: " + failure);
    CheckAsked(options, failover.status());
    scenarios.Check(*watcher.Current());
    server.SetServing(true);
    PrintReady(options, server, *watcher.Current(), failover.status());
  }
  stop.Release();
  spdlog::info("{}: finishing the calls in flight, for at most {} ms", signal == SIGTERM ? "SIGTERM" : "SIGINT",
               options.drain_ms);
  server.SetServing(false);
  const int n_cut_off = service.Drain(std::chrono::milliseconds(options.drain_ms));
  if (n_cut_off > 0) spdlog::warn("{} calls were not answered in that time", n_cut_off);
  spdlog::info("stopped; {} calls were answered", service.n_answered());
  server.Shutdown();
  return 0;
}

}  // namespace

void AddServeCommand(CommandLine& program) {
  const auto options = std::make_shared<ServeOptions>();
  CLI::App* app = program.Add("serve", "Answer calls over gRPC from a model of the store.",
                              [options] { return RunServer(*options); });
  app->add_option("--store", options->store, "the model store");
  app->add_option("--model", options->model, "the model's name")->required();
  app->add_option("--model-version", options->version,
                  "a version's number; a label, or 'current', is followed as it changes")
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
