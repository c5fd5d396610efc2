#include "host/shop/shop_files.h"

#include <iterator>
#include <string_view>

#include "host/data/random.h"
#include "host/shop/put_text.h"
#include "host/shop/shop_catalogue.h"
#include "host/text/text.h"

namespace kindred {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kItemStream = 101, kUserStream = 102;

std::string TimeText(int64_t seconds) {
  char text[20];
  return {text, PutTime(text, seconds)};
}

/// Leaves values of a file out and writes down which.
class MissingValues {
 public:
  MissingValues(uint64_t seed, uint64_t stream, double rate, std::string file, TextFile& list)
      : seed_(RandomBits(seed, stream)), rate_(rate), file_(std::move(file)), list_(list) {}

  /// The value as a field, or nothing. To be asked for the same number of columns on every line, which count from 0.
  std::string Field(size_t line, const char* column, std::string_view value) {
    int64_t& n_missing = counts_[column];
    if (RandomUniform(seed_, n_asked_++) >= rate_) return CsvField(value);
    ++n_missing;
    list_.Print("{},{},{}\n", file_, line + 2, column);
    return {};
  }
  const MissingCounts& counts() const { return counts_; }

 private:
  uint64_t seed_;
  double rate_;
  std::string file_;
  TextFile& list_;
  uint64_t n_asked_ = 0;
  MissingCounts counts_;
};

const char* Comma(bool first) {
  return first ? "" : ",";
}

void WriteSeasons(const ShopCalendar& calendar, TextFile& file) {
  file.Print("\"seasons\": {{");
  bool first = true;
  for (const ShopCategory& category : kCategories) {
    const Season& season = category.season;
    if (season.height == 1) continue;
    file.Print("{}\n  \"{}\": {{\"peak\": \"{:02}-{:02}\", \"height\": {}, \"width_days\": {}}}", Comma(first),
               category.name, season.month, season.day, season.height, season.width_days);
    first = false;
  }
  file.Print("\n}},\n\"sales\": [");
  first = true;
  for (const ShopCalendar::Sale& sale : calendar.sales()) {
    const auto date = [](int64_t day) {
      return TimeText(ShopCalendar::kFirstSecond + day * ShopCalendar::kDaySeconds).substr(0, 10);
    };
    file.Print("{}\n  {{\"category\": \"{}\", \"first_day\": \"{}\", \"last_day\": \"{}\", \"percent\": {}}}",
               Comma(first), kCategories[static_cast<size_t>(sale.category)].name, date(sale.first_day),
               date(sale.last_day), sale.percent);
    first = false;
  }
  file.Print("\n],\n");
}

void WriteGroups(TextFile& file) {
  file.Print("\"groups\": {{");
  for (const TasteGroup& group : kGroups) {
    nlohmann::json likes;
    for (size_t c = 0; c < kShopCategories; ++c)
      if (group.likes[c] > 0) likes[kCategories[c].name] = group.likes[c];
    file.Print("{}\n  \"{}\": {}", Comma(&group == kGroups.data()), group.name, likes.dump());
  }
  file.Print("\n}},\n");
}

void WriteUser(const Shop& shop, size_t u, TextFile& file) {
  const Shop::User& user = shop.users()[u];
  file.Print("{}\n  \"{}\": {{", Comma(u == 0), shop.UserId(static_cast<int64_t>(u)));
  if (user.bot) {
    file.Print("\"bot\": true}}");
    return;
  }
  file.Print("\"style\": \"{}\", \"groups\": {{", kStyles[static_cast<size_t>(user.style)].name);
  for (size_t g = 0; g < std::size(user.groups) && user.groups[g].weight > 0; ++g)
    file.Print("{}\"{}\": {:.4f}", g == 0 ? "" : ", ", kGroups[static_cast<size_t>(user.groups[g].group)].name,
               user.groups[g].weight);
  file.Print("}}}}");
}

}  // namespace

MissingCounts WriteItems(const Shop& shop, double missing_rate, const fs::path& path, TextFile& missing_file) {
  TextFile file(path);
  MissingValues missing(shop.options().seed, kItemStream, missing_rate, path.filename().string(), missing_file);
  file.Print("item_id,name,category,price,margin,brand,tags,in_stock,released,description\n");
  for (size_t i = 0; i < shop.items().size(); ++i) {
    const Shop::Item& item = shop.items()[i];
    const ItemText text = DescribeItem(shop, static_cast<int64_t>(i));
    const std::string brand = missing.Field(i, "brand", text.brand);
    const std::string tags = missing.Field(i, "tags", text.tags);
    const std::string description = missing.Field(i, "description", text.description);
    file.Print("{},{},{},{}.{:02},0.{:02},{},{},{},{},{}\n", shop.ItemId(static_cast<int64_t>(i)), CsvField(text.name),
               text.category, item.cents / 100, item.cents % 100, text.margin, brand, tags, text.in_stock,
               TimeText(ShopCalendar::kFirstSecond + item.released), description);
  }
  file.Finish();
  return missing.counts();
}

MissingCounts WriteUsers(const Shop& shop, const ShopCalendar& calendar, double missing_rate, const fs::path& path,
                         TextFile& missing_file) {
  TextFile file(path);
  MissingValues missing(shop.options().seed, kUserStream, missing_rate, path.filename().string(), missing_file);
  file.Print("user_id,country,age_group,device,signed_up\n");
  for (size_t u = 0; u < shop.users().size(); ++u) {
    const UserText text = DescribeUser(shop, calendar, static_cast<int64_t>(u));
    const std::string country = missing.Field(u, "country", text.country);
    const std::string age_group = missing.Field(u, "age_group", text.age_group);
    const std::string device = missing.Field(u, "device", text.device);
    file.Print("{},{},{},{},{}\n", shop.UserId(static_cast<int64_t>(u)), country, age_group, device,
               TimeText(text.signed_up));
  }
  file.Finish();
  return missing.counts();
}

void WriteBots(const Shop& shop, const EventFileCounts& counts, const fs::path& path) {
  TextFile file(path);
  file.Print("user_id,n_events\n");
  for (size_t b = 0; b < shop.bots().size(); ++b)
    file.Print("{},{}\n", shop.UserId(shop.bots()[b]), counts.bot_events[b]);
  file.Finish();
}

void WriteTruth(const Shop& shop, const ShopCalendar& calendar, const nlohmann::json& head, const fs::path& path) {
  TextFile file(path);
  file.Print("{{\n");
  for (const auto& [key, value] : head.items()) file.Print("\"{}\": {},\n", key, value.dump());
  WriteGroups(file);
  WriteSeasons(calendar, file);
  file.Print("\"cold_items\": [");
  for (const int32_t item : shop.cold_items())
    file.Print("{}\n  \"{}\"", Comma(item == shop.cold_items().front()), shop.ItemId(item));
  file.Print("\n],\n\"items\": {{");
  for (size_t i = 0; i < shop.items().size(); ++i) {
    const Shop::Item& item = shop.items()[i];
    file.Print("{}\n  \"{}\": {{\"category\": \"{}\", \"style\": \"{}\"}}", Comma(i == 0),
               shop.ItemId(static_cast<int64_t>(i)), kCategories[static_cast<size_t>(item.category)].name,
               kStyles[static_cast<size_t>(item.style)].name);
  }
  file.Print("\n}},\n\"users\": {{");
  for (size_t u = 0; u < shop.users().size(); ++u) WriteUser(shop, u, file);
  file.Print("\n}}\n}}\n");
  file.Finish();
}

}  // namespace kindred
