// The gRPC server: listens, answers health and reflection, drains. See serving/service.h for the calls.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace kindred {

class Server {
 public:
  /// Listens at once, on an address of ParseListenAddress; health says NOT_SERVING.
  /// Throws kIo naming the address where it is taken or cannot be bound.
  Server(grpc::Service& service, const std::string& address);
  ~Server();  // shuts down
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// With the port that was taken, where 0 was asked for.
  const std::string& address() const { return address_; }

  /// What grpc.health.v1 answers, for the server as a whole and for kindred.v1.Recommender.
  void SetServing(bool serving);

  /// Closes the connections and cancels what is not answered; returns when every call has ended. What answers
  /// calls must go on until then. To lose none, let RecommenderService::Drain go before.
  void Shutdown();

 private:
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace kindred
