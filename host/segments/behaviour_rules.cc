#include "host/segments/behaviour_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <set>
#include <utility>

#include "host/expression/diagnostic.h"
#include "host/expression/syntax.h"
#include "host/segments/contradictions.h"
#include "host/text/edit_distance.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

/// Users that are evaluated at a time; a multiple of the bits of a word.
constexpr int64_t kBlock = 1 << 13;
constexpr size_t kMaxNameBytes = 200;
constexpr std::string_view kThreshold = "threshold.", kUser = "user.", kLikelihood = "likelihood", kAll = "events";

[[noreturn]] void Refuse(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, message);
}

}  // namespace

/// What conditions may read, as a schema of expressions.
class BehaviourRules::Builder {
 public:
  Builder(const RuleVocabulary& known, BehaviourRules* rules) : known_(known), rules_(*rules) {}

  void Build(std::span<const RuleSpec> rules, std::span<const RuleSpec> stages) {
    rules_.n_rules_ = std::ssize(rules);
    rules_.n_features_ = known_.features.size();
    rules_.n_thresholds_ = known_.thresholds.size();
    for (size_t i = 0; i < known_.features.size(); ++i) Add(known_.features[i], ColumnType::kNumber, Of::kFeature, i);
    for (size_t i = 0; i < known_.thresholds.size(); ++i)
      Add(Keep(std::string(kThreshold) + known_.thresholds[i]), ColumnType::kNumber, Of::kThreshold, i);
    if (known_.has_likelihood) Add(kLikelihood, ColumnType::kNumber, Of::kLikelihood, 0);
    AddAttributes();
    n_plain_ = schema_.size();
    AddEvents();
    for (const auto& [specs, what] : {std::pair(rules, "rule"), std::pair(stages, "stage")}) {
      std::set<std::string_view> names;
      for (const RuleSpec& spec : specs) {
        CheckName(spec, what, names);
        try {
          AddCounts(spec.when);
        } catch (const Error& error) {
          Refuse(Named(spec, what) + error.what());
        }
      }
    }
    // Only now are all columns there.
    for (const auto& [specs, what] : {std::pair(rules, "rule"), std::pair(stages, "stage")})
      for (const RuleSpec& spec : specs) {
        try {
          Compile(spec);
        } catch (const Error& error) {
          Refuse(Named(spec, what) + error.what());
        }
      }
    for (size_t k = 0; k < rules_.counts_.size(); ++k)
      for (const int type : types_[k]) rules_.counts_of_type_[static_cast<size_t>(type)].push_back(static_cast<int>(k));
  }

 private:
  static std::string Named(const RuleSpec& spec, const char* what) {
    return fmt::format("{}{} '{}': ", spec.place, what, Printable(spec.name));
  }

  static void CheckName(const RuleSpec& spec, const char* what, std::set<std::string_view>& names) {
    if (spec.name.empty() || spec.name.size() > kMaxNameBytes || !IsUtf8(spec.name))
      Refuse(fmt::format("{}a {} is called '{}'; expected a name of UTF-8, of 1 to {} bytes", spec.place, what,
                         Printable(spec.name), kMaxNameBytes));
    if (!names.insert(spec.name).second)
      Refuse(fmt::format("{}is there twice; expected different names", Named(spec, what)));
  }

  std::string_view Keep(std::string name) { return kept_.emplace_back(std::move(name)); }

  void Add(std::string_view name, ColumnType type, Of of, size_t index, int64_t window = 0) {
    schema_.push_back({name, type, window});
    counts_.push_back(of == Of::kCount);
    rules_.sources_.push_back({of, index});
  }

  void AddAttributes() {
    if (known_.users == nullptr) return;
    const std::span<const AttributeColumn> columns = known_.users->columns();
    rules_.n_rows_ = known_.users->n_rows();
    rules_.attributes_.resize(columns.size());
    rules_.attribute_texts_.resize(columns.size());
    for (size_t k = 0; k < columns.size(); ++k) {
      rules_.attributes_[k] = known_.users->AsColumn(static_cast<int64_t>(k), rules_.attribute_texts_[k]);
      Add(Keep(std::string(kUser) + columns[k].name), rules_.attributes_[k].type, Of::kAttribute, k);
    }
  }

  /// Names of events, and what of them is counted only where a rule asks for it.
  void AddEvents() {
    for (const auto& [name, types] : known_.events) event_names_.emplace_back(name);
    for (const std::string& type : known_.event_types)
      if (!known_.events.contains(type)) event_names_.emplace_back(type);
    if (std::find(event_names_.begin(), event_names_.end(), kAll) == event_names_.end()) event_names_.push_back(kAll);
  }

  bool IsEvent(std::string_view name) const {
    return std::find(event_names_.begin(), event_names_.end(), name) != event_names_.end();
  }
  /// Features, thresholds and the like of that name.
  int64_t CountPlain(std::string_view name) const {
    return std::count_if(schema_.begin(), schema_.begin() + static_cast<std::ptrdiff_t>(n_plain_),
                         [&](const ColumnInfo& column) { return column.name == name; });
  }

  /// Columns for what the condition counts.
  void AddCounts(std::string_view when) {
    const Syntax syntax = Parse(when);
    for (const Node& node : syntax.nodes) {
      if (node.kind != NodeKind::kAttribute) continue;
      const int64_t n_plain = CountPlain(node.name);
      const bool yields =
          n_plain > 0 && node.window == 0 && MeansAllEvents(known_.events, node.name, known_.event_types);
      const bool event = IsEvent(node.name) && !yields;
      if (event + n_plain > 1 && (node.window == 0 || !event))
        FailAt(when, node.at,
               fmt::format("'{}' is the name of more than one thing (a feature, events, a threshold, an attribute); "
                           "rename one of them",
                           Printable(node.name)));
      const bool plain = n_plain > 0;
      if (node.name == kLikelihood && !event && !plain)
        FailAt(when, node.at, "'likelihood' is not known; it is learned where there is a table [likelihood]");
      if (!event && !plain) FailUnknown(when, node);
      if (event && node.window != 0 && !known_.has_times)
        FailAt(when, node.at, "the events have no times, so that there are no windows");
      if (event) AddCount(when, node);
    }
  }

  [[noreturn]] void FailUnknown(std::string_view when, const Node& node) const {
    std::vector<std::string_view> known = event_names_;
    if (node.window == 0)
      for (size_t i = 0; i < n_plain_; ++i) known.push_back(schema_[i].name);
    const int nearest = NearestName(node.name, known);
    const bool may_be_type = node.name.find('.') == std::string::npos;  // user.NAME and threshold.NAME are none
    FailAt(when, node.at,
           fmt::format(
               "unknown {} '{}'{}{}", node.window == 0 ? "name" : "event", Printable(node.name),
               nearest < 0 ? "" : fmt::format("; the nearest is '{}'", Printable(known[static_cast<size_t>(nearest)])),
               may_be_type && known_.event_types.empty() ? "; the events have no types" : ""));
  }

  void AddCount(std::string_view when, const Node& node) {
    if (std::any_of(rules_.counts_.begin(), rules_.counts_.end(),
                    [&](const Count& count) { return count.name == node.name && count.window == node.window; }))
      return;
    std::vector<int> types;
    if (!MeansAllEvents(known_.events, node.name, known_.event_types)) {
      try {
        types = TypesOf(known_.events, node.name, known_.event_types);
      } catch (const Error& error) {
        FailAt(when, node.at, error.what());
      }
    } else {  // all; where there are no types, each event is of type 0
      for (int type = 0; type < 256; ++type) types.push_back(type);
    }
    Add(Keep(node.name), ColumnType::kNumber, Of::kCount, rules_.counts_.size(), node.window);
    rules_.counts_.push_back({node.name, node.window});
    types_.push_back(std::move(types));
  }

  void Compile(const RuleSpec& spec) {
    Expression expression = Expression::CompileCondition(spec.when, schema_);
    for (const int column : expression.columns()) {
      Source& source = rules_.sources_[static_cast<size_t>(column)];
      source.used = true;
      rules_.uses_likelihood_ |= source.of == Of::kLikelihood;
    }
    const std::unique_ptr<bool[]> counts(new bool[counts_.size()]);
    std::copy(counts_.begin(), counts_.end(), counts.get());
    std::string contradiction = FindContradiction(spec.when, schema_, {counts.get(), counts_.size()});
    rules_.conditions_.push_back(
        {spec, std::move(expression), RuleReasons(spec.when, schema_), std::move(contradiction)});
  }

  const RuleVocabulary& known_;
  BehaviourRules& rules_;
  std::vector<ColumnInfo> schema_;
  std::vector<uint8_t> counts_;          // of each column, whether it is a count
  std::vector<std::vector<int>> types_;  // of each count
  std::vector<std::string_view> event_names_;
  std::deque<std::string> kept_;
  size_t n_plain_ = 0;  // columns before those of events
};

BehaviourRules::BehaviourRules(std::span<const RuleSpec> rules, std::span<const RuleSpec> stages,
                               const RuleVocabulary& vocabulary) {
  Builder(vocabulary, this).Build(rules, stages);
}

int64_t BehaviourRules::longest_window() const {
  int64_t longest = 0;
  for (const Count& count : counts_) longest = std::max(longest, count.window);
  return longest;
}

std::vector<size_t> BehaviourRules::Thresholds(int64_t condition) const {
  std::vector<size_t> thresholds;
  for (const int column : At(condition).expression.columns())
    if (const Source& source = sources_[static_cast<size_t>(column)]; source.of == Of::kThreshold)
      thresholds.push_back(source.index);
  return thresholds;
}

std::vector<std::string> BehaviourRules::Warnings(std::optional<int64_t> first_time, int64_t reference) const {
  std::vector<std::string> warnings;
  for (size_t i = 0; i < conditions_.size(); ++i)
    if (!conditions_[i].contradiction.empty())
      warnings.push_back(fmt::format("{} '{}' holds for nobody: {}",
                                     static_cast<int64_t>(i) < n_rules_ ? "rule" : "stage",
                                     Printable(conditions_[i].spec.name), conditions_[i].contradiction));
  if (const int64_t window = longest_window(); first_time && window > reference - *first_time)
    warnings.push_back(
        fmt::format("a window of the rules is {} long, and the data begin only {:.4g} days before the reference",
                    Print(Literal{ValueType::kDuration, static_cast<double>(window)}),
                    static_cast<double>(std::max<int64_t>(reference - *first_time, 0)) / 86400));
  return warnings;
}

/// The columns of some users: the scratch of one thread.
struct BehaviourRules::Block {
  Block(const BehaviourRules& rules, double now, size_t n_rows)
      : columns(rules.sources_.size()),
        reals(rules.sources_.size()),
        counts(rules.counts_.size()),
        holds(n_rows),
        no_numbers(n_rows, std::numeric_limits<double>::quiet_NaN()),
        no_booleans(n_rows, kMissingBoolean),
        no_texts(n_rows) {
    for (const Condition& condition : rules.conditions_) evaluators.emplace_back(condition.expression, now);
  }

  std::vector<Column> columns;  // as the schema; those that nothing reads are empty
  std::vector<std::vector<double>> reals;
  std::vector<std::vector<int64_t>> counts;
  std::vector<uint8_t> holds;
  std::vector<double> no_numbers;  // columns of which nothing is known
  std::vector<uint8_t> no_booleans;
  std::vector<std::string_view> no_texts;
  std::vector<Evaluator> evaluators;
};

void BehaviourRules::Check(const RuleInputs& inputs) const {
  const auto n = static_cast<size_t>(inputs.n_users);
  const auto expect = [](const char* what, size_t found, size_t expected) {
    if (found != expected) Refuse(fmt::format("{} {}; expected {}", found, what, expected));
  };
  if (inputs.events.n_users() > inputs.n_users)
    Refuse(fmt::format("events of {} users; expected {} at most", inputs.events.n_users(), inputs.n_users));
  expect("features", inputs.features.size(), n * n_features_);
  expect("thresholds", inputs.thresholds.size(), n_thresholds_);
  if (!attributes_.empty() && inputs.first_row >= 0 && inputs.first_row + inputs.n_users > n_rows_)
    Refuse(
        fmt::format("users {} to {} of a table of {}", inputs.first_row, inputs.first_row + inputs.n_users, n_rows_));
  if (!inputs.likelihood.empty()) expect("likelihoods", inputs.likelihood.size(), n);
}

void BehaviourRules::CountEvents(const EventsView& events, int64_t reference, int64_t first, int64_t n,
                                 Block* block) const {
  for (std::vector<int64_t>& counts : block->counts) counts.assign(static_cast<size_t>(n), 0);
  if (counts_.empty()) return;
  const int64_t last = std::min(first + n, events.n_users());
  for (int64_t user = first; user < last; ++user) {
    const auto begin = static_cast<size_t>(events.indptr[static_cast<size_t>(user)]);
    const auto end = static_cast<size_t>(events.indptr[static_cast<size_t>(user) + 1]);
    for (size_t i = begin; i < end; ++i) {
      const int64_t age = events.times.empty() ? 0 : reference - events.times[i];
      if (age < 0) break;  // and so are all behind it
      for (const int k : counts_of_type_[events.types.empty() ? 0 : events.types[i]]) {
        const int64_t window = counts_[static_cast<size_t>(k)].window;
        block->counts[static_cast<size_t>(k)][static_cast<size_t>(user - first)] += window == 0 || age < window;
      }
    }
  }
}

Column BehaviourRules::AttributeRows(size_t k, int64_t first, int64_t n, const Block& block) const {
  if (first >= 0) return RowsOf(attributes_[k], first, n);
  Column column = {.type = attributes_[k].type};
  if (column.type == ColumnType::kBoolean) {
    column.booleans = block.no_booleans;
  } else if (column.type == ColumnType::kText || column.type == ColumnType::kTags) {
    column.texts = block.no_texts;
  } else {
    column.reals = block.no_numbers;
  }
  return column;
}

void BehaviourRules::Fill(const RuleInputs& inputs, int64_t first, int64_t n, Block* block) const {
  CountEvents(inputs.events, inputs.reference, first, n, block);
  const auto rows = static_cast<size_t>(n);
  for (size_t c = 0; c < sources_.size(); ++c) {
    const Source& source = sources_[c];
    Column& column = block->columns[c];
    if (!source.used) continue;
    column = {.type = ColumnType::kNumber};
    std::vector<double>& reals = block->reals[c];
    switch (source.of) {
      case Of::kCount:
        column.integers = block->counts[source.index];
        break;
      case Of::kFeature:
        reals.resize(rows);
        for (size_t i = 0; i < rows; ++i)
          reals[i] = inputs.features[(static_cast<size_t>(first) + i) * n_features_ + source.index];
        column.reals = reals;
        break;
      case Of::kThreshold:
        reals.assign(rows, inputs.thresholds[source.index]);
        column.reals = reals;
        break;
      case Of::kLikelihood:
        reals.assign(rows, std::numeric_limits<double>::quiet_NaN());
        if (!inputs.likelihood.empty())
          std::copy_n(inputs.likelihood.begin() + static_cast<std::ptrdiff_t>(first), rows, reals.begin());
        column.reals = reals;
        break;
      case Of::kAttribute:
        column = AttributeRows(source.index, inputs.first_row < 0 ? -1 : inputs.first_row + first, n, *block);
    }
  }
}

void BehaviourRules::EvaluateBlock(const RuleInputs& inputs, int64_t first, int64_t n, Block* block,
                                   RuleMembers* members) const {
  Fill(inputs, first, n, block);
  std::vector<Column> read;
  std::vector<RowError> errors;  // there are none: nothing is untyped
  for (size_t i = 0; i < conditions_.size(); ++i) {
    read.clear();
    for (const int column : conditions_[i].expression.columns())
      read.push_back(block->columns[static_cast<size_t>(column)]);
    block->evaluators[i].Select(read, n, block->holds, errors);
    for (int64_t row = 0; row < n; ++row) {
      if (block->holds[static_cast<size_t>(row)] == 0) continue;
      const auto user = static_cast<size_t>(first + row);
      if (static_cast<int64_t>(i) < n_rules_)
        members->rules[i].Add(first + row);
      else
        members->stages[user] = static_cast<int32_t>(static_cast<int64_t>(i) - n_rules_);
    }
  }
}

RuleMembers BehaviourRules::Evaluate(const RuleInputs& inputs, ThreadPool* pool) const {
  Check(inputs);
  RuleMembers members;
  members.rules.assign(static_cast<size_t>(n_rules_), UserBits(inputs.n_users));
  members.stages.assign(static_cast<size_t>(inputs.n_users), -1);
  const int64_t n_blocks = (inputs.n_users + kBlock - 1) / kBlock;
  std::vector<std::unique_ptr<Block>> blocks(static_cast<size_t>(pool == nullptr ? 1 : pool->n_threads()));
  const auto evaluate = [&](int64_t task, int worker) {
    std::unique_ptr<Block>& block = blocks[static_cast<size_t>(worker)];
    const auto rows = static_cast<size_t>(std::min(inputs.n_users, kBlock));
    if (block == nullptr) block = std::make_unique<Block>(*this, static_cast<double>(inputs.reference), rows);
    const int64_t first = task * kBlock;
    EvaluateBlock(inputs, first, std::min(kBlock, inputs.n_users - first), block.get(), &members);
  };
  if (pool != nullptr)
    pool->Run(n_blocks, pool->n_threads(), evaluate);
  else
    for (int64_t task = 0; task < n_blocks; ++task) evaluate(task, 0);
  for (UserBits& bits : members.rules) bits.Count();
  return members;
}

std::vector<std::string> BehaviourRules::Reasons(int64_t condition, const RuleInputs& inputs, int64_t user) const {
  Check(inputs);
  Block block(*this, static_cast<double>(inputs.reference), 1);
  Fill(inputs, user, 1, &block);
  return At(condition).reasons.Explain(block.columns, static_cast<double>(inputs.reference));
}

}  // namespace kindred
