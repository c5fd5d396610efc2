// Any text as a rule of segments: refused with an error, or evaluated for users together and alone, with reasons where
// it holds and only there; what is said to hold for nobody does.
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "host/segments/behaviour_rules.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kUsers = 3, kReference = 1'000'000;

const std::vector<std::string> kTypes = {"view", "cart", "buy"}, kFeatures = {"recency", "monetary"},
                               kThresholds = {"big"};
const EventNames kNames = {{"views", {"view"}}, {"carts", {"cart", "buy"}}, {"typo", {"bye"}}};

const std::vector<int64_t> kIndptr = {0, 4, 5, 5};
const std::vector<int32_t> kItems(5);
const std::vector<int64_t> kTimes = {1, kReference - 86400, kReference, kReference + 1, kReference - 3600};
const std::vector<uint8_t> kOf = {0, 1, 0, 2, 2};
const EventsView kEvents = {.indptr = kIndptr, .items = kItems, .times = kTimes, .types = kOf};
const std::vector<double> kValues = {1, kNan, -2.5, 1e300, 0, 3}, kLimits = {2}, kLikelihood = {0.1, kNan, 0.9};

const std::vector<double> kAges = {30, kNan, 31};
const std::vector<uint8_t> kVips = {1, 0, kMissingBoolean};
const std::vector<int32_t> kCodes = {0, kMissingCode, 1};
const std::vector<uint8_t> kBytes = {'D', 'E', 'F', 'R'};
const std::vector<int64_t> kOffsets = {0, 2, 4}, kTags = {0, 1, 1, 2};
const std::vector<int32_t> kTagCodes = {0, 1};

AttributeTable Users() {
  const TextsView texts = {kBytes, kOffsets};
  return AttributeTable(
      kUsers,
      {{.name = "age", .type = AttributeType::kNumber, .source = {}, .numbers = kAges},
       {.name = "vip", .type = AttributeType::kBoolean, .source = {}, .booleans = kVips},
       {.name = "country", .type = AttributeType::kCategory, .source = {}, .codes = kCodes, .dictionary = texts},
       {.name = "tags",
        .type = AttributeType::kTags,
        .source = {},
        .codes = kTagCodes,
        .indptr = kTags,
        .dictionary = texts}});
}

void Expect(bool holds) {
  if (!holds) std::abort();
}

void Run(std::string_view text) {
  static const AttributeTable users = Users();
  try {
    const RuleSpec rule = {"R", std::string(text)};
    const BehaviourRules rules({&rule, 1}, {&rule, 1},
                               {.events = kNames,
                                .event_types = kTypes,
                                .features = kFeatures,
                                .thresholds = kThresholds,
                                .has_likelihood = true,
                                .users = &users});
    const RuleInputs all = {.n_users = kUsers,
                            .events = kEvents,
                            .reference = kReference,
                            .features = kValues,
                            .thresholds = kLimits,
                            .likelihood = kLikelihood};
    const RuleMembers members = rules.Evaluate(all, nullptr);
    const std::vector<std::string> warnings = rules.Warnings(std::nullopt, kReference);
    Expect(warnings.empty() || members.rules[0].n_members == 0);
    for (int64_t user = 0; user < kUsers; ++user) {
      const bool holds = members.rules[0].Has(user);
      const std::vector<std::string> reasons = rules.Reasons(0, all, user);
      Expect(reasons.empty() != holds && (members.stages[static_cast<size_t>(user)] == 0) == holds);
      for (const std::string& reason : reasons) Expect(IsUtf8(reason));
      RuleInputs one = all;
      const std::vector<int64_t> indptr = {0, kIndptr[user + 1] - kIndptr[user]};
      const auto first = static_cast<size_t>(kIndptr[user]);
      one.events = {.indptr = indptr,
                    .items = std::span(kItems).subspan(first),
                    .times = std::span(kTimes).subspan(first),
                    .types = std::span(kOf).subspan(first)};
      one.n_users = 1;
      one.features = std::span(kValues).subspan(static_cast<size_t>(2 * user), 2);
      one.likelihood = std::span(kLikelihood).subspan(static_cast<size_t>(user), 1);
      one.first_row = user;
      Expect(rules.Evaluate(one, nullptr).rules[0].Has(0) == holds && rules.Reasons(0, one, 0) == reasons);
      one.first_row = -1;
      Expect(rules.Evaluate(one, nullptr).rules[0].Has(0) == !rules.Reasons(0, one, 0).empty());
    }
  } catch (const Error& error) {
    Expect(error.code() == ErrorCode::kInvalidArgument && IsUtf8(error.what()));
  }
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
