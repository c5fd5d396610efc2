// A file that declares the tables of an export: which there are, their keys, and what their columns are.
//
//   schema_version = 1
//
//   [[items]]
//   path = "catalogue.csv"
//   key = "item_id"
//   columns = { title = "text", price = "number", tags = { type = "tags", separator = ";" } }
//
//   [[items]]
//   path = ["stock/*.csv", "warehouse.parquet"]
//   key = "sku"
//
//   [[users]]
//   query = "select * from customers"
//   database = "postgresql:///shop"
//
// All keys, and what they mean: docs/formats.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "host/intake/attribute_reader.h"

namespace kindred {

/// Of these files. A reader refuses a newer one with a message.
inline constexpr int kProfileSchema = 1;

struct ProfileConfig {
  /// In the order of the file. Paths that are not absolute are put behind the folder of the file.
  std::vector<AttributeSource> items, users;
};

/// Folders and patterns are expanded (ExpandInputs). Throws kNotFound or kIo; kUsage with file, line and column for
/// what is no TOML, an unknown key (with the nearest known one), a value of another type than expected, and a table
/// without input; kUnsupported for a newer schema.
ProfileConfig ReadProfileConfig(const std::string& path);

/// The same of a text that stands in `path`, with folders and patterns as they are written.
ProfileConfig ParseProfileConfig(std::string_view text, const std::string& path);

}  // namespace kindred
