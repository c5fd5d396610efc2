#include "host/clustering/dendrogram_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "host/report/format.h"
#include "host/report/page.h"
#include "host/report/style.h"
#include "host/text/text.h"

namespace kindred {
namespace {

// In the picture's own units, which are pixels where it has its full width.
constexpr double kWidth = 1000, kTop = 44, kBottom = 10;
constexpr double kRoot = 8, kTreeLeft = 24, kTreeRight = 560;  // heights, from the highest to 0
constexpr double kBarLeft = 568, kBarWidth = 8, kNamesLeft = 584, kClustersLeft = 750;
constexpr double kLeafHeight = 18, kLeastHeight = 72, kMostHeight = 900;  // of all leaves
constexpr double kNameHeight = 12, kClusterHeight = 15, kTipHeight = 6;
constexpr size_t kNameBytes = 24, kNameBytesAlone = 56;  // without names of clusters beside them

struct Leaf {
  std::string name;
  double from = 0;  // the height where it begins: of several as one, that of their last merge
  int64_t n = 1;
  int32_t label = 0;
};

/// What is drawn: leaves in order, and merges of clusters that are numbered by the leaves' places.
struct Tree {
  std::vector<Leaf> leaves;
  std::vector<Merge> merges;
};

Tree TreeOf(const Dendrogram& dendrogram, const std::vector<int32_t>& labels, int64_t most_leaves) {
  const size_t n = dendrogram.leaf_names.size();
  const size_t n_drawn = std::min(n, static_cast<size_t>(most_leaves)), n_hidden = n - n_drawn;
  std::vector<int32_t> part_of(n + n_hidden), places(n + dendrogram.merges.size(), -1);
  for (size_t i = 0; i < part_of.size(); ++i) part_of[i] = static_cast<int32_t>(i);
  for (size_t m = n_hidden; m-- > 0;) {
    const Merge& merge = dendrogram.merges[m];
    part_of[static_cast<size_t>(merge.a)] = part_of[static_cast<size_t>(merge.b)] = part_of[n + m];
  }
  Tree tree;
  for (const int32_t leaf : LeafOrder(dendrogram.merges, static_cast<int64_t>(n))) {
    const auto at = static_cast<size_t>(part_of[static_cast<size_t>(leaf)]);
    if (places[at] >= 0) {
      ++tree.leaves[static_cast<size_t>(places[at])].n;
      continue;
    }
    places[at] = static_cast<int32_t>(tree.leaves.size());
    tree.leaves.push_back({Printable(dendrogram.leaf_names[static_cast<size_t>(leaf)]),
                           at < n ? 0 : dendrogram.merges[at - n].height, 1, labels[static_cast<size_t>(leaf)]});
  }
  for (Leaf& leaf : tree.leaves)
    if (leaf.n > 1) leaf.name += fmt::format(" and {} more", CountText(leaf.n - 1));
  for (size_t m = n_hidden; m < dendrogram.merges.size(); ++m) {
    Merge merge = dendrogram.merges[m];
    merge.a = places[static_cast<size_t>(merge.a)];
    merge.b = places[static_cast<size_t>(merge.b)];
    places[n + m] = static_cast<int32_t>(tree.leaves.size() + tree.merges.size());
    tree.merges.push_back(merge);
  }
  return tree;
}

/// Heights on the axis, 0 at the right.
class HeightAxis {
 public:
  explicit HeightAxis(const std::vector<Merge>& merges) {
    constexpr double kSmall = 0.2;                   // of the largest, where roots are shown
    constexpr double kTiny = 1e-290, kHuge = 1e290;  // beyond them round numbers may be 0 or too large
    const double largest = merges.empty() ? 0 : merges.back().height;
    root_ = !merges.empty() && merges[merges.size() / 2].height < kSmall * largest;
    ticks_ = {0, largest > 0 ? largest : 1};
    if (largest > kTiny && largest < kHuge) ticks_ = LinearTicks(largest, 4, false);
    if (const double first = ticks_[1]; root_) ticks_.insert(ticks_.begin() + 1, {first / 10, first * 2 / 5});
    unit_ = ticks_.back();
  }

  double X(double height) const {
    const double part = height / unit_;
    return kTreeRight - (kTreeRight - kTreeLeft) * (root_ ? std::sqrt(part) : part);
  }
  const std::vector<double>& ticks() const { return ticks_; }
  bool root() const { return root_; }

 private:
  bool root_ = false;
  double unit_ = 1;
  std::vector<double> ticks_;
};

/// A run of leaves of one cluster.
struct Cluster {
  int32_t label = 0;
  size_t first = 0;
  size_t end = 0;
  int64_t n_leaves = 0;
  double height = 0;  // of its last merge
};

class Drawing {
 public:
  Drawing(const Dendrogram& dendrogram, const DendrogramPicture& picture)
      : picture_(picture),
        n_clusters_(std::max<int64_t>(1, picture.n_clusters)),
        tree_(TreeOf(dendrogram,
                     CutByCount(dendrogram.merges, static_cast<int64_t>(dendrogram.leaf_names.size()), n_clusters_),
                     std::max(kMostPictureLeaves, n_clusters_))),
        axis_(tree_.merges) {
    const double n = static_cast<double>(std::max<size_t>(1, tree_.leaves.size()));
    step_ = std::clamp(n * kLeafHeight, kLeastHeight, std::max(kMostHeight, static_cast<double>(n_clusters_))) / n;
    height_ = step_ * n;
    for (size_t i = 0; i < tree_.leaves.size(); ++i) {
      const Leaf& leaf = tree_.leaves[i];
      if (clusters_.empty() || clusters_.back().label != leaf.label) clusters_.push_back({leaf.label, i, i, 0, 0});
      clusters_.back().end = i + 1;
      clusters_.back().n_leaves += leaf.n;
      clusters_.back().height = std::max(clusters_.back().height, leaf.from);
    }
    paths_.resize(kNumberOfColours);
    Connect();
  }

  const std::vector<Cluster>& clusters() const { return clusters_; }

  std::string Description() const {
    return fmt::format("{}. A tree of {} leaves in {} clusters", picture_.title, CountText(CountLeaves()),
                       CountText(static_cast<int64_t>(clusters_.size())));
  }

  /// The svg element; `attributes` and `before` go into it.
  std::string Svg(const std::string& attributes, const std::string& before) const {
    return fmt::format("<svg viewBox=\"0 0 {} {:.0f}\" role=\"img\" aria-label=\"{}\"{}>\n", kWidth,
                       kTop + height_ + kBottom, EscapeHtml(Description()), attributes) +
           before + Axis() + Lines() + Bars() + LeafNames() + ClusterNames() + Tips() + "</svg>\n";
  }

  std::string ClusterName(const Cluster& cluster) const {
    const auto label = static_cast<size_t>(cluster.label);
    return label < picture_.cluster_names.size() ? Printable(picture_.cluster_names[label]) : std::to_string(label + 1);
  }

  std::string AxisName() const { return picture_.height_name + (axis_.root() ? ", axis of square roots" : ""); }

 private:
  double Y(double place) const { return kTop + (place + 0.5) * step_; }
  bool has_cluster_names() const { return clusters_.size() > 1 || !picture_.cluster_names.empty(); }
  static int Colour(int32_t label) { return label % kNumberOfColours; }
  int64_t CountLeaves() const {
    int64_t n = 0;
    for (const Leaf& leaf : tree_.leaves) n += leaf.n;
    return n;
  }

  /// A bracket for each merge, in the colour of its cluster or in none's.
  void Connect() {
    struct Node {
      double place, height;
      int32_t label;  // -1: of several
    };
    std::vector<Node> nodes;
    for (size_t i = 0; i < tree_.leaves.size(); ++i)
      nodes.push_back({static_cast<double>(i), tree_.leaves[i].from, tree_.leaves[i].label});
    for (const Merge& merge : tree_.merges) {
      const Node a = nodes[static_cast<size_t>(merge.a)], b = nodes[static_cast<size_t>(merge.b)];
      const int32_t label = a.label == b.label ? a.label : -1;
      if (label >= 0) {
        const auto of_label = [&](const Cluster& cluster) { return cluster.label == label; };
        std::find_if(clusters_.begin(), clusters_.end(), of_label)->height = merge.height;
      }
      fmt::format_to(std::back_inserter(label < 0 ? trunk_ : paths_[static_cast<size_t>(Colour(label))]),
                     "M{:.1f} {:.1f}H{:.1f}V{:.1f}H{:.1f}", axis_.X(a.height), Y(a.place), axis_.X(merge.height),
                     Y(b.place), axis_.X(b.height));
      nodes.push_back({(a.place + b.place) / 2, merge.height, label});
    }
    if (!nodes.empty())
      fmt::format_to(std::back_inserter(trunk_), "M{:.1f} {:.1f}H{:.1f}", axis_.X(nodes.back().height),
                     Y(nodes.back().place), kRoot);
  }

  std::string Axis() const {
    std::string grid, texts;
    for (const double tick : axis_.ticks()) {
      const double x = axis_.X(tick);
      fmt::format_to(std::back_inserter(grid), "M{:.1f} {}V{:.1f}", x, kTop - 6, kTop + height_);
      fmt::format_to(std::back_inserter(texts), "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x,
                     kTop - 12, ShortText(tick));
    }
    return fmt::format(
        "<path class=\"grid\" d=\"{}\"/>\n<g font-size=\"12\" style=\"fill:var(--soft)\">\n"
        "<text x=\"{}\" y=\"12\">{}</text>\n{}</g>\n",
        grid, kTreeLeft - 8, EscapeHtml(AxisName()), texts);
  }

  std::string Lines() const {
    const char* width = step_ < 4 ? "1" : "1.5";
    std::string out =
        fmt::format("<path class=\"line\" style=\"stroke:var(--soft);stroke-width:{}\" d=\"{}\"/>\n", width, trunk_);
    for (size_t c = 0; c < paths_.size(); ++c)
      if (!paths_[c].empty())
        out += fmt::format("<path class=\"line s{}\" style=\"stroke-width:{}\" d=\"{}\"/>\n", c, width, paths_[c]);
    return out;
  }

  std::string Bars() const {
    std::string out;
    const double gap = std::min(1.0, step_ / 4);
    for (const Cluster& cluster : clusters_)
      out += fmt::format("<path class=\"s{}\" d=\"M{} {:.2f}h{}v{:.2f}h-{}z\"/>\n", Colour(cluster.label), kBarLeft,
                         kTop + static_cast<double>(cluster.first) * step_ + gap, kBarWidth,
                         static_cast<double>(cluster.end - cluster.first) * step_ - 2 * gap, kBarWidth);
    return out;
  }

  /// Every so many leaves that their names have room.
  std::string LeafNames() const {
    std::string out = "<g font-size=\"11\" style=\"fill:var(--soft)\">\n";
    const auto every = static_cast<size_t>(std::ceil(kNameHeight / step_));
    const size_t most_bytes = has_cluster_names() ? kNameBytes : kNameBytesAlone;
    for (size_t i = every / 2; i < tree_.leaves.size(); i += every)
      out += fmt::format("<text x=\"{}\" y=\"{:.1f}\">{}</text>\n", kNamesLeft, Y(static_cast<double>(i)) + 4,
                         EscapeHtml(Printable(tree_.leaves[i].name, most_bytes)));
    return out + "</g>\n";
  }

  /// The largest first, where there is room.
  std::string ClusterNames() const {
    if (!has_cluster_names()) return "";
    std::vector<const Cluster*> by_size;
    for (const Cluster& cluster : clusters_) by_size.push_back(&cluster);
    std::stable_sort(by_size.begin(), by_size.end(),
                     [](const Cluster* a, const Cluster* b) { return a->end - a->first > b->end - b->first; });
    std::vector<double> taken;
    std::string out = "<g font-size=\"13\" font-weight=\"600\" style=\"fill:var(--ink)\">\n";
    for (const Cluster* cluster : by_size) {
      const double y = Y(static_cast<double>(cluster->first + cluster->end - 1) / 2);
      if (std::any_of(taken.begin(), taken.end(), [&](double other) { return std::fabs(other - y) < kClusterHeight; }))
        continue;
      taken.push_back(y);
      out +=
          fmt::format("<text x=\"{}\" y=\"{:.1f}\">{} <tspan font-weight=\"400\">({})</tspan></text>\n", kClustersLeft,
                      y + 4, EscapeHtml(Printable(ClusterName(*cluster), kNameBytes)), CountText(cluster->n_leaves));
    }
    return out + "</g>\n";
  }

  /// Bands that show the names of their leaves when pointed at.
  std::string Tips() const {
    constexpr size_t kMostNames = 10;
    const auto n = static_cast<size_t>(std::ceil(kTipHeight / step_));
    std::string out;
    for (size_t i = 0; i < tree_.leaves.size(); i += n) {
      const size_t end = std::min(tree_.leaves.size(), i + n);
      std::string names;
      for (size_t leaf = i; leaf < std::min(end, i + kMostNames); ++leaf)
        names += (leaf > i ? "\n" : "") + tree_.leaves[leaf].name;
      if (end > i + kMostNames) names += fmt::format("\nand {} more", end - i - kMostNames);
      out += fmt::format(
          "<rect class=\"tip\" x=\"{}\" y=\"{:.2f}\" width=\"{}\" height=\"{:.2f}\"><title>{}</title></rect>\n",
          kTreeLeft, kTop + static_cast<double>(i) * step_, kWidth - kTreeLeft, static_cast<double>(end - i) * step_,
          EscapeHtml(names));
    }
    return out;
  }

  const DendrogramPicture& picture_;
  int64_t n_clusters_;
  Tree tree_;
  HeightAxis axis_;
  double step_ = 0, height_ = 0;
  std::vector<Cluster> clusters_;
  std::vector<std::string> paths_;  // of colours
  std::string trunk_;
};

}  // namespace

std::string DendrogramSvg(const Dendrogram& dendrogram, const DendrogramPicture& picture) {
  const Drawing drawing(dendrogram, picture);
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
         drawing.Svg(" xmlns=\"http://www.w3.org/2000/svg\" font-family=\"system-ui, sans-serif\"",
                     fmt::format("<title>{}</title>\n<style>{}</style>\n<rect width=\"100%\" height=\"100%\" "
                                 "style=\"fill:var(--card)\"/>\n",
                                 EscapeHtml(picture.title), kPageStyle));
}

std::string DendrogramHtml(const Dendrogram& dendrogram, const DendrogramPicture& picture) {
  const Drawing drawing(dendrogram, picture);
  Table table;
  table.caption = picture.title;
  table.columns = {
      {"cluster"}, {"leaves", TableColumn::kNumber}, {"last merged at " + picture.height_name, TableColumn::kNumber}};
  for (const Cluster& cluster : drawing.clusters())
    table.rows.push_back({drawing.ClusterName(cluster), CountText(cluster.n_leaves), NumberText(cluster.height)});
  return fmt::format(
             "<figure>\n<figcaption>{0}</figcaption>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
             "aria-label=\"{0}\">\n",
             EscapeHtml(picture.title)) +
         drawing.Svg(" style=\"display:block;width:100%;min-width:48rem\"", "") +
         "</div>\n<details><summary>The figures as a table</summary>\n" + TableHtml(table) + "</details>\n</figure>\n";
}

}  // namespace kindred
