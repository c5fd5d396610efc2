// Lines that are JSON objects, as cells of columns.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "host/intake/row_writer.h"

namespace kindred {

/// The keys that objects have, nested as they are, and the columns they make: of keys within keys, "a.b".
class JsonKeys {
 public:
  static constexpr int kRoot = 0;
  static constexpr int kUnknown = -1;
  static constexpr size_t kMaxKeys = size_t{1} << 16;
  static constexpr size_t kMaxNameBytes = 4096;

  JsonKeys() : nodes_(1) {}

  /// The key within `node`, or kUnknown. `position`: the number of keys before it, as a hint.
  int Find(int node, size_t position, std::string_view key) const;
  /// Likewise, of one that was not there. Keys whose column would have a longer name stay unknown, and all once it is
  /// full.
  int Add(int node, std::string_view key);
  bool full() const { return nodes_.size() > kMaxKeys; }
  /// The column of a key, or -1 where it holds but other keys so far.
  int column(int node) const { return nodes_[static_cast<size_t>(node)].column; }
  void AddColumn(int node);

  /// In order of first appearance.
  const std::deque<std::string>& columns() const { return names_; }

 private:
  struct Node {
    std::string key;
    std::string path;
    int column = -1;
    std::vector<int> children;
    std::unordered_map<std::string_view, int> by_key;  // of the children
  };

  std::deque<Node> nodes_;
  std::deque<std::string> names_;
  std::unordered_map<std::string, int> columns_;
};

/// Reads lines, one at a time. A line must be one object as RFC 8259 has it, in UTF-8, with keys in any order.
/// Cells are texts without escapes, numbers as they are written, true, false, and the elements of an array between
/// '|'; of null, and of keys that are not there, empty.
class JsonLineReader {
 public:
  static constexpr int kMaxDepth = 128;

  struct Fault {
    std::string kind;  // without what was found
    std::string reason;
  };

  JsonLineReader();
  ~JsonLineReader();

  /// Adds the keys of a line. False where it is none; then fault() says why.
  /// TextBlock::kPaddingBytes must be readable behind a line.
  bool Explore(std::string_view line, JsonKeys& keys);

  /// Sets the cells of the writer's row; slots[c] is where column c goes, or -1. Columns are refused that are there
  /// twice, or hold an object, an array with more than scalars in it, or a '|' within an element.
  bool Read(std::string_view line, const JsonKeys& keys, const std::vector<int>& slots, size_t n_cells, RowWriter& row);

  const Fault& fault() const { return fault_; }

 private:
  class Walk;
  struct Parser;

  std::unique_ptr<Parser> parser_;
  Fault fault_;
};

}  // namespace kindred
