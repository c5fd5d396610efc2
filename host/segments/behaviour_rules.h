// Segments by rule: who did what, how often, how lately.
//
//   [[rules]]
//   name = "Cart Abandoners"
//   when = "views >= 3 in 7d and carts >= 1 in 7d and purchases = 0 in 7d"
//
//   [[stages]]                  a user is in the last of these that holds
//   name = "awareness"
//   when = "views >= 1"
//
// Conditions are of the one language (docs/expressions.md). In them stand
//
//   NAME              a feature of the user, or how many events of that name (of [events], or a type) there are
//   NAME ... in 7d    how many there are in (reference - 7 days, reference]
//   events            all events, where nothing else is called so
//   threshold.NAME    a number of [thresholds.NAME] (host/segments/thresholds.h)
//   likelihood        the probability of a purchase (host/segments/likelihood.h); missing where it is not known
//   user.NAME         an attribute of the user
//   now()             the reference
//
// Events behind the reference are not counted. Features are as measured, before normalization; one that is missing is a
// missing value of the language. Counts are never missing.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host/data/attribute_table.h"
#include "host/data/events.h"
#include "host/expression/expression.h"
#include "host/features/feature_spec.h"
#include "host/segments/rule_reasons.h"
#include "host/segments/user_bits.h"
#include "kernels/cpu/parallel.h"

namespace kindred {

struct RuleSpec {
  std::string name;
  std::string when;
  std::string place = {};  // where it stands, for messages: "segments.toml: line 3, column 1: "
};

/// What conditions may speak of.
struct RuleVocabulary {
  EventNames events = {};
  std::span<const std::string> event_types = {};  // as events name them
  bool has_times = true;                          // of the events
  std::span<const std::string> features = {};
  std::span<const std::string> thresholds = {};  // without "threshold."
  bool has_likelihood = false;
  const AttributeTable* users = nullptr;  // null: none; what is compiled views it
};

/// What is known of some users, one after another.
struct RuleInputs {
  int64_t n_users = 0;
  EventsView events = {};                   // of the first users; those behind them have none
  int64_t reference = 0;                    // unix seconds
  std::span<const double> features = {};    // [n_users x features], row after row; NaN: missing
  std::span<const double> thresholds = {};  // [thresholds]
  std::span<const double> likelihood = {};  // [n_users]; NaN: missing; empty: of nobody
  int64_t first_row = 0;                    // of the table of users; -1: nothing is known of them there
};

struct RuleMembers {
  std::vector<UserBits> rules;  // of each rule, who it holds for
  std::vector<int32_t> stages;  // of each user, the last stage that holds; -1: none
};

/// Compiled: immutable, used by any number of threads.
class BehaviourRules {
 public:
  /// Throws kInvalidArgument, with the spec's place and name before what is wrong: a name that is empty, no UTF-8 or
  /// there twice among rules (or stages), what Expression::CompileCondition refuses, events that are not known (with
  /// the nearest that are) or of a type that the data does not have, a name of more than one thing, a window
  /// where events have no times, `likelihood` where there is none.
  BehaviourRules(std::span<const RuleSpec> rules, std::span<const RuleSpec> stages, const RuleVocabulary& vocabulary);
  BehaviourRules(BehaviourRules&&) = default;  // not copied: columns view what is in it
  BehaviourRules& operator=(BehaviourRules&&) = default;

  int64_t n_rules() const { return n_rules_; }
  int64_t n_stages() const { return static_cast<int64_t>(conditions_.size()) - n_rules_; }
  /// Canonical conditions, stages behind the rules; likewise below.
  const std::string& When(int64_t condition) const { return At(condition).expression.ToString(); }
  const std::string& Name(int64_t condition) const { return At(condition).spec.name; }
  /// Which thresholds it compares with: places in the vocabulary.
  std::vector<size_t> Thresholds(int64_t condition) const;
  bool uses_likelihood() const { return uses_likelihood_; }
  /// The longest that is asked for, in seconds; 0: none.
  int64_t longest_window() const;

  /// Conditions that hold for nobody, whatever they do, where intervals show it (host/segments/contradictions.h), and
  /// windows that reach behind the first event.
  std::vector<std::string> Warnings(std::optional<int64_t> first_time, int64_t reference) const;

  /// For everybody in one pass over the events. The bits do not depend on the pool (null: on this thread), nor what a
  /// user gets on the others: who evaluates a user alone gets the same. Throws kInvalidArgument for spans of other
  /// lengths than the vocabulary says, and rows of users that the table does not have. Cost: the events
  /// once, and for each condition the columns that it reads.
  RuleMembers Evaluate(const RuleInputs& inputs, ThreadPool* pool) const;

  /// Why condition k holds for the user: what held, with the values, "carts in 7d = 2 >= 1" (host/segments/
  /// rule_reasons.h). Empty where it does not.
  std::vector<std::string> Reasons(int64_t condition, const RuleInputs& inputs, int64_t user) const;

 private:
  struct Condition {
    RuleSpec spec;
    Expression expression;
    RuleReasons reasons;
    std::string contradiction;  // empty: none
  };
  struct Count {
    std::string name;
    int64_t window = 0;
  };
  enum class Of : uint8_t { kCount, kFeature, kThreshold, kLikelihood, kAttribute };
  struct Source {
    Of of = Of::kCount;
    size_t index = 0;
    bool used = false;
  };
  class Builder;
  struct Block;

  const Condition& At(int64_t condition) const { return conditions_[static_cast<size_t>(condition)]; }
  void Check(const RuleInputs& inputs) const;
  void CountEvents(const EventsView& events, int64_t reference, int64_t first, int64_t n, Block* block) const;
  Column AttributeRows(size_t k, int64_t first, int64_t n, const Block& block) const;
  void Fill(const RuleInputs& inputs, int64_t first, int64_t n, Block* block) const;
  void EvaluateBlock(const RuleInputs& inputs, int64_t first, int64_t n, Block* block, RuleMembers* members) const;

  int64_t n_rules_ = 0;
  std::vector<Condition> conditions_;
  std::vector<Source> sources_;  // of each column of the schema
  std::vector<Count> counts_;
  std::array<std::vector<int>, 256> counts_of_type_;  // which counts an event of the type is in
  std::vector<Column> attributes_;
  std::vector<std::vector<std::string_view>> attribute_texts_;
  size_t n_features_ = 0, n_thresholds_ = 0;
  int64_t n_rows_ = 0;  // of the table of users
  bool uses_likelihood_ = false;
};

}  // namespace kindred
