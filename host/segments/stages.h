// From one version to the next: users go by their ids.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "host/data/id_map.h"

namespace kindred {

/// Of each user, the value that the user of the same id has in the last version; -1 where there is none.
/// `last` is [last_users.size()]. Cost: a look-up a user.
std::vector<int32_t> LastValues(const IdMap& users, const IdMap& last_users, std::span<const int32_t> last);

/// Who went from which stage to which, [n_last + 1, n_now + 1], row after row. Row x, column y: how many were in stage
/// x of the last version and are in stage y now. The last row is of users that were in no stage or not there yet, the
/// last column of those that are in none now or not there any more; where both meet, those that are there now (a user
/// who was in none before and is gone is in no cell).
///
/// `last` and `now` are stages (-1: none) of the users of each version. The stages of the two versions go by their
/// names only in that rows and columns are labelled so; they may be others.
std::vector<int64_t> CountTransitions(const IdMap& last_users, std::span<const int32_t> last, int64_t n_last,
                                      const IdMap& users, std::span<const int32_t> now, int64_t n_now);

}  // namespace kindred
