#include "host/conditions/filter_cache.h"

#include <utility>

namespace kindred {
namespace {

/// What a parsed filter takes beside its name: a few times its text, and something.
int64_t CostOf(std::string_view text) {
  return 2048 + 32 * static_cast<int64_t>(text.size());
}

}  // namespace

FilterCache::FilterCache(AttributeTable users, std::shared_ptr<const void> keep, const FilterCacheOptions& options)
    : users_(std::move(users)),
      keep_(std::move(keep)),
      filters_(options.max_filter_bytes),
      bitmaps_(options.max_bitmap_bytes) {}

BoundFilter FilterCache::Bind(std::string_view text, const ItemTable& items, const FilterInputs& inputs) {
  static const RequestContext kNone;
  const RequestContext& context = inputs.context ? *inputs.context : kNone;
  std::string name = std::to_string(text.size()).append(1, ' ').append(text);
  for (const auto& [key, value] : context) name.append(key).append({'\0', "-nbtl"[value.index()]});
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
  ForgetBefore(items.epoch());
  std::string name = std::to_string(items.epoch()) + ' ' + filter.key;
  if (std::shared_ptr<const ItemBits> found = bitmaps_.Find(name)) return found;
  auto bits = std::make_shared<const ItemBits>(filter.filter->Evaluate(items, users_, filter.inputs));
  const int64_t cost = bits->bytes() + std::ssize(name);
  return bitmaps_.Keep(std::move(name), std::move(bits), cost);
}

void FilterCache::ForgetBefore(uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  if (epoch <= epoch_) return;
  epoch_ = epoch;
  bitmaps_.Clear();
}

}  // namespace kindred
