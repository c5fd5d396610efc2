#include "host/segments/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "kernels/error.h"

namespace kindred {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// The mean of two in the middle, which it moves.
double MedianOf(std::vector<double>& values) {
  if (values.empty()) return kNone;
  const auto middle = values.begin() + static_cast<int64_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return std::midpoint(*std::max_element(values.begin(), middle), *middle);
}

/// Without overflow: parts of the mean are added, not of the sum.
double MeanOfValues(std::span<const double> values) {
  double largest = 0, sum = 0;
  for (const double value : values) largest = std::max(largest, std::fabs(value));
  const double scale = largest > 1e290 ? 0x1p-64 : 1;
  for (const double value : values) sum += value * scale;
  return values.empty() ? kNone : sum / static_cast<double>(values.size()) / scale;
}

double DeviationOf(std::span<const double> points, double mean) {
  if (points.empty()) return 0;
  const auto [least, most] = std::minmax_element(points.begin(), points.end());
  if (*least == *most) return 0;  // rounding of the mean is no deviation
  double squares = 0;
  for (const double point : points) squares += (point - mean) * (point - mean);
  return std::sqrt(squares / static_cast<double>(points.size()));
}

/// The feature's part of the profiles.
void MeasureFeature(const SegmentedUsers& users, size_t column, SegmentProfiles& profiles) {
  struct Column {
    std::vector<double> values, points;
  };
  Column all;
  std::vector<Column> of_segment(profiles.segments.size());
  for (int64_t user = 0; user < users.values.n_rows; ++user) {
    const int32_t label = users.labels[static_cast<size_t>(user)];
    if (label < 0) continue;
    const double value = users.values.row(user)[column], point = users.points.row(user)[column];
    for (Column* of : {&all, &of_segment[static_cast<size_t>(label)]}) {
      if (std::isfinite(value)) of->values.push_back(value);
      of->points.push_back(point);
    }
  }
  const double mean = MeanOfValues(all.points), deviation = DeviationOf(all.points, mean);
  const auto profile_of = [&](Column& of) {
    FeatureProfile profile = {std::ssize(of.values), MeanOfValues(of.values), 0, kNone};
    if (!of.values.empty()) profile.deviations = deviation > 0 ? (MeanOfValues(of.points) - mean) / deviation : 0;
    profile.median = MedianOf(of.values);
    return profile;
  };
  profiles.population.push_back(profile_of(all));
  profiles.population.back().deviations = 0;
  for (Column& of : of_segment) profiles.segments[&of - of_segment.data()].features.push_back(profile_of(of));
}

/// A user of a segment, and how near it is to which other centroid.
struct Member {
  int32_t user;
  double distance;
  double margin = std::numeric_limits<double>::infinity();
  int32_t next = -1;
};

Member MemberOf(const SegmentedUsers& users, int32_t user, int32_t label) {
  const std::span<const float> point = users.points.row(user);
  Member member = {user, DistanceBetween(point, users.centroids.row(label))};
  double nearest = std::numeric_limits<double>::infinity();
  for (int32_t s = 0; s < users.centroids.n_rows; ++s) {
    if (s == label) continue;
    if (const double distance = DistanceBetween(point, users.centroids.row(s)); distance < nearest) {
      nearest = distance;
      member.next = s;
    }
  }
  member.margin = std::fabs(nearest - member.distance);
  return member;
}

void PickExamples(const std::vector<Member>& members, size_t n_examples, SegmentProfile& profile) {
  std::vector<Member> nearest = members;
  const auto n = static_cast<int64_t>(std::min(n_examples, nearest.size()));
  std::partial_sort(nearest.begin(), nearest.begin() + n, nearest.end(), [](const Member& a, const Member& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.user < b.user;
  });
  for (int64_t i = 0; i < n; ++i)
    profile.examples.push_back({nearest[static_cast<size_t>(i)].user, nearest[static_cast<size_t>(i)].distance, -1});
  const auto border = std::min_element(members.begin(), members.end(),
                                       [](const Member& a, const Member& b) { return a.margin < b.margin; });
  if (n == 0 || border->next < 0) return;
  const bool is_shown = std::any_of(nearest.begin(), nearest.begin() + n,
                                    [&](const Member& member) { return member.user == border->user; });
  if (!is_shown) profile.examples.push_back({border->user, border->distance, border->next});
}

}  // namespace

double DistanceBetween(std::span<const float> a, std::span<const float> b) {
  double squares = 0;
  for (size_t f = 0; f < a.size(); ++f) {
    const double difference = double{a[f]} - double{b[f]};
    squares += difference * difference;
  }
  return std::sqrt(squares);
}

void CheckSegmentedUsers(const SegmentedUsers& users, size_t n_features) {
  const auto n_users = std::ssize(users.labels), n_columns = static_cast<int64_t>(n_features);
  for (const auto& [what, rows, columns, expected_rows] :
       {std::tuple("values", users.values.n_rows, users.values.n_cols, n_users),
        {"points", users.points.n_rows, users.points.n_cols, n_users},
        {"centroids", users.centroids.n_rows, users.centroids.n_cols, users.centroids.n_rows}})
    if (rows != expected_rows || columns != n_columns)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{} are {} x {}, expected {} x {}", what, rows, columns, expected_rows, n_columns));
  for (int64_t user = 0; user < n_users; ++user)
    if (const int32_t label = users.labels[static_cast<size_t>(user)]; label < -1 || label >= users.centroids.n_rows)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("the label of user {} is {}, expected one of {} segments, or -1", user, label,
                              users.centroids.n_rows));
}

SegmentProfiles MeasureProfiles(const SegmentedUsers& users, std::span<const ProfiledFeature> features,
                                size_t n_examples) {
  CheckSegmentedUsers(users, features.size());
  SegmentProfiles profiles;
  profiles.segments.resize(static_cast<size_t>(users.centroids.n_rows));
  for (size_t f = 0; f < features.size(); ++f) MeasureFeature(users, f, profiles);
  std::vector<std::vector<Member>> members(profiles.segments.size());
  for (size_t user = 0; user < users.labels.size(); ++user)
    if (const int32_t label = users.labels[user]; label >= 0)
      members[static_cast<size_t>(label)].push_back(MemberOf(users, static_cast<int32_t>(user), label));
  for (const std::vector<Member>& of_segment : members) profiles.n_users += std::ssize(of_segment);
  for (size_t s = 0; s < members.size(); ++s) {
    SegmentProfile& profile = profiles.segments[s];
    profile.size = std::ssize(members[s]);
    profile.share =
        profiles.n_users > 0 ? static_cast<double>(profile.size) / static_cast<double>(profiles.n_users) : 0;
    for (const Member& member : members[s]) profile.inertia += member.distance * member.distance;
    PickExamples(members[s], n_examples, profile);
  }
  return profiles;
}

std::vector<float> MeansOfSegments(HostMatrix<const float> points, std::span<const int32_t> labels,
                                   int64_t n_segments) {
  const auto n_features = static_cast<size_t>(points.n_cols);
  std::vector<double> sums(static_cast<size_t>(n_segments) * n_features, 0);
  std::vector<int64_t> n(static_cast<size_t>(n_segments), 0);
  for (size_t user = 0; user < labels.size(); ++user) {
    if (labels[user] < 0) continue;
    const auto label = static_cast<size_t>(labels[user]);
    ++n[label];
    const std::span<const float> point = points.row(static_cast<int64_t>(user));
    for (size_t f = 0; f < n_features; ++f) sums[label * n_features + f] += double{point[f]};
  }
  std::vector<float> means(sums.size(), 0);
  for (size_t i = 0; i < sums.size(); ++i)
    if (const int64_t count = n[i / n_features]; count > 0)
      means[i] = static_cast<float>(sums[i] / static_cast<double>(count));
  return means;
}

}  // namespace kindred
