#include "host/conditions/item_column.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "host/text/text.h"
#include "host/text/time_format.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr double kMissingNumber = std::numeric_limits<double>::quiet_NaN();

[[noreturn]] void Refuse(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, message);
}

[[noreturn]] void RefuseKind(const AttributeValue& value, const char* expected) {
  Refuse(fmt::format("found {}; expected {}", KindOf(value), expected));
}

/// Missing texts are empty.
const std::string& TextOf(const AttributeValue& value) {
  static const std::string kNone;
  const auto* text = std::get_if<std::string>(&value);
  return text ? *text : kNone;
}

void CheckText(const std::string& text) {
  if (!IsUtf8(text)) Refuse(fmt::format("found '{}'; expected UTF-8", Printable(text)));
}

double NumberOf(const AttributeValue& value) {
  const auto* number = std::get_if<double>(&value);
  if (number == nullptr) return kMissingNumber;
  if (std::isinf(*number)) Refuse(fmt::format("found {}; expected a finite number", *number));
  return *number;
}

uint8_t BooleanOf(const AttributeValue& value) {
  const auto* boolean = std::get_if<bool>(&value);
  return boolean ? static_cast<uint8_t>(*boolean) : kMissingBoolean;
}

int64_t TimeOf(const AttributeValue& value) {
  static const TimeFormat kFormat("iso8601");
  if (const auto* number = std::get_if<double>(&value)) {
    if (std::isnan(*number)) return kMissingInteger;
    if (!(*number >= static_cast<double>(kFirstTime) && *number <= static_cast<double>(kLastTime)) ||
        *number != std::floor(*number))
      Refuse(fmt::format("found {}; expected whole unix seconds of the years 1 to 9999", *number));
    return static_cast<int64_t>(*number);
  }
  const std::string& text = TextOf(value);
  if (text.empty()) return kMissingInteger;
  int64_t seconds = 0;
  if (kFormat.Read(text, &seconds, nullptr) != nullptr)
    Refuse(fmt::format("found '{}'; expected unix seconds or a time such as 2024-11-24T16:00:00Z", Printable(text)));
  return seconds;
}

/// Without empty ones and repetitions.
std::vector<std::string_view> TagsOf(const AttributeValue& value) {
  std::vector<std::string_view> tags;
  const auto* list = std::get_if<std::vector<std::string>>(&value);
  if (list == nullptr) return tags;
  std::unordered_set<std::string_view> seen;
  for (const std::string& tag : *list)
    if (!tag.empty() && seen.insert(tag).second) tags.push_back(tag);
  return tags;
}

/// The dictionary of a column that gets values it may not have yet.
class Dictionary {
 public:
  Dictionary(std::vector<std::string_view>& views, SharedTexts& strings) : views_(views), strings_(strings) {
    for (size_t code = 0; code < views.size(); ++code) codes_.emplace(views[code], static_cast<int32_t>(code));
  }

  int32_t CodeOf(std::string_view text) {
    if (const auto found = codes_.find(text); found != codes_.end()) return found->second;
    auto kept = std::make_shared<const std::string>(text);
    const auto code = static_cast<int32_t>(views_.size());
    views_.push_back(*kept);
    codes_.emplace(*kept, code);
    strings_.Set(code, std::move(kept));
    return code;
  }

 private:
  std::vector<std::string_view>& views_;
  SharedTexts& strings_;
  std::unordered_map<std::string_view, int32_t> codes_;
};

/// `text_at` gives the texts: of rows, or of the dictionary's entries.
template <class TextAt>
AttributeValue ReadValue(const Column& from, AttributeType type, int64_t row, const TextAt& text_at) {
  const auto i = static_cast<size_t>(row);
  const auto text = [](std::string_view found) {
    return found.empty() ? AttributeValue() : AttributeValue(std::string(found));
  };
  switch (type) {
    case AttributeType::kNumber:
      return std::isnan(from.reals[i]) ? AttributeValue() : AttributeValue(from.reals[i]);
    case AttributeType::kBoolean:
      return from.booleans[i] == kMissingBoolean ? AttributeValue() : AttributeValue(from.booleans[i] == 1);
    case AttributeType::kTime:
      return from.integers[i] == kMissingInteger ? AttributeValue()
                                                 : AttributeValue(static_cast<double>(from.integers[i]));
    case AttributeType::kText:
      return text(text_at(row));
    case AttributeType::kCategory:
      return from.codes[i] == kMissingCode ? AttributeValue() : text(text_at(from.codes[i]));
    case AttributeType::kTags:
      break;
  }
  std::vector<std::string> tags;
  for (auto at = static_cast<size_t>(from.indptr[i]); at < static_cast<size_t>(from.indptr[i + 1]); ++at)
    tags.emplace_back(text_at(from.codes[at]));
  return tags.empty() ? AttributeValue() : AttributeValue(std::move(tags));
}

/// All of the column but its texts.
Column WithoutTexts(AttributeColumn column) {
  column.texts = column.dictionary = {};
  std::vector<std::string_view> none;
  return AttributeTable(0, {std::move(column)}).AsColumn(0, none);
}

uint64_t NewVersion() {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}

/// Those of the rows, or of the dictionary.
const TextsView& TextsIn(const AttributeColumn& column) {
  return column.type == AttributeType::kText ? column.texts : column.dictionary;
}

}  // namespace

AttributeValue ValueOf(const AttributeColumn& column, int64_t row) {
  const TextsView& texts = TextsIn(column);
  return ReadValue(WithoutTexts(column), column.type, row, [&](int64_t place) { return texts[place]; });
}

const char* KindOf(const AttributeValue& value) {
  static constexpr const char* kNames[] = {"nothing", "a number", "a boolean", "a text", "a list of texts"};
  return kNames[value.index()];
}

ItemColumn::ItemColumn(const AttributeColumn& from, std::shared_ptr<const void> keep)
    : version_(NewVersion()),
      name_(from.name),
      type_(from.type),
      keep_(std::move(keep)),
      texts_(TextsIn(from)),
      column_(WithoutTexts(from)) {}

ItemColumn::ItemColumn(const ItemColumn& from, Changed)
    : version_(NewVersion()), name_(from.name_), type_(from.type_), keep_(from.keep_), strings_(from.strings_) {
  const Column& before = from.column();
  const auto own = []<class T>(std::vector<T>& to, std::span<const T> values) {
    to.assign(values.begin(), values.end());
    return std::span<const T>(to);
  };
  views_ = from.views_;
  column_.type = before.type;
  column_.reals = own(numbers_, before.reals);
  column_.booleans = own(booleans_, before.booleans);
  column_.integers = own(times_, before.integers);
  column_.codes = own(codes_, before.codes);
  column_.indptr = own(indptr_, before.indptr);
}

const Column& ItemColumn::column() const {
  std::call_once(views_once_, [this] {
    for (int64_t i = 0; i < texts_.size(); ++i) views_.push_back(texts_[i]);
    if (type_ == AttributeType::kText)
      column_.texts = views_;
    else
      column_.dictionary = views_;
  });
  return column_;
}

void ItemColumn::Check(const AttributeValue& value) const {
  if (std::holds_alternative<std::monostate>(value)) return;
  const bool is_text = std::holds_alternative<std::string>(value);
  switch (type_) {
    case AttributeType::kNumber:
      if (!std::holds_alternative<double>(value)) RefuseKind(value, "a number");
      NumberOf(value);
      break;
    case AttributeType::kBoolean:
      if (!std::holds_alternative<bool>(value)) RefuseKind(value, "a boolean");
      break;
    case AttributeType::kTime:
      if (!is_text && !std::holds_alternative<double>(value)) RefuseKind(value, "a time");
      TimeOf(value);
      break;
    case AttributeType::kCategory:
    case AttributeType::kText:
      if (!is_text) RefuseKind(value, "a text");
      CheckText(TextOf(value));
      break;
    case AttributeType::kTags: {
      const auto* list = std::get_if<std::vector<std::string>>(&value);
      if (list == nullptr) RefuseKind(value, "a list of texts");
      for (const std::string& tag : *list) {
        CheckText(tag);
        if (tag.find('|') != std::string::npos)
          Refuse(fmt::format("found the tag '{}'; expected tags without '|'", Printable(tag)));
      }
    }
  }
}

std::shared_ptr<const ItemColumn> ItemColumn::With(std::span<const Change> changes) const {
  const std::shared_ptr<ItemColumn> changed(new ItemColumn(*this, Changed()));
  const auto each = [&](auto& values, const auto& read) {
    for (const auto& [item, value] : changes) values[static_cast<size_t>(item)] = read(*value);
  };
  switch (type_) {
    case AttributeType::kNumber:
      each(changed->numbers_, &NumberOf);
      break;
    case AttributeType::kBoolean:
      each(changed->booleans_, &BooleanOf);
      break;
    case AttributeType::kTime:
      each(changed->times_, &TimeOf);
      break;
    case AttributeType::kText:
      for (const auto& [item, value] : changes) {
        const std::string& text = TextOf(*value);
        auto kept = text.empty() ? nullptr : std::make_shared<const std::string>(text);
        changed->views_[static_cast<size_t>(item)] = kept ? *kept : std::string_view();
        changed->strings_.Set(item, std::move(kept));
      }
      break;
    case AttributeType::kCategory:
      changed->ChangeCategories(changes);
      changed->DropUnusedEntries();
      break;
    case AttributeType::kTags:
      changed->ChangeTags(changes);
      changed->DropUnusedEntries();
  }
  return changed;
}

void ItemColumn::ChangeCategories(std::span<const Change> changes) {
  Dictionary dictionary(views_, strings_);
  for (const auto& [item, value] : changes) {
    const std::string& text = TextOf(*value);
    codes_[static_cast<size_t>(item)] = text.empty() ? kMissingCode : dictionary.CodeOf(text);
  }
}

void ItemColumn::ChangeTags(std::span<const Change> changes) {
  Dictionary dictionary(views_, strings_);
  std::map<int32_t, const AttributeValue*> last;
  for (const auto& [item, value] : changes) last[item] = value;
  const std::vector<int64_t> before = std::move(indptr_);
  const std::vector<int32_t> codes_before = std::move(codes_);
  indptr_ = {0};
  indptr_.reserve(before.size());
  codes_.clear();
  codes_.reserve(codes_before.size());
  const auto copy_up_to = [&](size_t item) {  // the items from the next one on that did not change
    const size_t first = indptr_.size() - 1;
    const int64_t shift = indptr_.back() - before[first];
    codes_.insert(codes_.end(), codes_before.begin() + before[first], codes_before.begin() + before[item]);
    for (size_t i = first + 1; i <= item; ++i) indptr_.push_back(before[i] + shift);
  };
  for (const auto& [item, value] : last) {
    copy_up_to(static_cast<size_t>(item));
    for (const std::string_view tag : TagsOf(*value)) codes_.push_back(dictionary.CodeOf(tag));
    indptr_.push_back(std::ssize(codes_));
  }
  copy_up_to(before.size() - 1);
  column_.indptr = indptr_;
  column_.codes = codes_;
}

/// Values that come and go would else let the dictionary grow for as long as a server runs.
void ItemColumn::DropUnusedEntries() {
  constexpr size_t kSpare = 1024;
  if (views_.size() <= codes_.size() + kSpare) return;
  std::vector<int32_t> places(views_.size(), kMissingCode);
  for (const int32_t code : codes_)
    if (code != kMissingCode) places[static_cast<size_t>(code)] = 0;
  std::vector<std::string_view> views;
  SharedTexts strings;
  for (size_t code = 0; code < places.size(); ++code) {
    if (places[code] == kMissingCode) continue;
    places[code] = static_cast<int32_t>(views.size());
    strings.Set(places[code], strings_.At(static_cast<int64_t>(code)));
    views.push_back(views_[code]);
  }
  for (int32_t& code : codes_)
    if (code != kMissingCode) code = places[static_cast<size_t>(code)];
  views_ = std::move(views);
  strings_ = std::move(strings);
}

AttributeValue ItemColumn::Value(int64_t item) const {
  const Column& from = column();
  return ReadValue(from, type_, item, [&](int64_t place) { return views_[static_cast<size_t>(place)]; });
}

}  // namespace kindred
