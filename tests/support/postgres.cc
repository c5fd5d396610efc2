#include "tests/support/postgres.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace kindred {
namespace {

namespace fs = std::filesystem;

constexpr int kTries = 5;  // for a port
constexpr auto kPatience = std::chrono::seconds(120);

/// The folder with initdb and postgres, the newest there is.
std::string FindBinaries() {
  std::string found;
  int newest = 0;
  std::error_code ignored;
  for (const fs::directory_entry& version : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const int number = std::atoi(version.path().filename().c_str());
    if (number <= newest || !fs::exists(version.path() / "bin/postgres")) continue;
    newest = number;
    found = (version.path() / "bin").string();
  }
  if (found.empty())
    throw std::runtime_error("no PostgreSQL server in /usr/lib/postgresql; scripts/install_deps.sh installs it");
  return found;
}

int FreePort() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool found = ::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(listener);
  if (!found) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

struct Connection {
  explicit Connection(const std::string& database) : connection(PQconnectdb(database.c_str())) { Check(true); }
  ~Connection() { PQfinish(connection); }

  void Check(bool good) const {
    if (!good || PQstatus(connection) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(connection));
  }

  PGconn* connection;
};

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

}  // namespace

PostgresServer::PostgresServer() : binaries_(FindBinaries()), user_(::getuid()), group_(::getgid()) {
  if (user_ == 0) {
    const passwd* other = ::getpwnam("postgres");
    if (other == nullptr) other = ::getpwnam("nobody");
    if (other == nullptr) throw std::runtime_error("no user 'postgres' or 'nobody' to run the server as");
    user_ = other->pw_uid;
    group_ = other->pw_gid;
    if (::chown(folder_.path().c_str(), user_, group_) != 0) throw std::runtime_error("chown of the server's folder");
  }
  Initialize();
  int tries = kTries;
  while (!StartServer())
    if (--tries == 0) Fail("the server does not start");
  Run(std::string("CREATE ROLE locked LOGIN PASSWORD '") + kLockedPassword + "'");
}

PostgresServer::~PostgresServer() {
  Kill();
}

void PostgresServer::Fail(const std::string& what) const {
  const std::string log = Content(folder_.path() / "log");
  throw std::runtime_error(what + ":\n" + log.substr(log.size() - std::min<size_t>(log.size(), 2000)));
}

void PostgresServer::Become(const std::string& program, const char* const* arguments, pid_t parent) const {
  if (::getuid() != user_ && (::setgroups(0, nullptr) != 0 || ::setgid(group_) != 0 || ::setuid(user_) != 0))
    ::_exit(126);
  // SIGQUIT is PostgreSQL's immediate shutdown. Becoming another user would have cleared it.
  if (::prctl(PR_SET_PDEATHSIG, SIGQUIT) != 0 || ::getppid() != parent) ::_exit(126);
  const int log = ::open((folder_.path() / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (log < 0 || ::chdir(folder_.path().c_str()) != 0) ::_exit(126);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::setenv("LC_ALL", "C", 1);
  ::unsetenv("LD_PRELOAD");
  ::execv(program.c_str(), const_cast<char* const*>(arguments));
  ::_exit(127);
}

pid_t PostgresServer::Start(const std::string& program, std::initializer_list<std::string> arguments) const {
  const std::string path = binaries_ + "/" + program;
  std::vector<const char*> argv{path.c_str()};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) Become(path, argv.data(), parent);
  return child;
}

void PostgresServer::Initialize() {
  const pid_t initdb = Start("initdb", {"-D", "data", "-U", "kindred", "-A", "trust", "-E", "UTF8", "--no-locale",
                                        "--no-sync", "--no-instructions"});
  int status = 0;
  if (::waitpid(initdb, &status, 0) != initdb || status != 0) Fail("initdb failed");
  folder_.Write("data/pg_hba.conf",
                "local all all trust\nhost all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n");
}

bool PostgresServer::StartServer() {
  port_ = FreePort();
  std::vector<std::string> settings;
  server_ = Start("postgres", {"-D",
                               "data",
                               "-p",
                               std::to_string(port_),
                               "-k",
                               folder_.path().string(),
                               "-h",
                               "127.0.0.1",
                               "-F",
                               "-c",
                               "shared_buffers=32MB",
                               "-c",
                               "autovacuum=off",
                               "-c",
                               "max_parallel_workers_per_gather=0",
                               "-c",
                               "synchronize_seqscans=off",
                               "-c",
                               "TimeZone=Asia/Tokyo",
                               "-c",
                               "DateStyle=German",
                               "-c",
                               "extra_float_digits=0"});
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (PQping(socket().c_str()) != PQPING_OK) {
    if (::waitpid(server_, nullptr, WNOHANG) == server_) {
      server_ = 0;
      return false;
    }
    if (std::chrono::steady_clock::now() > end) {
      Kill();
      Fail("the server takes no connections");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

void PostgresServer::Kill() {
  if (server_ == 0) return;
  ::kill(server_, SIGQUIT);
  ::waitpid(server_, nullptr, 0);
  server_ = 0;
}

std::string PostgresServer::Run(const std::string& statements) const {
  const Connection database(socket());
  const Result result(PQexec(database.connection, statements.c_str()), PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  database.Check(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
  return PQntuples(result.get()) > 0 && PQnfields(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

void PostgresServer::LoadCsv(const std::string& target, std::string_view csv) const {
  const Connection database(socket());
  const std::string copy =
      "SET DateStyle TO 'ISO'; SET TimeZone TO 'UTC'; COPY " + target + " FROM STDIN WITH (FORMAT csv, HEADER)";
  const Result started(PQexec(database.connection, copy.c_str()), PQclear);
  database.Check(PQresultStatus(started.get()) == PGRES_COPY_IN);
  constexpr size_t kPiece = size_t{1} << 20;
  for (size_t at = 0; at < csv.size(); at += kPiece) {
    const std::string_view piece = csv.substr(at, kPiece);
    database.Check(PQputCopyData(database.connection, piece.data(), static_cast<int>(piece.size())) == 1);
  }
  database.Check(PQputCopyEnd(database.connection, nullptr) == 1);
  const Result done(PQgetResult(database.connection), PQclear);
  database.Check(PQresultStatus(done.get()) == PGRES_COMMAND_OK);
}

}  // namespace kindred
