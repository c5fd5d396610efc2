// A server of a tiny model on a free loopback port, in this process.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "kindred/v1/recommender.grpc.pb.h"
#include "serving/call_gate.h"
#include "serving/executor.h"
#include "serving/failover.h"
#include "serving/model_watcher.h"
#include "serving/server.h"
#include "serving/service.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/backends.h"
#include "tests/support/temporary_folder.h"

namespace kindred {

class GrpcServerTest : public testing::Test {
 protected:
  GrpcServerTest() : backend_(NewTestBackend("cpu_baseline", 1)), store_(folder_.path() / "store") {}

  /// Publishes a model and serves it, with one worker. Without `publish` there is no model to serve.
  void Start(bool publish = true, const std::string& address = "127.0.0.1:0", int max_queue = 1) {
    if (publish) TinyModel(*backend_, options_).Publish(store_, "tiny");
    failover_ = std::make_unique<Failover>(Chosen(NewServingBackend()), 1);
    executor_ = std::make_unique<Executor>(*failover_, 1, max_queue);
    if (has_state_) item_state_ = std::make_unique<ItemState>(folder_.path() / "state");
    std::promise<void> tried;
    watcher_ = std::make_unique<ModelWatcher>(
        *failover_, store_, WatcherOptions{"tiny", kCurrentVersion, std::chrono::hours(1)},
        [&](const LoadEvent&) { tried.set_value(); }, item_state_.get());
    tried.get_future().wait();
    gate_ = std::make_unique<CallGate>(max_streams_);
    service_ = std::make_unique<RecommenderService>(ServiceParts{.gate = *gate_,
                                                                 .executor = *executor_,
                                                                 .failover = *failover_,
                                                                 .models = watcher_.get(),
                                                                 .version = "1.2.3",
                                                                 .item_state = item_state_.get()});
    server_ = std::make_unique<Server>(Hosted(), address);
    Connect();
  }

  /// `reads_ahead`: whether gRPC takes in more, and more, of what the client has not read yet.
  void Connect(bool reads_ahead = true) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    if (!reads_ahead) {
      arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1 << 16);
      arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    }
    channel_ = grpc::CreateCustomChannel(server_->address(), grpc::InsecureChannelCredentials(), arguments);
    stub_ = v1::Recommender::NewStub(channel_);
  }

  std::vector<Server::Hosted> Hosted() const { return {{*service_, v1::Recommender::service_full_name()}}; }

  virtual std::unique_ptr<Backend> NewServingBackend() { return NewTestBackend("cpu_baseline", 1); }

  /// One call, by default with all the time it may need.
  template <class Request, class Reply>
  grpc::Status Call(grpc::Status (v1::Recommender::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                    const Request& request, Reply* reply, std::chrono::milliseconds time = std::chrono::minutes(1)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + time);
    return (stub_.get()->*method)(&context, request, reply);
  }
  grpc::Status Recommend(const v1::RecommendRequest& request, v1::RecommendReply* reply,
                         std::chrono::milliseconds time = std::chrono::minutes(1)) {
    return Call(&v1::Recommender::Stub::Recommend, request, reply, time);
  }

  /// Keeps the one worker busy until `release` is counted down.
  void Occupy(std::latch& release) {
    std::latch started(1);
    Job job;
    job.run = [&](CallContext&) {
      started.count_down();
      release.wait();
    };
    job.refuse = [](Refusal) { ADD_FAILURE() << "refused"; };
    executor_->Submit(std::move(job));
    started.wait();
  }

  /// A job that waits for the worker, in a queue of one all that may. Ready when it has left the queue.
  std::future<void> Queue() {
    const auto left = std::make_shared<std::promise<void>>();
    Job job;
    job.run = [left](CallContext&) { left->set_value(); };
    job.refuse = [left](Refusal) { left->set_value(); };
    executor_->Submit(std::move(job));
    return left->get_future();
  }

  void WaitUntilQueued() {
    while (executor_->n_waiting() == 0) std::this_thread::yield();
  }

  TemporaryFolder folder_;
  TinyModelOptions options_;  // of the model that Start publishes
  bool has_state_ = false;    // whether updates of items are kept
  int max_streams_ = kMaxStreams;
  std::unique_ptr<Backend> backend_;
  ModelStore store_;
  std::unique_ptr<Failover> failover_;
  std::unique_ptr<ItemState> item_state_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<ModelWatcher> watcher_;
  std::unique_ptr<CallGate> gate_;
  std::unique_ptr<RecommenderService> service_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Recommender::Stub> stub_;
};

inline v1::RecommendRequest ForUser(const std::string& user, std::optional<int32_t> n = {}) {
  v1::RecommendRequest request;
  request.set_user_id(user);
  if (n) request.set_n(*n);
  return request;
}

}  // namespace kindred
