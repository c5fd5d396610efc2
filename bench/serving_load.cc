// Closed-loop load on a server: N callers, each with one call in flight, as one JSON object. bench/serving.py runs
// it on `kindred serve` and on an empty service.
#include <grpcpp/grpcpp.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <iostream>
#include <latch>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

#include "kernels/error.h"
#include "kindred/v1/recommender.grpc.pb.h"

namespace kindred {
namespace {

using Clock = std::chrono::steady_clock;

struct LoadOptions {
  std::string server;
  std::string users;
  int callers = 16;
  int connections = 2;
  int batch = 1;
  int n = 10;
  double warm_up = 0.5;
  double seconds = 3;
  int server_pid = 0;
};

/// Seconds of processor time the process has used.
double ProcessorSeconds(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::stringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  if (!(fields >> user >> system)) throw Error(ErrorCode::kIo, "no process " + std::to_string(pid));
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::vector<std::string> ReadLines(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  if (lines.empty()) throw Error(ErrorCode::kNotFound, path + ": no user ids");
  return lines;
}

/// What all callers share.
struct Load {
  const LoadOptions& options;
  std::vector<std::string> users;
  std::atomic<size_t> next_user = 0;
  std::atomic<bool> stop = false;
  Clock::time_point from = {};  // calls that end from here on count
};

/// One call after another, each started where the one before ended.
class Caller {
 public:
  Caller(Load& load, std::shared_ptr<grpc::Channel> channel, std::latch& done)
      : load_(load), stub_(v1::Recommender::NewStub(std::move(channel))), done_(done) {}

  void Start() {
    context_ = std::make_unique<grpc::ClientContext>();
    const auto ended = [this](const grpc::Status& status) { End(status); };
    if (load_.options.batch == 1) {
      FillUser(&request_);
      start_ = Clock::now();
      stub_->async()->Recommend(context_.get(), &request_, &reply_, ended);
      return;
    }
    batch_.clear_requests();
    for (int i = 0; i < load_.options.batch; ++i) FillUser(batch_.add_requests());
    start_ = Clock::now();
    stub_->async()->BatchRecommend(context_.get(), &batch_, &batch_reply_, ended);
  }

  const std::vector<float>& microseconds() const { return microseconds_; }
  const std::string& failure() const { return failure_; }

 private:
  void FillUser(v1::RecommendRequest* request) {
    request->set_user_id(load_.users[load_.next_user++ % load_.users.size()]);
    request->set_n(load_.options.n);
  }

  void End(const grpc::Status& status) {
    const Clock::time_point now = Clock::now();
    if (!status.ok()) failure_ = status.error_message();
    if (now >= load_.from && !load_.stop)
      microseconds_.push_back(std::chrono::duration<float, std::micro>(now - start_).count());
    if (load_.stop || !failure_.empty())
      done_.count_down();
    else
      Start();
  }

  Load& load_;
  std::unique_ptr<v1::Recommender::Stub> stub_;
  std::latch& done_;
  std::unique_ptr<grpc::ClientContext> context_;
  v1::RecommendRequest request_;
  v1::RecommendReply reply_;
  v1::BatchRecommendRequest batch_;
  v1::BatchRecommendReply batch_reply_;
  Clock::time_point start_;
  std::vector<float> microseconds_;
  std::string failure_;
};

std::vector<std::shared_ptr<grpc::Channel>> Connect(const LoadOptions& options) {
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < options.connections; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetMaxReceiveMessageSize(-1);
    channels.push_back(grpc::CreateCustomChannel(options.server, grpc::InsecureChannelCredentials(), arguments));
    if (!channels.back()->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10)))
      throw Error(ErrorCode::kIo, options.server + ": no connection");
  }
  return channels;
}

nlohmann::json Report(const LoadOptions& options, const std::vector<std::unique_ptr<Caller>>& callers, double seconds,
                      double processor_seconds) {
  std::vector<float> all;
  for (const auto& caller : callers) {
    if (!caller->failure().empty()) throw Error(ErrorCode::kIo, "a call failed: " + caller->failure());
    all.insert(all.end(), caller->microseconds().begin(), caller->microseconds().end());
  }
  if (all.empty()) throw Error(ErrorCode::kIo, "no call ended in the time");
  std::sort(all.begin(), all.end());
  const auto n_calls = static_cast<double>(all.size());
  const auto quantile = [&](double q) { return all[static_cast<size_t>(q * (n_calls - 1))]; };
  return {{"calls_per_second", n_calls / seconds},
          {"users_per_second", n_calls * options.batch / seconds},
          {"p50_us", quantile(0.5)},
          {"p99_us", quantile(0.99)},
          {"server_cpu_us_per_call", processor_seconds * 1e6 / n_calls}};
}

nlohmann::json Measure(const LoadOptions& options) {
  Load load{options, ReadLines(options.users)};
  const auto channels = Connect(options);
  std::latch done(options.callers);
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < options.callers; ++i)
    callers.push_back(std::make_unique<Caller>(load, channels[static_cast<size_t>(i) % channels.size()], done));
  load.from =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.warm_up));
  for (const auto& caller : callers) caller->Start();
  std::this_thread::sleep_until(load.from);
  const double processor_before = options.server_pid > 0 ? ProcessorSeconds(options.server_pid) : 0;
  std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
  const double processor_after = options.server_pid > 0 ? ProcessorSeconds(options.server_pid) : 0;
  const double seconds = std::chrono::duration<double>(Clock::now() - load.from).count();
  load.stop = true;
  done.wait();
  return Report(options, callers, seconds, processor_after - processor_before);
}

int Run(int argc, char** argv) {
  CLI::App app("Closed-loop load on a server.");
  LoadOptions options;
  app.add_option("--server", options.server, "its address")->required();
  app.add_option("--users", options.users, "a file of user ids, one a line; each call takes the next")->required();
  app.add_option("--callers", options.callers, "calls in flight")->check(CLI::PositiveNumber);
  app.add_option("--connections", options.connections, "connections they share")->check(CLI::PositiveNumber);
  app.add_option("--batch", options.batch, "users a call; 1: Recommend, more: BatchRecommend")
      ->check(CLI::PositiveNumber);
  app.add_option("--n", options.n, "items a user");
  app.add_option("--warm-up", options.warm_up, "seconds that do not count");
  app.add_option("--seconds", options.seconds, "seconds that count")->check(CLI::PositiveNumber);
  app.add_option("--server-pid", options.server_pid, "the server's process, for its processor time");
  CLI11_PARSE(app, argc, argv);
  std::cout << Measure(options).dump() << std::endl;
  return 0;
}

}  // namespace
}  // namespace kindred

int main(int argc, char** argv) {
  try {
    return kindred::Run(argc, argv);
  } catch (const kindred::Error& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
