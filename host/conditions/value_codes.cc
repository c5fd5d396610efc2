#include "host/conditions/value_codes.h"

#include <cmath>
#include <string_view>
#include <unordered_map>

#include "kernels/error.h"

namespace kindred {
namespace {

/// A code for each value, by first appearance.
template <class Value, class IsMissing>
std::vector<int32_t> CodesOf(std::span<const Value> values, const IsMissing& is_missing) {
  std::unordered_map<Value, int32_t> found;
  std::vector<int32_t> codes;
  codes.reserve(values.size());
  for (const Value& value : values)
    codes.push_back(is_missing(value) ? kMissingCode
                                      : found.try_emplace(value, static_cast<int32_t>(found.size())).first->second);
  return codes;
}

std::shared_ptr<const ValueCodes> Coded(const std::shared_ptr<const ItemColumn>& column) {
  const Column& values = column->column();
  const auto coded = std::make_shared<ValueCodes>();
  coded->column = column;
  switch (column->type()) {
    case AttributeType::kCategory:
      coded->codes = values.codes;
      return coded;
    case AttributeType::kTags:
      throw Error(ErrorCode::kInvalidArgument,
                  "found tags, of which an item may have several; expected an attribute of one value");
    case AttributeType::kNumber:
      coded->own = CodesOf(values.reals, [](double value) { return std::isnan(value); });
      break;
    case AttributeType::kBoolean:
      coded->own = CodesOf(values.booleans, [](uint8_t value) { return value == kMissingBoolean; });
      break;
    case AttributeType::kTime:
      coded->own = CodesOf(values.integers, [](int64_t value) { return value == kMissingInteger; });
      break;
    case AttributeType::kText:
      coded->own = CodesOf(values.texts, [](std::string_view value) { return value.empty(); });
      break;
  }
  coded->codes = coded->own;
  return coded;
}

}  // namespace

std::shared_ptr<const ValueCodes> ValueCodesCache::Of(const std::shared_ptr<const ItemColumn>& column) const {
  {
    const std::lock_guard lock(mutex_);
    const auto kept = newest_.find(column->name());
    if (kept != newest_.end() && kept->second->column == column) return kept->second;
  }
  // Others are not to wait meanwhile; those who ask for the same do it too, and the first is kept.
  std::shared_ptr<const ValueCodes> coded = Coded(column);
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const ValueCodes>& newest = newest_[column->name()];
  if (newest == nullptr || newest->column->version() < column->version()) newest = coded;
  return newest->column == column ? newest : coded;
}

}  // namespace kindred
