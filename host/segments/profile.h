// What the users of a segment are like: means and medians of their features, how far those are from all users', and
// users to look at.
//
// The population are the users that are in a segment (label >= 0). Of a feature and a segment s, with x a value as
// measured and z the same one normalized (host/features/normalization.h):
//
//   mean, median    of x in s where it is finite, so that mean x number of values is their total; the median of an
//                   even number is the mean of the two in the middle
//   deviations      (mean of z in s  -  mean of z in the population)  /  population standard deviation of z
//
// Deviations are taken where the clusters were made: amounts whose logarithm was clustered differ by ratios, and one
// wholesaler does not make everybody else look alike. A missing value counts as what was imputed. They are 0 where z is
// the same for all: of a constant feature, or one of weight 0.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/views.h"

namespace kindred {

/// What profiles and names need to know of a feature.
struct ProfiledFeature {
  std::string name;           // NAME.VALUE for one of a category's shares
  std::string kind;           // "recency", "count", ...: the kinds of segments.toml
  bool of_purchases = false;  // counts events of buying
};

struct FeatureProfile {
  int64_t n = 0;  // values that are there
  double mean = 0, median = 0;
  double deviations = 0;  // all three NaN where no user has a value
};

struct ExampleUser {
  int32_t user = 0;
  double distance = 0;  // to the segment's centroid, in normalized space
  int32_t next = -1;    // of the one at the border: the other segment it is nearest to
};

struct SegmentProfile {
  int64_t size = 0;
  double share = 0;    // of the population
  double inertia = 0;  // sum of the squared distances to the centroid
  std::vector<FeatureProfile> features;
  /// The users nearest to the centroid, nearest first, users of less index first among equals; then, if it is another
  /// and there are two segments, the one at the border: whose distances to its own and to the nearest other centroid
  /// differ least.
  std::vector<ExampleUser> examples;
};

struct SegmentProfiles {
  int64_t n_users = 0;                     // the population
  std::vector<FeatureProfile> population;  // whose deviations are 0
  std::vector<SegmentProfile> segments;
};

struct SegmentedUsers {
  HostMatrix<const double> values;    // [n_users x n_features] raw; what is not finite is missing
  HostMatrix<const float> points;     // [n_users x n_features] normalized; finite
  std::span<const int32_t> labels;    // [n_users] 0 .. n_segments - 1, or -1: in none
  HostMatrix<const float> centroids;  // [n_segments x n_features] in the space of points
};

/// Throws kInvalidArgument where shapes do not fit each other or a label is not of a segment.
void CheckSegmentedUsers(const SegmentedUsers& users, size_t n_features);

/// Segments may be empty. Throws as CheckSegmentedUsers does. Cost: n_users x n_features x n_segments for the border,
/// a column of values at a time in memory.
SegmentProfiles MeasureProfiles(const SegmentedUsers& users, std::span<const ProfiledFeature> features,
                                size_t n_examples = 5);

/// The mean of the points of each label, in double in the order of users, rounded once: [n_segments x n_features],
/// zeros for a label without users.
std::vector<float> MeansOfSegments(HostMatrix<const float> points, std::span<const int32_t> labels, int64_t n_segments);

/// Euclidean, in double in the order of features.
double DistanceBetween(std::span<const float> a, std::span<const float> b);

}  // namespace kindred
