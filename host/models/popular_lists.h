// Lists for everybody, or for everybody of a group: what is popular, what is new, what is on the rise.
//
// A user counts for an item at most once: m_ui = min(1, sum over the events of u with i of what they count), with the
// weights, caps and decay of host/data/event_weighting.h. Ages count back from the last event. A window of length W is
// the events younger than W. Of the items of a catalogue:
//
//   popular    s_i = sum over u of m_ui / n: the share of users that have i. n is the sum over u of min(1, what all
//              events of u count), in the window: the number of users, where events count 1 or more
//   latest     s_i = 1 / (1 + days since i's first event, or since its release): newest first. Items with fewer than
//              min_events events follow behind, newest first: s_i is 2^-30 of that. Those without a time, or released
//              more than a day after the last event, come last: 0
//   trending   how much more users i has in the window than in the one before, as far as that is sure: with c_i and
//              b_i the sums of m_ui in the two, and C and B those over all items,
//                c_i ~ Poisson(l_i e_i),  e_i = b_i C / B: what c_i is where nothing changes,  l_i ~ Gamma(a, a)
//              and s_i is the logarithm of the 5 % quantile of l_i's posterior, Gamma(a + c_i, a + e_i): 0.69 is "twice
//              as many, at least". Where events decay, those of each window do so from its end. DuMouchel 1999
//              ("Bayesian data mining in large frequency tables"), whose prior is a mixture of two; the quantile by
//              Wilson and Hilferty 1931
//
// A group's own scores s_gi are the same of its users alone, n_g of these ("trending": over both windows); its list
// goes by
//
//   (n_g s_gi + group_prior s_i) / (n_g + group_prior)
//
// of "popular" the mean of the posterior under a Beta prior around s_i; as n_g decays, old events make a group no
// larger than what they count. An item's first event is the same for all groups: of "latest" a group says which items
// have min_events.
//
// The model is the one scorer's (host/models/model.h): factor 0 of an item is s_i, factor 1 + g what group g makes of
// it; a user's factors, and the base query, are 1 in one place. What a user did has no part in it.
//
// When: for users nobody knows anything of, as the baseline of a shop, and for pages that are called so. Cost: a pass
// over the events, and n_items for each group.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/data/attribute_table.h"
#include "host/data/event_weighting.h"
#include "host/models/linear_model.h"

namespace kindred {

enum class ListKind { kPopular, kLatest, kTrending };

struct PopularListOptions {
  ListKind kind = ListKind::kPopular;
  double window = kNoLimit;      // W, seconds > 0; not of "latest"; of "trending" finite
  int64_t min_events = 1;        // of "latest"
  double trend_prior = 10;       // a >= 1
  double group_prior = 500;      // > 0
  int64_t min_group_users = 20;  // >= 1; groups with fewer users that have events have no list of their own
};

/// The most groups with lists of their own: those with the most users, in that order.
inline constexpr int64_t kMostListGroups = 255;

/// What lists are made of.
struct ListedEvents {
  const EventsView& events;
  const EventWeighting& weighting;
  std::span<const uint8_t> keep = {};  // [n_events] which of them count; empty: all
  int64_t n_items = 0;
  const AttributeColumn* group_by = nullptr;  // a category of users; null: one list
  const AttributeColumn* released = nullptr;  // a time of items; null: their first event
};

struct ListGroup {
  std::string name;            // printable
  int64_t n_users = 0;         // with this value
  int64_t n_active_users = 0;  // of them with an event that counts, in the windows
};

struct PopularLists {
  LinearModel model;
  std::vector<ListGroup> groups;          // with lists of their own: group g has factor 1 + g
  int64_t n_active_users = 0;             // of all users
  int64_t n_small_groups = 0;             // that have users, but too few with events
  int64_t n_left_out_groups = 0;          // beyond kMostListGroups
  std::optional<int64_t> last_time = {};  // that ages count from
};

/// Throws kInvalidArgument for options out of range, and for events without times where these need them.
void CheckListOptions(const PopularListOptions& options, const EventsView& events);

/// Throws as CheckListOptions does, and kInvalidArgument for trends where one of the windows has no event that counts.
/// Deterministic, the same bits anywhere.
PopularLists FitPopularLists(const ListedEvents& data, const PopularListOptions& options);

/// The 5 % quantile of Gamma(shape, 1), for shape >= 1. Relative error below .05 % from 10 on, 1 % at 3, 23 % at 1.
double GammaLowQuantile(double shape);

}  // namespace kindred
