#include "host/data/generate.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <iterator>
#include <limits>
#include <span>
#include <system_error>
#include <vector>

#include "host/data/random.h"
#include "host/data/shop.h"
#include "host/data/text.h"
#include "host/store/new_folder.h"
#include "kernels/error.h"

namespace kindred {
namespace fs = std::filesystem;
namespace {

constexpr const char* kEventsFile = "events.csv";
constexpr const char* kItemsFile = "items.csv";
constexpr const char* kTruthFile = "truth.json";

constexpr int64_t kFirstDay = 1735689600;  // 2025-01-01, a Wednesday
constexpr int64_t kDaySeconds = 86400;
constexpr int64_t kMaxDays = 3650;
constexpr double kWeekdays[] = {1.05, 0.95, 0.95, 1.0, 0.9, 1.15, 1.3};  // from Monday
constexpr double kHours[] = {2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 11, 12, 14, 12, 10, 10, 11, 13, 15, 18, 20, 19, 12, 6};

constexpr double kBestseller = 0.08;      // of views: anything popular
constexpr double kMoodChange = 0.2;       // of views: another category
constexpr double kFavouriteStyle = 0.75;  // of views, beside what chance gives
constexpr double kNextView = 0.78;
constexpr double kIntoCart = 0.16;
constexpr double kCheckout = 0.55;  // of sessions with something in the cart
constexpr int kMaxViews = 30;

enum EventType : uint8_t { kView, kCart, kBuy };
constexpr const char* kTypes[] = {"view", "cart", "buy"};
constexpr int kValues[] = {1, 3, 5};

/// A text file of a new folder, written in large pieces.
class TextFile {
 public:
  explicit TextFile(const fs::path& path) : path_(path), file_(OpenFile(path, O_WRONLY | O_CREAT | O_EXCL)) {}

  template <class... Args>
  void Print(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(pending_), format, std::forward<Args>(args)...);
    if (pending_.size() >= size_t{1} << 20) Flush();
  }
  void Finish() {
    Flush();
    Sync(file_, path_);
  }

 private:
  void Flush() {
    WriteAll(file_, std::as_bytes(std::span(pending_)), path_);
    pending_.clear();
  }

  fs::path path_;
  Descriptor file_;
  std::string pending_;
};

/// Random numbers one after another.
class Dice {
 public:
  Dice(uint64_t seed, uint64_t stream) : seed_(RandomBits(seed, stream)) {}
  double Uniform() { return RandomUniform(seed_, counter_++); }
  bool Chance(double probability) { return Uniform() < probability; }

 private:
  uint64_t seed_;
  uint64_t counter_ = 0;
};

struct ShopEvent {
  int32_t second;  // of the day
  int32_t user;
  int32_t item;
  EventType type;
};

/// Days of events, each exactly as long as its share of all events.
class EventSimulation {
 public:
  EventSimulation(const Shop& shop, const GenerateOptions& options) : shop_(shop), options_(options), hours_(kHours) {
    std::vector<double> days;
    for (int64_t d = 0; d < options.n_days; ++d)
      days.push_back(kWeekdays[(d + 2) % 7] * (1 + 0.6 * static_cast<double>(d) / static_cast<double>(options.n_days)));
    days_ = WeightedChoice(days);
  }

  /// The events of the next day, in order of time.
  const std::vector<ShopEvent>& NextDay() {
    Dice dice(options_.seed, kDayStreams + static_cast<uint64_t>(day_));
    const int64_t until = day_ + 1 == options_.n_days
                              ? options_.n_events
                              : static_cast<int64_t>(days_.Share(day_) * static_cast<double>(options_.n_events));
    const auto quota = static_cast<size_t>(until - n_events_);
    n_events_ = until;
    ++day_;
    events_.clear();
    while (events_.size() < quota) AddSession(dice);
    events_.resize(quota);
    std::stable_sort(events_.begin(), events_.end(),
                     [](const ShopEvent& a, const ShopEvent& b) { return a.second < b.second; });
    return events_;
  }

 private:
  static constexpr uint64_t kDayStreams = 1000;

  /// Users up to here have arrived by the end of the day; the first is there at once.
  int64_t Arrived() const {
    const double part = static_cast<double>(day_) / (0.8 * static_cast<double>(options_.n_days));
    const double users = std::pow(std::min(part, 1.0), 0.8) * static_cast<double>(options_.n_users);
    return std::clamp(static_cast<int64_t>(users), int64_t{1}, options_.n_users);
  }

  int64_t DrawCategory(const Shop::User& user, Dice& dice) const {
    const double group = dice.Uniform();  // in this order, whatever the compiler
    return shop_.DrawCategory(user, group, dice.Uniform());
  }

  void AddSession(Dice& dice) {
    // Newcomers first, so that everybody is seen.
    const int64_t arrived = Arrived();
    const int64_t drawn = shop_.activity().Draw(dice.Uniform(), arrived);
    const auto user = static_cast<int32_t>(next_newcomer_ < arrived ? next_newcomer_++ : drawn);
    const Shop::User& taste = shop_.users()[static_cast<size_t>(user)];
    double second = 3600 * static_cast<double>(hours_.Draw(dice.Uniform()));
    second += 3600 * dice.Uniform();
    const auto add = [&](int64_t item, EventType type) {
      events_.push_back(
          {static_cast<int32_t>(std::min<double>(second, kDaySeconds - 1)), user, static_cast<int32_t>(item), type});
      second += 5 + 90 * dice.Uniform();
    };

    int64_t category = DrawCategory(taste, dice);
    cart_.clear();
    for (int views = 0; views < kMaxViews; ++views) {
      if (dice.Chance(kMoodChange)) category = DrawCategory(taste, dice);
      const int64_t style = dice.Chance(kFavouriteStyle)
                                ? taste.style
                                : static_cast<int64_t>(dice.Uniform() * static_cast<double>(Shop::n_styles()));
      const int64_t item = dice.Chance(kBestseller) ? shop_.popularity().Draw(dice.Uniform())
                                                    : shop_.DrawItem(category, style, dice.Uniform());
      add(item, kView);
      if (dice.Chance(kIntoCart)) {
        add(item, kCart);
        cart_.push_back(item);
      }
      if (!dice.Chance(kNextView)) break;
    }
    if (!cart_.empty() && dice.Chance(kCheckout))
      for (const int64_t item : cart_) add(item, kBuy);
  }

  const Shop& shop_;
  const GenerateOptions& options_;
  WeightedChoice hours_;
  WeightedChoice days_;
  int64_t day_ = 0;
  int64_t n_events_ = 0;
  int64_t next_newcomer_ = 0;
  std::vector<ShopEvent> events_;
  std::vector<int64_t> cart_;
};

void WriteEvents(const Shop& shop, const GenerateOptions& options, const fs::path& path) {
  TextFile file(path);
  file.Print("user_id,item_id,event,value,timestamp\n");
  EventSimulation simulation(shop, options);
  int64_t n_written = 0;
  for (int64_t day = 0; day < options.n_days; ++day) {
    const auto midnight = static_cast<std::time_t>(kFirstDay + day * kDaySeconds);
    const std::string date = fmt::format("{:%Y-%m-%d}", fmt::gmtime(midnight));
    for (const ShopEvent& event : simulation.NextDay()) {
      const int32_t s = event.second;
      file.Print("{},{},{},{},{}T{:02}:{:02}:{:02}Z\n", shop.UserId(event.user), shop.ItemId(event.item),
                 kTypes[event.type], kValues[event.type], date, s / 3600, s / 60 % 60, s % 60);
      if (++n_written % 4096 == 0 && options.progress) options.progress(n_written, options.n_events);
    }
  }
  file.Finish();
}

void WriteItems(const Shop& shop, const fs::path& path) {
  TextFile file(path);
  file.Print("item_id,name,category,price\n");
  for (size_t i = 0; i < shop.items().size(); ++i) {
    const Shop::Item& item = shop.items()[i];
    file.Print("{},{},{},{}.{:02}\n", shop.ItemId(static_cast<int64_t>(i)), CsvField(item.name),
               Shop::CategoryName(item.category), item.cents / 100, item.cents % 100);
  }
  file.Finish();
}

void WriteTruth(const Shop& shop, const GenerateOptions& options, const fs::path& path) {
  TextFile file(path);
  const auto comma = [](bool first) { return first ? "" : ","; };
  file.Print("{{\n\"seed\": {},\n\"groups\": {{", options.seed);
  for (int64_t g = 0; g < Shop::n_groups(); ++g) {
    nlohmann::json likes;
    for (int64_t c = 0; c < Shop::n_categories(); ++c)
      if (const double weight = Shop::GroupLikes(g)[static_cast<size_t>(c)]; weight > 0)
        likes[std::string(Shop::CategoryName(c))] = weight;
    file.Print("{}\n  \"{}\": {}", comma(g == 0), Shop::GroupName(g), likes.dump());
  }
  file.Print("\n}},\n\"items\": {{");
  for (size_t i = 0; i < shop.items().size(); ++i) {
    const Shop::Item& item = shop.items()[i];
    file.Print("{}\n  \"{}\": {{\"category\": \"{}\", \"style\": \"{}\"}}", comma(i == 0),
               shop.ItemId(static_cast<int64_t>(i)), Shop::CategoryName(item.category), Shop::StyleName(item.style));
  }
  file.Print("\n}},\n\"users\": {{");
  for (size_t u = 0; u < shop.users().size(); ++u) {
    const Shop::User& user = shop.users()[u];
    file.Print("{}\n  \"{}\": {{\"style\": \"{}\", \"groups\": {{", comma(u == 0), shop.UserId(static_cast<int64_t>(u)),
               Shop::StyleName(user.style));
    for (size_t g = 0; g < std::size(user.groups) && user.groups[g].weight > 0; ++g)
      file.Print("{}\"{}\": {:.4f}", g == 0 ? "" : ", ", Shop::GroupName(user.groups[g].group), user.groups[g].weight);
    file.Print("}}}}");
  }
  file.Print("\n}}\n}}\n");
  file.Finish();
}

/// Throws kAlreadyExists unless everything in the folder is a file that is written here.
void CheckReplaceable(const fs::path& path) {
  std::error_code error;
  for (const std::string& name : NamesIn(path, error)) {
    if (name != kEventsFile && name != kItemsFile && name != kTruthFile)
      throw Error(ErrorCode::kAlreadyExists,
                  fmt::format("'{}' holds '{}', which was not generated: not overwritten", path.string(), name));
  }
  if (error) throw Error(ErrorCode::kIo, fmt::format("cannot list '{}': {}", path.string(), error.message()));
}

void Check(const GenerateOptions& options) {
  const auto expect = [](const char* what, int64_t found, int64_t largest) {
    if (found < 1 || found > largest)
      throw Error(ErrorCode::kUsage, fmt::format("{} is {}; expected 1 to {}", what, found, largest));
  };
  expect("the number of users", options.n_users, std::numeric_limits<int32_t>::max());
  expect("the number of items", options.n_items, std::numeric_limits<int32_t>::max());
  expect("the number of events", options.n_events, int64_t{1} << 50);
  expect("the number of days", options.n_days, kMaxDays);
  std::error_code ignored;
  if (!fs::exists(options.out, ignored) || fs::is_empty(options.out, ignored)) return;
  if (!options.overwrite)
    throw Error(ErrorCode::kAlreadyExists,
                fmt::format("'{}' is there already; --overwrite replaces a generated shop", options.out.string()));
  CheckReplaceable(options.out);
}

}  // namespace

nlohmann::json Generate(const GenerateOptions& options) {
  Check(options);
  NewFolder folder(options.out);
  const Shop shop(options.n_users, options.n_items, options.seed);
  WriteItems(shop, folder.path() / kItemsFile);
  WriteTruth(shop, options, folder.path() / kTruthFile);
  WriteEvents(shop, options, folder.path() / kEventsFile);
  folder.Commit(options.overwrite, CheckReplaceable);
  return {{"out", options.out.string()},  {"n_users", options.n_users}, {"n_items", options.n_items},
          {"n_events", options.n_events}, {"n_days", options.n_days},   {"seed", options.seed}};
}

}  // namespace kindred
