#include "host/text/edit_distance.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace kindred {

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

int NearestName(std::string_view written, std::span<const std::string_view> known) {
  constexpr size_t kMaxBytes = 100;
  if (written.size() > kMaxBytes) return -1;
  int nearest = -1;
  size_t least = 0;
  for (size_t i = 0; i < known.size(); ++i) {
    if (known[i].size() > kMaxBytes) continue;
    const size_t distance = EditDistance(written, known[i]);
    if (nearest >= 0 && distance >= least) continue;
    nearest = static_cast<int>(i);
    least = distance;
  }
  return nearest;
}

}  // namespace kindred
