#include "serving/listen_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "kernels/error.h"

namespace kindred {
namespace fs = std::filesystem;
namespace {

constexpr const char* kUnix = "unix:";

bool IsUnix(const std::string& address) {
  return address.starts_with(kUnix);
}

/// "unix:PATH" and "unix:///PATH" name the same.
std::string UnixPath(const std::string& address) {
  const std::string path = address.substr(std::strlen(kUnix));
  return path.starts_with("//") ? path.substr(2) : path;
}

bool IsLoopback(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  return host == "[::1]";
}

int ParsePort(const std::string& text) {
  const bool digits = !text.empty() && text.size() <= 5 &&
                      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  const int port = digits ? std::stoi(text) : -1;
  return port <= 65535 ? port : -1;
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

SocketAddress ToSocketAddress(const std::string& address) {
  SocketAddress result;
  if (IsUnix(address)) {
    auto* to = reinterpret_cast<sockaddr_un*>(&result.storage);
    to->sun_family = AF_UNIX;
    UnixPath(address).copy(to->sun_path, sizeof(to->sun_path) - 1);
    result.size = sizeof(*to);
    return result;
  }
  const size_t colon = address.rfind(':');
  const auto port = htons(static_cast<uint16_t>(ParsePort(address.substr(colon + 1))));
  if (address[0] == '[') {
    auto* to = reinterpret_cast<sockaddr_in6*>(&result.storage);
    *to = {};
    to->sin6_family = AF_INET6;
    to->sin6_addr = in6addr_loopback;
    to->sin6_port = port;
    result.size = sizeof(*to);
  } else {
    auto* to = reinterpret_cast<sockaddr_in*>(&result.storage);
    to->sin_family = AF_INET;
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &to->sin_addr);
    to->sin_port = port;
    result.size = sizeof(*to);
  }
  return result;
}

}  // namespace

std::string ParseListenAddress(const std::string& text) {
  const auto refuse = [&](const std::string& why) -> Error {
    return Error(
        ErrorCode::kUsage,
        fmt::format("--listen {}: {}; expected 127.0.0.1:PORT, localhost:PORT, [::1]:PORT or unix:PATH", text, why));
  };
  if (IsUnix(text)) {
    const size_t length = UnixPath(text).size();
    if (length == 0 || length >= sizeof(sockaddr_un::sun_path))
      throw refuse(
          fmt::format("a path of {} bytes, and a socket's has 1 to {}", length, sizeof(sockaddr_un::sun_path) - 1));
    return text;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) throw refuse("no port");
  const int port = ParsePort(text.substr(colon + 1));
  if (port < 0) throw refuse("'" + text.substr(colon + 1) + "' is no port from 0 to 65535");
  std::string host = text.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  if (!IsLoopback(host))
    throw refuse("'" + host + "' is not the loopback interface, and without TLS the server listens nowhere else");
  return fmt::format("{}:{}", host, port);
}

std::string WithPort(const std::string& address, int port) {
  return IsUnix(address) ? address : fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
}

namespace {

/// What is wrong with the path of a socket that nobody answers at.
std::string WhyNoSocket(const SocketAddress& to, int descriptor, const fs::path& path) {
  std::error_code ignored;
  const fs::file_status there = fs::status(path, ignored);
  if (fs::is_socket(there)) return {};  // a dead server's, which gRPC replaces
  if (fs::is_directory(there)) return "it is a folder";
  if (fs::exists(there)) return "a file is there that is no socket";
  const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (!fs::is_directory(parent, ignored)) return fmt::format("there is no folder '{}'", parent.string());
  if (bind(descriptor, reinterpret_cast<const sockaddr*>(&to.storage), to.size) != 0) return std::strerror(errno);
  unlink(path.c_str());
  return {};
}

}  // namespace

std::string WhyUnusable(const std::string& address) {
  const SocketAddress to = ToSocketAddress(address);
  const auto* where = reinterpret_cast<const sockaddr*>(&to.storage);
  const int descriptor = socket(where->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return std::strerror(errno);
  std::string why;
  if (IsUnix(address)) {
    why = connect(descriptor, where, to.size) == 0 ? std::strerror(EADDRINUSE)
                                                   : WhyNoSocket(to, descriptor, UnixPath(address));
  } else {
    const int reuse = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
    if (bind(descriptor, where, to.size) != 0) why = std::strerror(errno);
  }
  close(descriptor);
  return why;
}

}  // namespace kindred
