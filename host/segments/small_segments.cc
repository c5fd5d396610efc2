#include "host/segments/small_segments.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "host/segments/profile.h"
#include "kernels/error.h"

namespace kindred {
namespace {

class Merging {
 public:
  Merging(std::span<const int32_t> labels, HostMatrix<const float> centroids)
      : n_features_(centroids.n_cols),
        sizes_(static_cast<size_t>(centroids.n_rows), 0),
        centroids_(centroids.all().begin(), centroids.all().end()) {
    for (const int32_t label : labels) {
      if (label < -1 || label >= centroids.n_rows)
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("a label is {}, expected one of {} segments, or -1", label, centroids.n_rows));
      if (label >= 0) ++sizes_[static_cast<size_t>(label)], ++n_users_;
    }
    for (int32_t s = 0; s < centroids.n_rows; ++s) left_.push_back(s);
    into_ = left_;
  }

  /// Of the segments left, the first of the smallest.
  int32_t Smallest() const {
    return *std::min_element(left_.begin(), left_.end(), [&](int32_t a, int32_t b) { return size(a) < size(b); });
  }
  int64_t size(int32_t segment) const { return sizes_[static_cast<size_t>(segment)]; }
  double share(int32_t segment) const {
    return n_users_ > 0 ? static_cast<double>(size(segment)) / static_cast<double>(n_users_) : 0;
  }

  MergedSegment Merge(int32_t small) {
    MergedSegment merged = {small, size(small), -1, std::numeric_limits<double>::infinity()};
    for (const int32_t other : left_)
      if (other != small)
        if (const double distance = DistanceBetween(centroid(small), centroid(other));
            merged.into < 0 || distance < merged.distance) {
          merged.into = other;
          merged.distance = distance;
        }
    const auto of_small = static_cast<double>(size(small)), of_other = static_cast<double>(size(merged.into));
    for (size_t f = 0; f < static_cast<size_t>(n_features_) && of_small > 0; ++f) {
      float& to = centroid(merged.into)[f];
      to = static_cast<float>((double{to} * of_other + double{centroid(small)[f]} * of_small) / (of_other + of_small));
    }
    sizes_[static_cast<size_t>(merged.into)] += merged.size;
    into_[static_cast<size_t>(small)] = merged.into;
    std::erase(left_, small);
    return merged;
  }

  /// The place, among those left, of what became of a segment.
  int32_t PlaceOf(int32_t segment) const {
    while (into_[static_cast<size_t>(segment)] != segment) segment = into_[static_cast<size_t>(segment)];
    return static_cast<int32_t>(std::lower_bound(left_.begin(), left_.end(), segment) - left_.begin());
  }

  const std::vector<int32_t>& left() const { return left_; }
  std::span<float> centroid(int32_t segment) {
    return std::span(centroids_).subspan(static_cast<size_t>(segment * n_features_), static_cast<size_t>(n_features_));
  }

 private:
  int64_t n_features_;
  int64_t n_users_ = 0;
  std::vector<int64_t> sizes_;
  std::vector<float> centroids_;
  std::vector<int32_t> left_;  // increasing
  std::vector<int32_t> into_;  // itself where it is left
};

}  // namespace

SmallSegmentsMerged MergeSmallSegments(std::span<const int32_t> labels, HostMatrix<const float> centroids,
                                       int64_t min_size, double min_share) {
  if (min_size < 0)
    throw Error(ErrorCode::kInvalidArgument, fmt::format("min_size is {}, expected 0 or more", min_size));
  if (!(min_share >= 0 && min_share <= 1))
    throw Error(ErrorCode::kInvalidArgument, fmt::format("min_share is {}, expected 0 to 1", min_share));
  Merging merging(labels, centroids);
  SmallSegmentsMerged result;
  while (merging.left().size() > 1) {
    const int32_t small = merging.Smallest();
    if (merging.size(small) >= std::max<int64_t>(min_size, 1) && merging.share(small) >= min_share) break;
    result.merged.push_back(merging.Merge(small));
  }
  for (MergedSegment& merged : result.merged) merged.into = merging.PlaceOf(merged.into);
  result.n_segments = std::ssize(merging.left());
  for (const int32_t segment : merging.left())
    result.centroids.insert(result.centroids.end(), merging.centroid(segment).begin(), merging.centroid(segment).end());
  for (const int32_t label : labels) result.labels.push_back(label < 0 ? -1 : merging.PlaceOf(label));
  return result;
}

}  // namespace kindred
