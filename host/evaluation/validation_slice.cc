#include "host/evaluation/validation_slice.h"

#include <algorithm>
#include <string>

#include "host/data/random.h"

namespace kindred {
namespace {

constexpr uint64_t kUserSeed = 0x51ce, kPairSeed = 0x51cf;  // what makes these hashes others than a split's

}  // namespace

ValidationSlice HoldOutSlice(const CsrView& interactions, const SliceOptions& options) {
  if (!(options.fraction > 0 && options.fraction < 1))
    throw Error(ErrorCode::kInvalidArgument, "validation slice: the fraction is " + std::to_string(options.fraction) +
                                                 "; expected more than 0 and less than 1");
  const auto most = static_cast<double>(options.max_users > 0 ? options.max_users : interactions.n_rows);
  const double of_users = most / std::max(most, static_cast<double>(interactions.n_rows));
  const uint64_t user_seed = RandomBits(options.seed, kUserSeed), pair_seed = RandomBits(options.seed, kPairSeed);
  ValidationSlice slice;
  slice.held_out = BeginHoldout(interactions.n_rows, interactions.n_cols);
  Csr& held = slice.held_out.relevant;
  slice.rest.n_rows = interactions.n_rows;
  slice.rest.n_cols = interactions.n_cols;
  for (int64_t user = 0; user < interactions.n_rows; ++user) {
    const auto items = interactions.row(user);
    const auto values = interactions.row_values(user);
    const bool chosen =
        std::ssize(items) >= kLeastSliceItems && RandomUniform(user_seed, static_cast<uint64_t>(user)) < of_users;
    for (size_t e = 0; e < items.size(); ++e) {
      const uint64_t pair = static_cast<uint64_t>(user) << 32 | static_cast<uint32_t>(items[e]);
      Csr& to = chosen && RandomUniform(pair_seed, pair) < options.fraction ? held : slice.rest;
      to.indices.push_back(items[e]);
      to.values.push_back(values[e]);
    }
    held.indptr.push_back(static_cast<int64_t>(held.indices.size()));
    slice.rest.indptr.push_back(static_cast<int64_t>(slice.rest.indices.size()));
    slice.n_users += held.view().row(user).empty() ? 0 : 1;
  }
  return slice;
}

}  // namespace kindred
