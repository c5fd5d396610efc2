#include "host/conditions/filter_cache.h"

#include <utility>

namespace kindred {
namespace {

/// What a parsed filter takes: a few times its text, and something.
int64_t CostOf(std::string_view text) {
  return 2048 + 32 * static_cast<int64_t>(text.size());
}

}  // namespace

FilterCache::FilterCache(AttributeTable users, std::shared_ptr<const void> keep, const FilterCacheOptions& options)
    : users_(std::move(users)),
      keep_(std::move(keep)),
      filters_(options.max_filter_bytes),
      let_through_(options.max_bitmap_bytes) {}

BoundFilter FilterCache::Bind(std::string_view text, const ItemTable& items, const FilterInputs& inputs) {
  static const RequestContext kNone;
  const RequestContext& context = inputs.context ? *inputs.context : kNone;
  std::string name;
  const auto add = [&name](std::string_view part) {
    name.append(std::to_string(part.size())).append(" ").append(part);
  };
  add(text);
  for (const auto& [key, value] : context) {
    add(key);
    name += "-nbtl"[value.index()];
  }
  std::shared_ptr<const Filter> filter = filters_.Find(name);
  if (!filter) {
    filter = std::make_shared<const Filter>(Filter::Compile(text, items, users_, context));
    const int64_t cost = CostOf(name);
    filter = filters_.Keep(std::move(name), std::move(filter), cost);
  }
  std::string key = filter->Key(users_, inputs);
  return {std::move(filter), inputs, std::move(key)};
}

std::shared_ptr<const ItemBits> FilterCache::Eligible(const BoundFilter& filter, const ItemTable& items) {
  std::vector<uint64_t> columns = filter.filter->ColumnsIn(items);
  if (const auto found = let_through_.Find(filter.key); found && found->columns == columns) return found->items;
  const auto made = std::make_shared<const LetThrough>(
      std::move(columns), std::make_shared<const ItemBits>(filter.filter->Evaluate(items, users_, filter.inputs)));
  const auto kept = let_through_.Keep(filter.key, made, made->items->bytes(),
                                      [&](const LetThrough& other) { return other.columns < made->columns; });
  return (kept->columns == made->columns ? kept : made)->items;
}

}  // namespace kindred
