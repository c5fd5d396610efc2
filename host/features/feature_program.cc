#include "host/features/feature_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/expression/expression.h"
#include "host/expression/syntax.h"
#include "host/features/feature_kinds.h"
#include "host/features/feature_state.h"
#include "host/models/model.h"
#include "host/text/edit_distance.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

std::string Nearest(std::string_view written, const AttributeTable& table) {
  std::vector<std::string_view> names;
  for (const AttributeColumn& column : table.columns()) names.push_back(column.name);
  const int nearest = NearestName(written, names);
  return nearest < 0 ? std::string()
                     : fmt::format("; the nearest known is '{}'", Printable(names[static_cast<size_t>(nearest)]));
}

/// Numbers, booleans and times as doubles.
std::vector<double> NumbersOf(const AttributeColumn& column) {
  if (column.type == AttributeType::kNumber) return {column.numbers.begin(), column.numbers.end()};
  std::vector<double> numbers;
  if (column.type == AttributeType::kBoolean)
    for (const uint8_t value : column.booleans) numbers.push_back(value == kMissingBoolean ? kMissing : value);
  else
    for (const int64_t time : column.times)
      numbers.push_back(time == kMissingInteger ? kMissing : static_cast<double>(time));
  return numbers;
}

/// Gathers what the declarations name of a dataset and a store.
class Compiler {
 public:
  Compiler(const FeatureSpec& spec, const Dataset& dataset, const ModelStore* store)
      : dataset_(dataset), store_(store), state_(std::make_shared<FeatureState>()) {
    state_->spec = spec;
    state_->type_names = dataset.event_types();
    state_->has_times = !dataset.events().times.empty() || dataset.events().size() == 0;
    state_->n_items = dataset.items().size();
    state_->n_users = dataset.users().size();
  }

  std::shared_ptr<const FeatureState> Compile() {
    SetReference();
    for (FeatureDeclaration& declared : state_->spec.features) Gather(declared);
    state_->Link();
    return std::move(state_);
  }

 private:
  void SetReference() {
    const std::span<const int64_t> times = dataset_.events().times;
    if (times.empty()) return;
    const auto [first, last] = std::minmax_element(times.begin(), times.end());
    first_time_ = *first;
    state_->reference = state_->spec.reference.value_or(*last);
    if (state_->reference < first_time_)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("all events are later than the reference, {}: the first is of {}",
                              Print(Literal{ValueType::kTime, static_cast<double>(state_->reference)}),
                              Print(Literal{ValueType::kTime, static_cast<double>(first_time_)})));
  }

  void Gather(FeatureDeclaration& declared) {
    const FeatureKindInfo& info = InfoOf(declared.kind);
    if (!declared.where.empty()) AddCondition(declared);
    if (info.of == FeatureOf::kItemNumber && !declared.of.empty()) AddItemNumbers(declared);
    if (info.of == FeatureOf::kItemValues && !declared.of.empty()) AddItemValues(declared);
    if (info.of == FeatureOf::kUser) AddUserNumbers(declared);
    if (declared.kind == FeatureKind::kFactors) AddFactors(declared);
    if (declared.kind == FeatureKind::kCategoryShares) SetShares(declared);
    if (declared.window && !dataset_.events().times.empty() && state_->reference - *declared.window < first_time_)
      Warn(declared, fmt::format("its window of {:.4g} days is longer than the data, which begin {:.4g} days before "
                                 "the reference",
                                 static_cast<double>(*declared.window) / 86400,
                                 static_cast<double>(state_->reference - first_time_) / 86400));
  }

  void Warn(const FeatureDeclaration& declared, const std::string& what) {
    state_->warnings.push_back(fmt::format("feature '{}': {}", declared.name, what));
  }

  void AddCondition(const FeatureDeclaration& declared) {
    for (const ItemCondition& there : state_->conditions)
      if (there.where == declared.where) return;
    const AttributeTable& table = dataset_.item_attributes();
    std::vector<ColumnInfo> schema;
    std::vector<std::vector<std::string_view>> texts(table.columns().size());
    std::vector<Column> columns;
    for (size_t k = 0; k < texts.size(); ++k) {
      columns.push_back(table.AsColumn(static_cast<int64_t>(k), texts[k]));
      schema.push_back({table.columns()[k].name, columns.back().type});
    }
    std::vector<uint8_t> holds(static_cast<size_t>(state_->n_items));
    try {
      Evaluator evaluator(Expression::CompileCondition(declared.where, schema), static_cast<double>(state_->reference));
      std::vector<Column> read;
      for (const int column : evaluator.expression().columns()) read.push_back(columns[static_cast<size_t>(column)]);
      std::vector<RowError> errors;  // none: the columns have types
      evaluator.Select(read, state_->n_items, holds, errors);
    } catch (const Error& error) {
      RefuseFeature(declared, fmt::format("where: {}", error.what()));
    }
    if (std::ranges::count(holds, 1) == 0) Warn(declared, "its condition holds for no item");
    state_->conditions.push_back({declared.where, FeatureArray<uint8_t>(std::move(holds))});
  }

  const AttributeColumn& Attribute(const FeatureDeclaration& declared, const AttributeTable& table, const char* whose,
                                   std::initializer_list<AttributeType> types, const char* expected) const {
    const int64_t k = table.Find(declared.of);
    if (k < 0)
      RefuseFeature(declared, fmt::format("there is no attribute '{}' of {}{}", Printable(declared.of), whose,
                                          Nearest(declared.of, table)));
    const AttributeColumn& column = table.columns()[static_cast<size_t>(k)];
    if (std::find(types.begin(), types.end(), column.type) == types.end())
      RefuseFeature(declared, fmt::format("the attribute '{}' of {} is of type {}; expected {}", Printable(declared.of),
                                          whose, AttributeTypeName(column.type), expected));
    return column;
  }

  void AddItemNumbers(const FeatureDeclaration& declared) {
    for (const ItemNumbers& there : state_->numbers)
      if (there.of == declared.of) return;
    const AttributeColumn& column = Attribute(declared, dataset_.item_attributes(), "items",
                                              {AttributeType::kNumber, AttributeType::kBoolean}, "number or boolean");
    state_->numbers.push_back({declared.of, FeatureArray<double>(NumbersOf(column))});
  }

  void AddItemValues(const FeatureDeclaration& declared) {
    for (const ItemValues& there : state_->values)
      if (there.of == declared.of) return;
    const AttributeColumn& column = Attribute(declared, dataset_.item_attributes(), "items",
                                              {AttributeType::kCategory, AttributeType::kTags}, "category or tags");
    ItemValues values;
    values.of = declared.of;
    if (column.type == AttributeType::kTags)
      values.indptr = FeatureArray<int64_t>(std::vector<int64_t>(column.indptr.begin(), column.indptr.end()));
    values.codes = FeatureArray<int32_t>(std::vector<int32_t>(column.codes.begin(), column.codes.end()));
    state_->values.push_back(std::move(values));
  }

  void AddUserNumbers(const FeatureDeclaration& declared) {
    for (const UserNumbers& there : state_->user_numbers)
      if (there.of == declared.of) return;
    const AttributeColumn& column =
        Attribute(declared, dataset_.user_attributes(), "users",
                  {AttributeType::kNumber, AttributeType::kBoolean, AttributeType::kTime}, "number, boolean or time");
    state_->user_numbers.push_back(
        {declared.of, column.type == AttributeType::kTime, FeatureArray<double>(NumbersOf(column))});
  }

  void AddFactors(FeatureDeclaration& declared) {
    if (store_ == nullptr) RefuseFeature(declared, "needs a store of models, and there is none");
    const int64_t version =
        store_->Resolve(declared.model, declared.version.empty() ? kCurrentVersion : declared.version);
    declared.version = std::to_string(version);
    for (const UserFactors& there : state_->factors)
      if (there.model == declared.model && there.version == declared.version) return;
    const auto model = Model::Open(*store_, declared.model, version);
    const ModelView& view = model->view();
    const int64_t n_factors = view.user_factors.n_cols;
    if (n_factors == 0 || view.has_lists())
      RefuseFeature(declared, fmt::format("the model '{}' ({}) has no factors of users", Printable(declared.model),
                                          view.algorithm));
    std::vector<float> factors(static_cast<size_t>(state_->n_users * n_factors),
                               std::numeric_limits<float>::quiet_NaN());
    for (int64_t user = 0; user < state_->n_users; ++user) {
      const int32_t known = view.users.Find(dataset_.users().Id(user));
      if (known >= 0 && view.Knows(known))
        std::ranges::copy(view.user_factors.row(known), factors.begin() + user * n_factors);
    }
    state_->factors.push_back({declared.model, declared.version, n_factors, FeatureArray<float>(std::move(factors))});
  }

  /// Which values get a column: those that are named, or those of most events.
  void SetShares(FeatureDeclaration& declared) {
    const AttributeTable& table = dataset_.item_attributes();
    const TextsView dictionary = table.columns()[static_cast<size_t>(table.Find(declared.of))].dictionary;
    std::vector<int32_t>& codes = state_->share_codes[declared.name];
    if (declared.values.empty()) {
      codes = MostFrequent(declared, dictionary);
      if (codes.empty())
        RefuseFeature(declared, fmt::format("no event that it is of has an item with '{}'", Printable(declared.of)));
      for (const int32_t code : codes) declared.values.emplace_back(dictionary[code]);
      return;
    }
    for (const std::string& value : declared.values) {
      int32_t code = 0;
      while (code < dictionary.size() && dictionary[code] != value) ++code;
      if (code == dictionary.size()) Warn(declared, fmt::format("no item has the value '{}'", Printable(value)));
      codes.push_back(code == dictionary.size() ? -1 : code);
    }
    for (size_t i = 0; i < declared.values.size(); ++i)
      if (std::find(declared.values.begin(), declared.values.begin() + static_cast<int64_t>(i), declared.values[i]) !=
          declared.values.begin() + static_cast<int64_t>(i))
        RefuseFeature(declared, fmt::format("the value '{}' is there twice", Printable(declared.values[i])));
  }

  /// Of the feature's events up to the reference; values that are no UTF-8 cannot be named and are passed over.
  std::vector<int32_t> MostFrequent(const FeatureDeclaration& declared, const TextsView& dictionary) const {
    FeatureState alone;  // the one feature's selection
    alone.spec.events = state_->spec.events;
    alone.type_names = state_->type_names;
    alone.has_times = state_->has_times;
    FeatureDeclaration count = declared;
    count.kind = FeatureKind::kCount;
    count.of.clear();
    count.where.clear();
    alone.spec.features = {count};
    alone.Link();
    EventSelection selection = alone.selections[0];
    for (size_t c = 0; c < state_->conditions.size() && !declared.where.empty(); ++c)
      if (state_->conditions[c].where == declared.where) selection.condition = static_cast<int64_t>(c);
    const auto values = std::ranges::find(state_->values, declared.of, &ItemValues::of);
    std::vector<int64_t> n_events(static_cast<size_t>(dictionary.size()));
    const EventsView& events = dataset_.events();
    for (int64_t e = 0; e < events.size(); ++e) {
      const auto at = static_cast<size_t>(e);
      if (!events.times.empty() && (events.times[at] > state_->reference ||
                                    (selection.window > 0 && events.times[at] <= state_->reference - selection.window)))
        continue;
      if (!Selects(*state_, selection, events.items[at], events.types.empty() ? 0 : events.types[at])) continue;
      for (const int32_t code : CodesOf(*values, events.items[at])) ++n_events[static_cast<size_t>(code)];
    }
    std::vector<int32_t> codes;
    for (int32_t code = 0; code < dictionary.size(); ++code)
      if (n_events[static_cast<size_t>(code)] > 0 && IsUtf8(dictionary[code])) codes.push_back(code);
    std::ranges::stable_sort(codes, [&](int32_t a, int32_t b) {
      return n_events[static_cast<size_t>(a)] > n_events[static_cast<size_t>(b)];
    });
    codes.resize(std::min(codes.size(), static_cast<size_t>(declared.top)));
    return codes;
  }

  const Dataset& dataset_;
  const ModelStore* store_;
  std::shared_ptr<FeatureState> state_;
  int64_t first_time_ = 0;
};

}  // namespace

FeatureProgram FeatureProgram::Compile(const FeatureSpec& spec, const Dataset& dataset, const ModelStore* store) {
  return FeatureProgram(Compiler(spec, dataset, store).Compile());
}

const FeatureSpec& FeatureProgram::spec() const {
  return state_->spec;
}
const std::vector<FeatureColumn>& FeatureProgram::columns() const {
  return state_->columns;
}
std::span<const std::string> FeatureProgram::type_names() const {
  return state_->type_names;
}
int64_t FeatureProgram::reference() const {
  return state_->reference;
}
int64_t FeatureProgram::n_items() const {
  return state_->n_items;
}
int64_t FeatureProgram::n_users() const {
  return state_->n_users;
}
const std::vector<std::string>& FeatureProgram::warnings() const {
  return state_->warnings;
}

std::vector<std::string> FeatureProgram::names() const {
  std::vector<std::string> names;
  for (const FeatureColumn& column : columns()) names.push_back(column.name);
  return names;
}

std::vector<NormalizationRule> FeatureProgram::rules() const {
  std::vector<NormalizationRule> rules;
  for (const FeatureColumn& column : columns())
    rules.push_back(spec().features[static_cast<size_t>(column.declaration)].normalization);
  return rules;
}

}  // namespace kindred
