// The rows of ExportSegment: what a tool that writes to users needs of each of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kindred/v1/segments.pb.h"
#include "serving/segment_watcher.h"

namespace kindred {

/// Features and attributes of a row.
inline constexpr int kMaxExportColumns = 256;
/// Of the rows of a page; one row that has more is a page by itself.
inline constexpr size_t kMaxPageBytes = size_t{1} << 20;

/// An export under way. Holds the version.
class SegmentExport {
 public:
  /// Throws kInvalidArgument for a feature or attribute that is not there (naming the nearest) or there twice, and too
  /// many of them; and what SegmentCatalogue::Find throws.
  SegmentExport(std::shared_ptr<const ServedSegments> served, const v1::ExportSegmentRequest& request);

  /// Fills the next page, anew; returns false where all rows were on those before.
  bool Fill(v1::ExportPage* page);

 private:
  struct ExportedColumn {
    int64_t feature = -1;    // or
    int64_t attribute = -1;  // its place in the table of users
  };

  void AddFeatures(const v1::ExportSegmentRequest& request);
  void AddAttributes(const v1::ExportSegmentRequest& request);
  void NameColumns();
  int64_t size() const;
  void FillRow(int64_t user, v1::ExportRow* row) const;

  std::shared_ptr<const ServedSegments> served_;
  std::optional<std::vector<int64_t>> members_;  // none: all users
  std::vector<ExportedColumn> columns_;
  std::vector<v1::ExportColumn> described_;  // of the columns
  int64_t n_filled_ = 0;
  bool first_ = true;  // a segment without members is a page, too
};

}  // namespace kindred
