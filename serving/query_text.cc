#include "serving/query_text.h"

#include <algorithm>
#include <type_traits>

#include "serving/client.h"

namespace kindred {
namespace {

const std::string& IdOf(const v1::ScoredItem& item) {
  return item.item_id();
}

const std::string& IdOf(const v1::ScoredUser& user) {
  return user.user_id();
}

template <class Scored>
void PrintScored(const char* of, const google::protobuf::RepeatedPtrField<Scored>& list, int before) {
  size_t width = 4;
  for (const Scored& one : list) width = std::max(width, Printable(IdOf(one)).size());
  const bool calibrated = !list.empty() && list[0].has_probability();
  if (!list.empty() && before == 0)
    fmt::print("{:>5}  {:<{}}  {:>12}{}\n", "", of, width, "score", calibrated ? "  probability" : "");
  for (int i = 0; i < list.size(); ++i) {
    fmt::print("{:>5}  {:<{}}  {:>12.6g}", before + i + 1, Printable(IdOf(list[i])), width, list[i].score());
    if (calibrated) fmt::print("  {:>11.4f}", list[i].probability());
    if constexpr (std::is_same_v<Scored, v1::ScoredItem>)
      if (!list[i].promotion().empty()) fmt::print("  promoted by {}", Printable(list[i].promotion()));
    fmt::print("\n");
  }
}

}  // namespace

void PrintTable(const google::protobuf::RepeatedPtrField<v1::ScoredItem>& items) {
  PrintScored("item", items, 0);
}

void PrintTable(const google::protobuf::RepeatedPtrField<v1::ScoredUser>& users, int before) {
  PrintScored("user", users, before);
}

std::string AboutUser(const std::string& user) {
  return user.empty() ? "no user" : "user " + Printable(user);
}

void PrintRecommendation(const std::string& user, const v1::RecommendReply& reply) {
  PrintHead(AboutUser(user), reply);
  PrintItems(reply);
  if (const v1::AppliedRules& rules = reply.rules(); reply.has_rules())
    fmt::print("  rules: {} items eligible, {} of them excluded, {} passed over, {} promoted{}\n", rules.eligible(),
               rules.excluded(), rules.passed_over(), rules.promoted(), rules.diversified() ? ", diversified" : "");
  for (const std::string& id : reply.unknown_history_items()) fmt::print("  not in the model: {}\n", Printable(id));
  if (reply.has_cost())
    fmt::print("  cost: {} items, {} scanned, {} pruned, {} scored by the definition; selectivity {:.3g}; {:.0f} us\n",
               reply.cost().items(), reply.cost().scanned(), reply.cost().pruned(), reply.cost().rescored(),
               reply.cost().selectivity(), reply.cost().microseconds());
}

void PrintResult(const std::string& user, const v1::BatchResult& result) {
  if (result.has_error())
    fmt::print("user {}: {}\n", Printable(user), DescribeStatus(result.error().code(), result.error().message()));
  else
    PrintRecommendation(user, result.reply());
}

void PrintUsersHead(const std::string& item, const v1::UsersForItemReply& reply) {
  fmt::print("users for item {}, by {} version {}\n", Printable(item), reply.model().name(), reply.model().version());
}

}  // namespace kindred
