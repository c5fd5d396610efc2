// The number of clusters, from what a sweep over numbers of clusters found.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace kindred {

/// Where more clusters stop to pay: the knee of the inertia over k by Kneedle (Satopaa, Albrecht, Irwin and Raghavan
/// 2011), which needs no smoothing here, as the inertia may be taken never to rise: where a k has a larger inertia than
/// a smaller k, that one's counts. Both axes are put to 0..1, and the difference is how far the curve lies below the
/// straight line between its ends. A knee is where the difference has a peak and after it falls by more than
/// `sensitivity` times the mean step of k, before it rises above that peak; of several, that with the largest
/// difference is taken, of equal ones that of the smallest k.
///
/// None for fewer than three numbers of clusters, for an inertia that is the same for all, and for a curve that is
/// straight, or bends the other way, or by less than the sensitivity asks. Throws kInvalidArgument for k that do not
/// ascend, and for values that are not finite, >= 0 and one a k.
std::optional<int64_t> FindElbow(std::span<const int64_t> k, std::span<const double> inertia, double sensitivity = 1);

/// The k with the largest mean silhouette, of equal ones the smallest. Values that are no numbers, where the silhouette
/// is not defined (one cluster), are left out; none where all are. Throws kInvalidArgument for k that do not ascend or
/// have not one value each.
std::optional<int64_t> BestSilhouette(std::span<const int64_t> k, std::span<const double> silhouettes);

}  // namespace kindred
