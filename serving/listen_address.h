// Where a server listens. Loopback and Unix sockets only: there is no TLS yet.
#pragma once

#include <string>

namespace kindred {

/// An address as gRPC takes it, of "127.0.0.1:PORT" (any 127.x.y.z), "localhost:PORT" (127.0.0.1),
/// "[::1]:PORT" or "unix:PATH". Port 0 takes a free one. Throws kUsage for any other.
std::string ParseListenAddress(const std::string& text);

/// The same address with another port; a Unix socket stays as it is.
std::string WithPort(const std::string& address, int port);

/// Why nothing can listen there; empty where something can. For a Unix socket this
/// must be asked first: gRPC would take the path away from a server that listens on it.
std::string WhyUnusable(const std::string& address);

}  // namespace kindred
