// The gRPC server: listens, answers health and reflection, drains. See serving/service.h and
// serving/segment_service.h for the calls.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

namespace kindred {

class Server {
 public:
  /// What calls are answered by. One that is not `ready` is there to say so: its health stays NOT_SERVING.
  struct Hosted {
    grpc::Service& service;
    std::string name;  // full, as "kindred.v1.Recommender"
    bool ready = true;
  };

  /// Listens at once, on an address of ParseListenAddress; health says NOT_SERVING.
  /// Throws kIo naming the address where it is taken or cannot be bound.
  Server(std::vector<Hosted> services, const std::string& address);
  ~Server();  // shuts down
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// With the port that was taken, where 0 was asked for.
  const std::string& address() const { return address_; }

  /// What grpc.health.v1 answers, for the server as a whole and for each of its services that is ready.
  void SetServing(bool serving);

  /// Closes the connections and cancels what is not answered; returns when every call has ended. What answers
  /// calls must go on until then. To lose none, let CallGate::Drain go before.
  void Shutdown();

 private:
  const std::vector<Hosted> services_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace kindred
