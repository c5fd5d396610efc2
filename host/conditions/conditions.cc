#include "host/conditions/conditions.h"

#include <utility>

namespace kindred {
namespace {

/// What a parsed filter takes beside its name: a few times its text, and something.
int64_t CostOf(std::string_view text) {
  return 2048 + 32 * static_cast<int64_t>(text.size());
}

}  // namespace

Conditions::Conditions(const AttributeTable& items, const AttributeTable& users,
                       const std::shared_ptr<const void>& keep, const ConditionsOptions& options)
    : users_(users),
      keep_(keep),
      items_(ItemTable::From(items, keep)),
      filters_(options.max_filter_bytes),
      bitmaps_(options.max_bitmap_bytes) {}

std::shared_ptr<const ItemTable> Conditions::items() const {
  const std::lock_guard lock(mutex_);
  return items_;
}

void Conditions::Replace(std::shared_ptr<const ItemTable> items) {
  {
    const std::lock_guard lock(mutex_);
    items_.swap(items);
  }
  bitmaps_.Clear();  // a late one of before has its epoch in its name
}

BoundFilter Conditions::Bind(std::string_view text, const FilterInputs& inputs) const {
  static const RequestContext kNone;
  const RequestContext& context = inputs.context ? *inputs.context : kNone;
  std::string name = std::to_string(text.size()).append(1, ' ').append(text);
  for (const auto& [key, value] : context) name.append(1, '\0').append(key).append({'\0', "-nbtl"[value.index()]});
  std::shared_ptr<const Filter> filter = filters_.Find(name);
  if (!filter) {
    filter = std::make_shared<const Filter>(Filter::Compile(text, *items(), users_, context));
    const int64_t cost = CostOf(name);
    filter = filters_.Keep(std::move(name), std::move(filter), cost);
  }
  std::string key = filter->Key(users_, inputs);
  return {std::move(filter), inputs, std::move(key)};
}

std::shared_ptr<const ItemBits> Conditions::Eligible(const BoundFilter& filter) const {
  const std::shared_ptr<const ItemTable> items = this->items();
  std::string name = std::to_string(items->epoch()) + ' ' + filter.key;
  if (std::shared_ptr<const ItemBits> found = bitmaps_.Find(name)) return found;
  auto bits = std::make_shared<const ItemBits>(filter.filter->Evaluate(*items, users_, filter.inputs));
  const int64_t cost = bits->bytes() + std::ssize(name);
  return bitmaps_.Keep(std::move(name), std::move(bits), cost);
}

}  // namespace kindred
