// The gRPC server: listens, answers health and reflection, drains. See serving/service.h for the calls.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

namespace kindred {

class Server {
 public:
  /// Listens at once, on an address of ParseListenAddress; health says NOT_SERVING.
  /// Throws kIo naming the address where it is taken or cannot be bound.
  Server(grpc::Service& service, const std::string& address);
  /// Shuts down without waiting for calls.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// With the port that was taken, where 0 was asked for.
  const std::string& address() const { return address_; }

  /// What grpc.health.v1 answers, for the server as a whole and for kindred.v1.Recommender.
  void SetServing(bool serving);

  /// NOT_SERVING, no new calls; returns when all accepted calls are answered, and cancels what is not
  /// after `drain`. Whatever answers calls must go on until it returns.
  void Shutdown(std::chrono::milliseconds drain);

 private:
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace kindred
