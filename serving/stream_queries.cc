// Of `kindred query`, what is asked and answered as a stream.
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/json.h"
#include "serving/queries.h"
#include "serving/query_text.h"

namespace kindred {
namespace {

using Clock = std::chrono::steady_clock;

/// Standard input by lines, read where poll(2) says that there is something.
class InputLines {
 public:
  /// The next line of what was read; the last one needs no newline.
  std::optional<std::string> Next() {
    const size_t end = read_.find('\n', begin_);
    if (end == std::string::npos && (!at_end_ || begin_ == read_.size())) return {};
    std::string line = read_.substr(begin_, end - begin_);
    begin_ = end == std::string::npos ? read_.size() : end + 1;
    return line;
  }

  /// Reads once; waits where there is nothing. Throws kIo.
  void Read() {
    read_.erase(0, std::exchange(begin_, 0));
    const size_t size = read_.size();
    read_.resize(size + kChunk);
    const ssize_t n = read(STDIN_FILENO, read_.data() + size, kChunk);
    const int error = errno;
    read_.resize(size + static_cast<size_t>(std::max<ssize_t>(n, 0)));
    if (n < 0 && error != EINTR && error != EAGAIN)
      throw Error(ErrorCode::kIo, "cannot read standard input: " + std::generic_category().message(error));
    at_end_ = n == 0;
  }

  bool at_end() const { return at_end_; }

 private:
  static constexpr size_t kChunk = 1 << 16;

  std::string read_;
  size_t begin_ = 0;  // of what is not fetched
  bool at_end_ = false;
};

/// The call. What gRPC's threads tell of it is looked at by the one thread that uses it.
class RecommendCall final : public grpc::ClientBidiReactor<v1::RecommendRequest, v1::BatchResult> {
 public:
  explicit RecommendCall(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::Recommender::NewStub(channel)), news_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (news_ < 0) throw Error(ErrorCode::kIo, "no eventfd: " + std::generic_category().message(errno));
    stub_->async()->StreamRecommend(&context_, this);
    AddHold();  // until Finish, as it begins reads and writes outside of the functions below
    StartRead(&result_);
    StartCall();
  }
  ~RecommendCall() override {
    if (ended_.valid()) {
      Cancel();
      Finish();
    }
    close(news_);
  }

  struct State {
    bool answered = false;  // there is a result
    bool writable = true;   // the last request has gone
    bool read_all = false;  // there will be no more results
  };

  /// How things are; news() is readable when gRPC has changed them since.
  State Look() {
    uint64_t n = 0;
    [[maybe_unused]] const ssize_t size = read(news_, &n, sizeof(n));
    std::lock_guard lock(mutex_);
    return state_;
  }
  int news() const { return news_; }

  const v1::BatchResult& result() const { return result_; }
  /// Once the result is used.
  void ReadNext() {
    Set(&State::answered, false);
    StartRead(&result_);
  }
  void Ask(const v1::RecommendRequest& request) {
    request_ = request;
    Set(&State::writable, false);
    StartWrite(&request_);
  }
  void AskNoMore() { StartWritesDone(); }
  void Cancel() { context_.TryCancel(); }
  /// Waits for the end of the call, which has come if there is nothing more to read. Once.
  grpc::Status Finish() {
    RemoveHold();
    return ended_.get();
  }

  void OnReadDone(bool ok) override { Tell(ok ? &State::answered : &State::read_all); }
  void OnWriteDone(bool ok) override {
    if (ok) Tell(&State::writable);
  }
  void OnDone(const grpc::Status& status) override { std::promise<grpc::Status>(std::move(end_)).set_value(status); }

 private:
  void Set(bool State::*what, bool value) {
    std::lock_guard lock(mutex_);
    state_.*what = value;
  }
  void Tell(bool State::*what) {
    Set(what, true);
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t size = write(news_, &one, sizeof(one));
  }

  const std::unique_ptr<v1::Recommender::Stub> stub_;
  grpc::ClientContext context_;
  const int news_;
  v1::RecommendRequest request_;
  v1::BatchResult result_;
  std::mutex mutex_;
  State state_;
  std::promise<grpc::Status> end_;
  std::future<grpc::Status> ended_ = end_.get_future();
};

/// Asks for each line of standard input. One thread waits for lines, for answers and for the time when one is overdue,
/// so that each is seen whatever becomes of the others.
class RecommendStream {
 public:
  /// `request` is that of every user, but for the id.
  RecommendStream(const QueryOptions& options, v1::RecommendRequest request,
                  const std::shared_ptr<grpc::Channel>& channel)
      : options_(options), timeout_(options.timeout_ms), request_(std::move(request)), call_(channel) {}

  int Run() {
    for (;;) {
      const RecommendCall::State state = call_.Look();
      if (state.read_all) break;
      if (state.answered) {
        Print();
        continue;
      }
      if (Awaits() && Clock::now() >= due_) throw Overdue();
      Wait(asking_ && state.writable && !Ask());
    }
    ThrowUnlessOk(call_.Finish());
    if (refused_)
      throw Error(ErrorCode::kUsage, fmt::format("standard input: the user '{}' is not UTF-8, which ids in calls must "
                                                 "be",
                                                 Printable(*refused_)));
    if (asking_ || !asked_.empty()) throw Error(ErrorCode::kIo, "the server ended the stream before all was answered");
    return failed_ ? 1 : 0;
  }

 private:
  /// For the next user of standard input. Returns false where that is not read yet.
  bool Ask() {
    std::optional<std::string> user;
    do user = lines_.Next();
    while (user && user->empty());  // would be nobody
    if (!user && !lines_.at_end()) return false;
    if (!user || !IsUtf8(*user)) {
      refused_ = std::move(user);
      if (!Awaits()) due_ = Clock::now() + timeout_;
      asking_ = false;
      call_.AskNoMore();
      return true;
    }
    request_.set_user_id(*user);
    call_.Ask(request_);
    if (!Awaits()) due_ = Clock::now() + timeout_;
    asked_.push_back(std::move(*user));
    return true;
  }

  void Print() {
    if (asked_.empty()) throw Error(ErrorCode::kIo, "the server answered what was not asked");
    failed_ |= call_.result().has_error();
    if (options_.json) {
      nlohmann::json line = ToJson(call_.result());
      line["user_id"] = asked_.front();
      PrintJsonLine(line);
    } else {
      PrintResult(asked_.front(), call_.result());
    }
    asked_.pop_front();
    call_.ReadNext();
    due_ = Clock::now() + timeout_;
  }

  void Wait(bool for_lines) {
    std::fflush(stdout);  // who writes the lines may wait for answers to go on
    pollfd waited[2] = {{call_.news(), POLLIN, 0}, {for_lines ? STDIN_FILENO : -1, POLLIN, 0}};
    int time = -1;
    if (Awaits())
      time = static_cast<int>(
          std::max<int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(due_ - Clock::now()).count()));
    if (poll(waited, 2, time) > 0 && waited[1].revents != 0) lines_.Read();
  }

  /// An answer, or after the last one the end.
  bool Awaits() const { return !asked_.empty() || !asking_; }

  Error Overdue() const {
    const std::string what =
        asked_.empty() ? "end of the stream" : fmt::format("answer for the user '{}'", Printable(asked_.front()));
    return {ErrorCode::kIo, fmt::format("DEADLINE_EXCEEDED: no {} in {} ms", what, timeout_.count())};
  }

  const QueryOptions& options_;
  const std::chrono::milliseconds timeout_;
  v1::RecommendRequest request_;
  InputLines lines_;
  std::deque<std::string> asked_;  // and not answered
  Clock::time_point due_;          // when what is awaited is
  bool asking_ = true;
  bool failed_ = false;
  std::optional<std::string> refused_;  // an id that cannot be sent
  RecommendCall call_;
};

}  // namespace

int StreamUsersForItem(const QueryOptions& options, const v1::UsersForItemRequest& request) {
  const auto stub = v1::Recommender::NewStub(Connect(options));
  grpc::ClientContext context;
  SetDeadline(options, context);
  const auto stream = stub->StreamUsersForItem(&context, request);
  v1::UsersForItemReply reply;
  for (int n_printed = 0; stream->Read(&reply); n_printed += reply.users_size()) {
    if (options.json) {
      for (const v1::ScoredUser& user : reply.users()) PrintJsonLine(ToJson(user));
      continue;
    }
    if (n_printed == 0) PrintUsersHead(options.item, reply);
    PrintTable(reply.users(), n_printed);
    PrintShortfall("users", reply);
  }
  ThrowUnlessOk(stream->Finish());
  return 0;
}

int QueryStreamRecommend(const QueryOptions& options) {
  v1::RecommendRequest request = ToRequest(options, "");
  const std::shared_ptr<grpc::Channel> channel = Connect(options);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::milliseconds(options.timeout_ms)))
    throw Error(ErrorCode::kIo, fmt::format("UNAVAILABLE: no server answers at {}", Printable(options.server)));
  return RecommendStream(options, std::move(request), channel).Run();
}

}  // namespace kindred
