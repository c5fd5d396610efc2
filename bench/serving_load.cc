#include "bench/serving_load.h"

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

#include "bench/process.h"
#include "bench/statistics.h"
#include "host/store/checksum.h"
#include "kernels/error.h"
#include "kindred/v1/recommender.grpc.pb.h"

namespace kindred {
namespace {

using Clock = std::chrono::steady_clock;

struct LoadOptions {
  std::vector<std::string> server;  // its command, which prints {"listening": ADDRESS} when it is ready
  std::string users;
  int callers = 16;
  int connections = 2;
  int batch = 1;
  int n = 10;
  double warm_up = 0.5;
  double seconds = 3;
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

  /// What is wrong with a reply: every user has as many items as were asked for.
  std::string Wrong() const {
    const int n = load_.options.n;
    if (load_.options.batch == 1) return reply_.items_size() == n ? "" : "a reply has too few items";
    if (batch_reply_.results_size() != load_.options.batch) return "a reply has too few results";
    for (const auto& result : batch_reply_.results())
      if (result.reply().items_size() != n) return "a result has too few items";
    return "";
  }

  void End(const grpc::Status& status) {
    const Clock::time_point now = Clock::now();
    if (!status.ok()) failure_ = status.error_message();
    if (const std::string wrong = Wrong(); status.ok() && !wrong.empty()) failure_ = wrong;
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

using Channels = std::vector<std::shared_ptr<grpc::Channel>>;

Channels Connect(const LoadOptions& options, const std::string& address) {
  Channels channels;
  for (int i = 0; i < options.connections; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetMaxReceiveMessageSize(-1);
    channels.push_back(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
    if (!channels.back()->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10)))
      throw Error(ErrorCode::kIo, address + ": no connection");
  }
  return channels;
}

/// A checksum over the items of the first users, asked for one after another.
std::string FirstReplies(const LoadOptions& options, const std::vector<std::string>& users, const Channels& channels) {
  constexpr size_t kUsers = 50;
  const auto stub = v1::Recommender::NewStub(channels.front());
  std::string all;
  for (size_t u = 0; u < std::min(kUsers, users.size()); ++u) {
    grpc::ClientContext context;
    v1::RecommendRequest request;
    v1::RecommendReply reply;
    request.set_user_id(users[u]);
    request.set_n(options.n);
    if (const grpc::Status status = stub->Recommend(&context, request, &reply); !status.ok())
      throw Error(ErrorCode::kIo, "user " + users[u] + ": " + status.error_message());
    for (const v1::ScoredItem& item : reply.items()) all += item.item_id() + " ";
    all += "\n";
  }
  return Sha256(all);
}

nlohmann::json Report(const LoadOptions& options, const std::vector<std::unique_ptr<Caller>>& callers, double seconds,
                      double cpu_seconds) {
  std::vector<float> all;
  for (const auto& caller : callers) {
    if (!caller->failure().empty()) throw Error(ErrorCode::kIo, "a call failed: " + caller->failure());
    all.insert(all.end(), caller->microseconds().begin(), caller->microseconds().end());
  }
  if (all.empty()) throw Error(ErrorCode::kIo, "no call ended in the time");
  std::sort(all.begin(), all.end());
  const auto n_calls = static_cast<double>(all.size());
  return {{"seconds", seconds / n_calls},
          {"p50_seconds", QuantileOf(all, 0.5) * 1e-6},
          {"p99_seconds", QuantileOf(all, 0.99) * 1e-6},
          {"cpu_seconds", cpu_seconds / n_calls},
          {"work", options.batch / 1e3},
          {"unit", "thousand users"}};
}

nlohmann::json Measure(const LoadOptions& options, const std::vector<std::string>& users, const Channels& channels,
                       pid_t server) {
  Load load{options, users};
  std::latch done(options.callers);
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < options.callers; ++i)
    callers.push_back(std::make_unique<Caller>(load, channels[static_cast<size_t>(i) % channels.size()], done));
  load.from =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.warm_up));
  for (const auto& caller : callers) caller->Start();
  std::this_thread::sleep_until(load.from);
  const double cpu_before = ProcessorSeconds(server);
  std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
  const double cpu = ProcessorSeconds(server) - cpu_before;
  const double seconds = std::chrono::duration<double>(Clock::now() - load.from).count();
  load.stop = true;
  done.wait();
  return Report(options, callers, seconds, cpu);
}

}  // namespace

int RunServingLoad(int argc, char** argv) {
  CLI::App app("Closed-loop load on a server that this starts and stops.");
  LoadOptions options;
  std::string errors = "/dev/null";
  app.add_option("server", options.server, "its command, behind --")->required();
  app.add_option("--users", options.users, "a file of user ids, one a line; each call takes the next")->required();
  app.add_option("--callers", options.callers, "calls in flight")->check(CLI::PositiveNumber);
  app.add_option("--connections", options.connections, "connections they share")->check(CLI::PositiveNumber);
  app.add_option("--batch", options.batch, "users a call; 1: Recommend, more: BatchRecommend")
      ->check(CLI::PositiveNumber);
  app.add_option("--n", options.n, "items a user");
  app.add_option("--warm-up", options.warm_up, "seconds that do not count");
  app.add_option("--seconds", options.seconds, "seconds that count")->check(CLI::PositiveNumber);
  app.add_option("--errors", errors, "where the server's standard error goes");
  CLI11_PARSE(app, argc, argv);

  const std::vector<std::string> users = ReadLines(options.users);
  const StopSignals signals;
  BenchProcess server(signals, options.server, errors);
  const std::string address = nlohmann::json::parse(server.ReadLine()).at("listening");
  nlohmann::json report;
  {
    const Channels channels = Connect(options, address);
    report["answer"] = {{"first_replies", FirstReplies(options, users, channels)}};
    report["measures"]["a call"] = Measure(options, users, channels, server.pid());
  }
  report["versions"] = {{"gRPC", grpc::Version()}};
  report["peak_rss_bytes"] = server.Stop().usage.peak_rss_bytes;
  std::cout << report.dump() << std::endl;
  return 0;
}

}  // namespace kindred
