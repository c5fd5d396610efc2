// A column of texts of which nobody said what they are.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/data/id_map.h"
#include "host/intake/attribute_fields.h"
#include "host/intake/attribute_values.h"

namespace kindred {

/// Memory: a code a row and a dictionary as long as texts repeat, else the texts; the type is the same either way.
class InferredValues final : public AttributeValues {
 public:
  /// `any_shape`: else the source says that they are texts, so that they can only be categories or texts.
  InferredValues(std::string column, const AttributeRules& rules, bool any_shape)
      : AttributeValues(std::move(column)), rules_(rules), possible_(any_shape ? kAllShapes : 0) {}

  void Parse(const Column&, int64_t, RowFaults&) override {}
  void Append(const Column& column, std::span<const int32_t> rows, std::span<const int64_t> lines) override;
  void EndFile(const std::string& path) override;
  std::optional<InferenceBreak> Break() const override { return break_; }
  AttributeArrays Place(std::span<const int32_t> to, int64_t n_rows) override;

 private:
  /// Keeps a text and returns what it may be.
  Shapes Keep(std::string_view text);
  void StopCoding();
  int64_t size() const { return coding_ ? static_cast<int64_t>(codes_.size()) : texts_.size(); }
  std::string_view TextAt(int64_t j) const;
  /// Codes all texts; false where they do not repeat enough.
  bool CodeAll();
  AttributeArrays PlaceAs(AttributeType type, std::span<const int32_t> to, int64_t n_rows);

  AttributeRules rules_;  // without a type
  bool coding_ = true;    // rows are codes_, else texts_
  std::vector<int32_t> codes_;
  IdMapBuilder dictionary_;
  std::vector<Shapes> shapes_;  // of the dictionary's texts
  TextRows texts_;
  int64_t n_present_ = 0;

  Shapes possible_;         // before any text is seen
  Shapes all_ = possible_;  // what all files before may be
  Shapes file_ = possible_;
  bool file_empty_ = true;
  std::string first_file_;  // the first with any text
  std::optional<InferenceBreak> break_;
};

}  // namespace kindred
