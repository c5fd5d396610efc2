#include "host/conditions/filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <limits>

#include "host/expression/diagnostic.h"
#include "host/expression/syntax.h"
#include "host/text/edit_distance.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr std::string_view kUser = "user.", kContext = "context.";

/// Rows that are evaluated at a time: what is one value for all of them is spread over so many and no more.
constexpr int64_t kRows = 1 << 12;  // of whole words of bits

ColumnType TypeOf(AttributeType type) {
  switch (type) {
    case AttributeType::kNumber:
      return ColumnType::kNumber;
    case AttributeType::kBoolean:
      return ColumnType::kBoolean;
    case AttributeType::kTime:
      return ColumnType::kTime;
    case AttributeType::kTags:
      return ColumnType::kTags;
    case AttributeType::kCategory:
    case AttributeType::kText:
      break;
  }
  return ColumnType::kText;
}

/// kUntyped of a missing value, as every use of it gives the same.
ColumnType TypeOf(const std::string& name, const AttributeValue& value) {
  if (std::holds_alternative<std::monostate>(value)) return ColumnType::kUntyped;
  if (std::holds_alternative<double>(value)) return ColumnType::kNumber;
  if (std::holds_alternative<bool>(value)) return ColumnType::kBoolean;
  if (std::holds_alternative<std::string>(value)) return ColumnType::kText;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("context.{}: found {}; expected a number, text or boolean", Printable(name), KindOf(value)));
}

/// A column with the same value in every row.
class Constant {
 public:
  Constant(ColumnType type, const AttributeValue& value, int64_t n_rows) : value_(value) {
    const auto n = static_cast<size_t>(n_rows);
    column_.type = type;
    switch (type) {
      case ColumnType::kNumber:
      case ColumnType::kTime:
        reals_.assign(n, std::holds_alternative<double>(value_) ? std::get<double>(value_)
                                                                : std::numeric_limits<double>::quiet_NaN());
        column_.reals = reals_;
        break;
      case ColumnType::kBoolean:
        booleans_.assign(n, std::holds_alternative<bool>(value_) ? uint8_t{std::get<bool>(value_)} : kMissingBoolean);
        column_.booleans = booleans_;
        break;
      case ColumnType::kTags:
        SpreadTags(n);
        break;
      case ColumnType::kText:
      case ColumnType::kUntyped:
        texts_.assign(n, std::holds_alternative<std::string>(value_) ? std::string_view(std::get<std::string>(value_))
                                                                     : std::string_view());
        column_.texts = texts_;
    }
  }
  Constant(const Constant&) = delete;
  Constant& operator=(const Constant&) = delete;

  const Column& column() const { return column_; }

 private:
  void SpreadTags(size_t n) {
    if (const auto* tags = std::get_if<std::vector<std::string>>(&value_)) texts_.assign(tags->begin(), tags->end());
    indptr_ = {0};
    for (size_t row = 0; row < n; ++row) {
      for (size_t tag = 0; tag < texts_.size(); ++tag) codes_.push_back(static_cast<int32_t>(tag));
      indptr_.push_back(std::ssize(codes_));
    }
    column_.dictionary = texts_;
    column_.codes = codes_;
    column_.indptr = indptr_;
  }

  AttributeValue value_;
  Column column_;
  std::vector<double> reals_;
  std::vector<uint8_t> booleans_;
  std::vector<std::string_view> texts_;
  std::vector<int32_t> codes_;
  std::vector<int64_t> indptr_;
};

/// Bytes of 0 and 1 as bits, from bit 0 of the first word on.
void Pack(std::span<const uint8_t> bytes, uint64_t* words) {
  for (size_t i = 0; i < bytes.size(); i += 8) {
    uint64_t eight = 0;
    std::memcpy(&eight, bytes.data() + i, std::min<size_t>(8, bytes.size() - i));
    // Byte k moves its bit to bit 56 + k; no two meet.
    words[i / 64] |= (eight * 0x0102040810204080u >> 56) << (i % 64);
  }
}

/// The first attribute, as it stands in the text, that `is_meant` holds for; null where there is none.
template <class IsMeant>
const Node* FirstAttribute(const std::vector<Node>& nodes, const IsMeant& is_meant) {
  const Node* first = nullptr;
  for (const Node& node : nodes)
    if (node.kind == NodeKind::kAttribute && is_meant(node.name) && (first == nullptr || node.at < first->at))
      first = &node;
  return first;
}

/// The first name of an item's attribute has nothing to be the nearest to where a version has none.
void RefuseAttributesOfItems(std::string_view text) {
  const std::vector<Node> nodes = Parse(text).nodes;
  const Node* first = FirstAttribute(
      nodes, [](std::string_view name) { return !name.starts_with(kUser) && !name.starts_with(kContext); });
  if (first != nullptr)
    FailAt(text, first->at,
           fmt::format("unknown attribute '{}' (the version keeps no attributes of items: prepare the dataset with "
                       "--items, and train again)",
                       Printable(first->name)));
}

/// The nearest to a name that the context lacks is to be sought there, and not among attributes.
void RefuseUnknownContext(std::string_view text, const RequestContext& context) {
  const std::vector<Node> nodes = Parse(text).nodes;
  const Node* first = FirstAttribute(nodes, [&](const std::string& name) {
    return name.starts_with(kContext) && !context.contains(name.substr(kContext.size()));
  });
  if (first == nullptr) return;
  std::vector<std::string_view> names;
  for (const auto& [name, value] : context) names.push_back(name);
  const int nearest = NearestName(std::string_view(first->name).substr(kContext.size()), names);
  FailAt(text, first->at,
         fmt::format("unknown attribute '{}'; {}", Printable(first->name),
                     names.empty() ? "the request has no context"
                     : nearest < 0 ? "the request's context has no such name"
                                   : fmt::format("the nearest is 'context.{}' in the request's context",
                                                 Printable(names[static_cast<size_t>(nearest)]))));
}

void Append(const AttributeValue& value, std::string& key) {
  const auto bytes = [&key](std::string_view of) {
    const size_t size = of.size();
    key.append(reinterpret_cast<const char*>(&size), sizeof(size)).append(of);
  };
  key += static_cast<char>(value.index());
  if (const auto* number = std::get_if<double>(&value))
    key.append(reinterpret_cast<const char*>(number), sizeof(*number));
  else if (const auto* boolean = std::get_if<bool>(&value))
    key += *boolean ? '1' : '0';
  else if (const auto* text = std::get_if<std::string>(&value))
    bytes(*text);
  else if (const auto* tags = std::get_if<std::vector<std::string>>(&value)) {
    key.append(std::to_string(tags->size()));
    for (const std::string& tag : *tags) bytes(tag);
  }
}

}  // namespace

/// The names that a filter may use. Their texts are kept here.
struct Filter::Schema {
  void Add(std::string name, Operand operand) {
    columns.push_back({names.emplace_back(std::move(name)), operand.type});
    operands.push_back(std::move(operand));
  }

  Schema(const ItemTable& items, const AttributeTable& users) {
    for (int64_t k = 0; k < std::ssize(items.columns()); ++k) {
      const ItemColumn& column = *items.columns()[static_cast<size_t>(k)];
      if (column.name().starts_with(kUser) || column.name().starts_with(kContext)) continue;
      Add(column.name(), {Operand::Of::kItem, k, {}, TypeOf(column.type())});
    }
    for (int64_t k = 0; k < std::ssize(users.columns()); ++k) {
      const AttributeColumn& column = users.columns()[static_cast<size_t>(k)];
      Add(std::string(kUser) + column.name, {Operand::Of::kUser, k, {}, TypeOf(column.type)});
    }
  }

  std::deque<std::string> names;
  std::vector<ColumnInfo> columns;
  std::vector<Operand> operands;
};

Filter Filter::Compile(std::string_view text, const ItemTable& items, const AttributeTable& users,
                       const RequestContext& context) {
  RefuseUnknownContext(text, context);
  if (items.columns().empty()) RefuseAttributesOfItems(text);
  Schema schema(items, users);
  for (const auto& [name, value] : context)
    schema.Add(std::string(kContext) + name, {Operand::Of::kContext, 0, name, TypeOf(name, value)});
  Expression expression = Expression::CompileCondition(text, schema.columns);
  std::vector<Operand> operands;
  for (const int column : expression.columns()) operands.push_back(schema.operands[static_cast<size_t>(column)]);
  return {std::move(expression), std::move(operands)};
}

Filter Filter::CompileForAnyContext(std::string_view text, const ItemTable& items, const AttributeTable& users) {
  RequestContext context;
  for (const Node& node : Parse(text).nodes)
    if (node.kind == NodeKind::kAttribute && node.name.starts_with(kContext))
      context.emplace(node.name.substr(kContext.size()), AttributeValue());
  return Compile(text, items, users, context);
}

AttributeValue Filter::ValueOf(const Operand& operand, const AttributeTable& users, const FilterInputs& inputs) {
  if (operand.of == Operand::Of::kUser)
    return inputs.user < 0 ? AttributeValue()
                           : kindred::ValueOf(users.columns()[static_cast<size_t>(operand.place)], inputs.user);
  if (inputs.context == nullptr) return {};
  const auto found = inputs.context->find(operand.name);
  return found == inputs.context->end() ? AttributeValue() : found->second;
}

std::vector<uint64_t> Filter::ColumnsIn(const ItemTable& items) const {
  std::vector<uint64_t> versions;
  for (const Operand& operand : operands_)
    if (operand.of == Operand::Of::kItem)
      versions.push_back(items.columns()[static_cast<size_t>(operand.place)]->version());
  return versions;
}

std::string Filter::Key(const AttributeTable& users, const FilterInputs& inputs) const {
  std::string key = std::to_string(text().size()) + ' ' + text();
  if (expression_.uses_now()) key += std::to_string(inputs.now) + ' ';
  for (const Operand& operand : operands_)
    if (operand.of != Operand::Of::kItem) Append(ValueOf(operand, users, inputs), key);
  return key;
}

ItemBits Filter::Evaluate(const ItemTable& items, const AttributeTable& users, const FilterInputs& inputs) const {
  const int64_t n_items = items.n_items();
  ItemBits bits(n_items);
  std::deque<Constant> constants;
  std::vector<const Column*> whole;
  for (const Operand& operand : operands_)
    whole.push_back(
        operand.of == Operand::Of::kItem
            ? &items.columns()[static_cast<size_t>(operand.place)]->column()
            : &constants.emplace_back(operand.type, ValueOf(operand, users, inputs), std::min(n_items, kRows))
                   .column());
  Evaluator evaluator(expression_, static_cast<double>(inputs.now));
  std::vector<uint8_t> let_through(static_cast<size_t>(std::min(n_items, kRows)));
  std::vector<Column> columns(whole.size());
  std::vector<RowError> errors;  // there are none: what is untyped is missing
  for (int64_t first = 0; first < n_items; first += kRows) {
    const int64_t n = std::min(kRows, n_items - first);
    for (size_t k = 0; k < whole.size(); ++k)
      columns[k] = RowsOf(*whole[k], operands_[k].of == Operand::Of::kItem ? first : 0, n);
    evaluator.Select(columns, n, let_through, errors);
    Pack({let_through.data(), static_cast<size_t>(n)}, bits.words.data() + first / 64);
  }
  bits.Count();
  return bits;
}

}  // namespace kindred
