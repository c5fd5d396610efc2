#include "serving/eligibility.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "host/expression/diagnostic.h"
#include "host/text/counted.h"
#include "host/text/edit_distance.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

[[noreturn]] void Refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, what);
}

void CheckSize(const char* field, size_t size, int32_t most) {
  if (size > static_cast<size_t>(most))
    Refuse(fmt::format("{}: has {} entries, expected at most {}", field, size, most));
}

/// The items of a list of ids that the model has, increasing; `n_different` is how many ids there were.
std::vector<int32_t> ItemsOf(const ModelView& model, const char* field, std::span<const std::string_view> ids,
                             int64_t* n_different) {
  std::unordered_set<std::string_view> different;
  std::vector<int32_t> items;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i].empty()) Refuse(fmt::format("{}[{}]: is empty, expected an item id", field, i));
    if (!different.insert(ids[i]).second) continue;
    if (const int32_t item = model.items.Find(ids[i]); item >= 0) items.push_back(item);
  }
  std::ranges::sort(items);
  *n_different = std::ssize(different);
  return items;
}

/// The index of an exclusion's type of event.
uint8_t TypeOf(const EventsView& events, size_t at, std::string_view event) {
  const auto found = std::ranges::find(events.type_names, event);
  if (events.types.empty())
    Refuse(
        fmt::format("exclude_events[{}].event: is '{}', and the version's events have no types", at, Printable(event)));
  if (found != events.type_names.end()) return static_cast<uint8_t>(found - events.type_names.begin());
  const std::vector<std::string_view> known(events.type_names.begin(), events.type_names.end());
  const int nearest = NearestName(event, known);
  Refuse(fmt::format(
      "exclude_events[{}].event: no event of the version is a '{}'{}", at, Printable(event),
      nearest < 0 ? "" : fmt::format("; the nearest is '{}'", Printable(known[static_cast<size_t>(nearest)]))));
}

/// Adds the items of the user's events that one of them leaves out. All are checked, whoever the user is.
void AddItemsOfEvents(const ModelView& model, std::span<const EventExclusion> exclusions, int32_t user, int64_t now,
                      std::vector<int32_t>& items) {
  const EventsView& events = model.events;
  if (events.indptr.empty()) Refuse("exclude_events: the version keeps no events; train it again");
  for (size_t at = 0; at < exclusions.size(); ++at) {
    const auto& [event, within] = exclusions[at];
    const int type = event.empty() ? -1 : TypeOf(events, at, event);  // -1: any
    if (within && *within < 0)
      Refuse(fmt::format("exclude_events[{}].within_seconds: is {}, expected at least 0", at, *within));
    if (within == 0) continue;
    if (within && events.times.empty())
      Refuse(fmt::format("exclude_events[{}].within_seconds: is set, and the version's events have no times", at));
    if (user < 0) continue;
    const auto first = static_cast<size_t>(events.indptr[static_cast<size_t>(user)]);
    const auto last = static_cast<size_t>(events.indptr[static_cast<size_t>(user) + 1]);
    for (size_t e = first; e < last; ++e)
      if ((type < 0 || events.types[e] == type) && (!within || events.times[e] > now - *within))
        items.push_back(events.items[e]);
  }
}

}  // namespace

BoundFilter BindFilter(std::string_view text, const FilterInputs& inputs, const ItemsNow& now) {
  if (text.size() > kMaxFilterBytes)
    Refuse(fmt::format("has {} bytes, expected at most {}", text.size(), kMaxFilterBytes));
  if (!now.items || now.filters == nullptr) Refuse("this call knows no attributes of items");
  try {
    return now.filters->Bind(text, *now.items, inputs);
  } catch (const Error& error) {
    throw Error(error.code(), FirstLine(error.what()));  // whoever asked has the text
  }
}

Eligibility PlanEligibility(const ModelView& model, const QueryConditions& conditions, int32_t user,
                            const ItemsNow& now) {
  Eligibility plan;
  CheckSize("context", conditions.context.size(), kMaxContext);
  CheckSize("candidates", conditions.candidates.size(), kMaxCandidates);
  if (!conditions.filter.empty()) {
    try {
      plan.filter = BindFilter(conditions.filter, {user, &conditions.context, now.now}, now);
    } catch (const Error& error) {
      throw Error(error.code(), std::string("filter: ") + error.what());
    }
    plan.group = "filter " + plan.filter->key;
  }
  if (conditions.candidates.empty()) return plan;
  plan.candidates = ItemsOf(model, "candidates", conditions.candidates, &plan.n_candidates);
  plan.group += fmt::format(" candidates {}", fmt::join(*plan.candidates, " "));
  return plan;
}

std::shared_ptr<const ItemBits> EligibleItems(const ModelView& model, const Eligibility& eligibility,
                                              const ItemsNow& now) {
  std::shared_ptr<const ItemBits> let_through;
  if (eligibility.filter) let_through = now.filters->Eligible(*eligibility.filter, *now.items);
  if (!eligibility.candidates) return let_through;
  auto candidates = std::make_shared<ItemBits>(model.n_items(), *eligibility.candidates);
  if (let_through) candidates->Intersect(*let_through);
  return candidates;
}

std::vector<int32_t> ExcludedItems(const ModelView& model, const QueryConditions& conditions, int32_t user,
                                   std::span<const int32_t> history, int64_t now) {
  CheckSize("exclude_events", conditions.exclude_events.size(), kMaxEventExclusions);
  CheckSize("exclude_items", conditions.exclude_items.size(), kMaxExcludedItems);
  int64_t n_different = 0;
  std::vector<int32_t> items = ItemsOf(model, "exclude_items", conditions.exclude_items, &n_different);
  if (conditions.exclude_events.empty())
    items.insert(items.end(), history.begin(), history.end());
  else
    AddItemsOfEvents(model, conditions.exclude_events, user, now, items);
  std::ranges::sort(items);
  items.erase(std::unique(items.begin(), items.end()), items.end());
  return items;
}

std::string WhatIsEligible(const ModelView& model, const Eligibility& eligibility, const ItemBits* eligible) {
  std::string text = fmt::format("the model has {}", Counted(model.n_items(), "item"));
  if (eligibility.candidates)
    text +=
        fmt::format(", {} of the {} {} among them", eligibility.candidates->size(),
                    Counted(eligibility.n_candidates, "candidate"), eligibility.candidates->size() == 1 ? "is" : "are");
  if (eligibility.filter)
    text +=
        fmt::format(", the filter lets {} of {} through", eligible->n_set, eligibility.candidates ? "those" : "them");
  return text;
}

}  // namespace kindred
