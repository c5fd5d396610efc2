// Item updates from a file, and texts as values of attributes, for `kindred items update`.
//
// JSON lines: an object a line, `{"item_id": "A1", "price": 39.9, "in_stock": null}`. Values are as ItemUpdate has
// them; a key that is not there leaves its attribute alone.
//
// CSV and TSV: a row an item, a column an attribute of the model. Cells are read as `prepare` reads them, as the type
// that the attribute has; tags stand between '|'. An empty cell leaves its attribute alone, or, if that is asked for,
// makes its value missing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "host/data/attribute_table.h"
#include "host/intake/row_source.h"
#include "kindred/v1/recommender.pb.h"

namespace kindred {

/// The attributes of a server's items, by name.
using AttributeTypes = std::map<std::string, AttributeType, std::less<>>;

struct UpdateFileOptions {
  std::string path;                        // "-": standard input
  InputFormat format = InputFormat::kCsv;  // or kTsv, kJsonLines
  std::string key = "item_id";             // the column or key with the item's id
  bool empty_is_missing = false;           // of CSV and TSV
};

/// A text as a value of an attribute, as `prepare` reads a cell; empty: null. Throws kInvalidArgument with what was
/// found and expected.
google::protobuf::Value ValueOf(std::string_view text, AttributeType type);
/// Throws kInvalidArgument naming the nearest for an attribute that there is not.
AttributeType TypeOf(const AttributeTypes& types, std::string_view attribute);

/// Updates in the order of the file, each with its line. Lines that say nothing are passed over. Memory: a block of the
/// file. Throws as RowSource does, and kInvalidArgument naming the file, the line and what was found.
void ReadUpdates(const UpdateFileOptions& options, const AttributeTypes& types,
                 const std::function<void(int64_t line, v1::ItemUpdate update)>& take);

}  // namespace kindred
