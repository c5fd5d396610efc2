#include "serving/model_watcher.h"

#include <sys/resource.h>

#include <algorithm>

#include "host/store/artifact.h"
#include "host/text/text.h"
#include "serving/recommender.h"

namespace kindred {
namespace {

constexpr int kWarmUpUsers = 32;
constexpr int kLoaderNiceness = 10;
constexpr std::chrono::seconds kRetryAfter{60};
constexpr std::chrono::hours kLongestInterval{24};
constexpr size_t kMaxReason = 2000;

/// Whether trying the same version again may succeed: the machine was at fault, not the version.
bool MayPass(ErrorCode code) {
  return code == ErrorCode::kIo || code == ErrorCode::kOutOfMemory || code == ErrorCode::kDevice ||
         code == ErrorCode::kNotFound;
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Touches what calls touch, and shows that the model answers at all.
void WarmUp(Failover& failover, const ServedRanker& ranker) {
  const ModelView& model = ranker.model();
  const auto context = failover.NewContext("loading a model");
  std::vector<RecommendQuery> queries(1);
  const int64_t n_users = std::min<int64_t>(model.n_users(), kWarmUpUsers);
  for (int64_t i = 0; i < n_users; ++i) {
    const int64_t user = i * model.n_users() / n_users;
    queries.push_back({model.users.Id(user), {}, {}});
    if (model.history.row(user).empty()) continue;
    queries.push_back({{}, {{model.items.Id(model.history.row(user)[0]), 1}}, {}});
  }
  const auto recommend = [&](Context& own, const Ranker& one) { return RecommendAll(own, one, queries); };
  for (const RecommendOutcome& outcome : ranker.Ask(*context, recommend))
    if (const Error* error = std::get_if<Error>(&outcome)) throw *error;
  if (model.n_items() == 0) return;
  ranker.Ask(*context, [&](Context& own, const Ranker& one) { return SimilarItems(own, one, model.items.Id(0), {}); });
}

}  // namespace

std::shared_ptr<const ServedModel> LoadServedModel(Failover& failover, const ModelStore& store, const std::string& name,
                                                   int64_t version, ItemState* item_state) {
  const std::shared_ptr<const Model> model = Model::Open(store, name, version);
  CheckServable(model->view());
  auto served = std::make_shared<ServedModel>();
  served->name = model->name();
  served->version = model->version();
  served->digest = model->digest();
  served->created_at = model->manifest().value("created_at", "");
  served->bytes = model->bytes();
  served->ranker = std::make_unique<const ServedRanker>(failover, model->view(), model);
  WarmUp(failover, *served->ranker);
  const ModelView& view = served->ranker->model();
  served->items = std::make_shared<LiveItems>(view.items, ItemTable::From(view.item_columns, model), model);
  if (item_state != nullptr) item_state->Attach(served->items);
  served->filters = std::make_unique<FilterCache>(view.user_columns, model);
  served->loaded_at = std::chrono::system_clock::now();
  return served;
}

ModelWatcher::ModelWatcher(Failover& failover, ModelStore store, WatcherOptions options, Listener listener)
    : failover_(failover), store_(std::move(store)), options_(std::move(options)), listener_(std::move(listener)) {
  thread_ = std::thread([this] { Watch(); });
}

ModelWatcher::~ModelWatcher() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

std::shared_ptr<const ServedModel> ModelWatcher::Current() const {
  std::lock_guard lock(mutex_);
  return current_;
}

LoadFailures ModelWatcher::failures() const {
  std::lock_guard lock(mutex_);
  return failures_;
}

void ModelWatcher::Watch() {
  setpriority(PRIO_PROCESS, 0, kLoaderNiceness);  // on Linux: of this thread
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    Poll();
    lock.lock();
    wake_.wait_for(lock, std::min<std::chrono::milliseconds>(options_.poll_interval, kLongestInterval),
                   [this] { return stopping_; });
  }
}

void ModelWatcher::Poll() try { Follow(); } catch (const std::exception&) {
  // Not even enough memory to report it; the next poll tries again.
}

void ModelWatcher::Follow() {
  std::erase_if(retired_, [](const auto& old) { return old.use_count() == 1; });
  int64_t version = 0;
  std::string digest;
  try {
    version = store_.Resolve(options_.model, options_.version);
    digest = Artifact::RecordedDigest(store_.VersionPath(options_.model, version));
    unreadable_.clear();
  } catch (const std::exception& error) {
    if (error.what() == unreadable_) return;
    unreadable_ = error.what();
    return Fail(version, unreadable_, Clock::now());
  }
  const auto current = Current();
  if (current && current->version == version && (digest.empty() || current->digest == digest)) {
    attempted_ = 0;
  } else if (version != attempted_ || digest != attempted_digest_ || Clock::now() >= retry_at_) {
    attempted_digest_ = digest;
    Load(version);
  }
}

void ModelWatcher::Load(int64_t version) {
  const Clock::time_point start = Clock::now();
  attempted_ = version;
  retry_at_ = Clock::time_point::max();
  try {
    auto loaded = LoadServedModel(failover_, store_, options_.model, version, options_.item_state);
    {
      std::lock_guard lock(mutex_);
      current_.swap(loaded);
    }
    if (loaded) retired_.push_back(std::move(loaded));
    std::optional<ItemStateInfo> kept;
    if (options_.item_state != nullptr) kept = options_.item_state->info();
    if (listener_) listener_({version, {}, SecondsSince(start), std::move(kept)});
  } catch (const Error& error) {
    if (MayPass(error.code())) retry_at_ = Clock::now() + kRetryAfter;
    Fail(version, error.what(), start);
  } catch (const std::bad_alloc&) {
    retry_at_ = Clock::now() + kRetryAfter;
    Fail(version, "out of memory", start);
  } catch (const std::exception& error) {
    Fail(version, error.what(), start);
  }
}

void ModelWatcher::Fail(int64_t version, const std::string& reason, Clock::time_point start) {
  const std::string printable = Printable(reason, kMaxReason);
  {
    std::lock_guard lock(mutex_);
    ++failures_.count;
    failures_.last_version = version;
    failures_.last_reason = printable;
    failures_.last_at = std::chrono::system_clock::now();
  }
  if (listener_) listener_({version, printable, SecondsSince(start), {}});
}

}  // namespace kindred
