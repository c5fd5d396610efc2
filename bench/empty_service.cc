#include "bench/empty_service.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <nlohmann/json.hpp>

#include "kindred/v1/recommender.grpc.pb.h"
#include "serving/server.h"

namespace kindred {
namespace {

class EmptyService final : public v1::Recommender::CallbackService {
 public:
  grpc::ServerUnaryReactor* Recommend(grpc::CallbackServerContext* context, const v1::RecommendRequest* request,
                                      v1::RecommendReply* reply) override {
    Fill(*request, reply);
    return Done(context);
  }

  grpc::ServerUnaryReactor* BatchRecommend(grpc::CallbackServerContext* context,
                                           const v1::BatchRecommendRequest* request,
                                           v1::BatchRecommendReply* reply) override {
    for (const v1::RecommendRequest& one : request->requests()) Fill(one, reply->add_results()->mutable_reply());
    return Done(context);
  }

 private:
  static grpc::ServerUnaryReactor* Done(grpc::CallbackServerContext* context) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  static void Fill(const v1::RecommendRequest& request, v1::RecommendReply* reply) {
    for (int i = 0; i < request.n(); ++i) {
      v1::ScoredItem* item = reply->add_items();
      item->set_item_id("12345");
      item->set_score(0.5f);
    }
    reply->mutable_model()->set_name("bench");
    reply->mutable_model()->set_version(1);
    reply->set_served_by(v1::PERSONAL);
  }
};

}  // namespace

int RunEmptyService(int argc, char** argv) {
  CLI::App app("An empty gRPC service.");
  std::string listen = "127.0.0.1:0";
  app.add_option("--listen", listen, "where to listen");
  CLI11_PARSE(app, argc, argv);
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  EmptyService service;
  Server server({{service, v1::Recommender::service_full_name()}}, listen);
  server.SetServing(true);
  std::cout << nlohmann::json{{"listening", server.address()}}.dump() << std::endl;
  int signal = 0;
  sigwait(&stop, &signal);
  return 0;
}

}  // namespace kindred
