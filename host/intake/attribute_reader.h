// One table of attributes, read column by column.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/data/id_map.h"
#include "host/intake/attribute_values.h"
#include "host/intake/row_source.h"

namespace kindred {

/// A column of a source, and what becomes of it.
struct AttributeDeclaration {
  std::string column;
  std::string name = {};  // empty: the column's own
  AttributeRules rules = {};
};

/// One table: a file, or several with the same columns in any order.
struct AttributeSource {
  std::vector<std::string> inputs;         // files, "-", or the text of one query
  std::string label = {};                  // for manifests and messages; empty: the first input
  std::optional<InputFormat> format = {};  // none: by the input's name
  ReadOptions read = {};                   // its format apart
  IdFormat id_format = IdFormat::kText;    // of the key, as of the events
  std::string key = {};                    // the column of ids; empty: the first there is of the usual ones
  bool all_columns = true;                 // else those in `columns` only
  AttributeRules rules = {};               // of columns that are not in `columns`; without a type
  std::vector<AttributeDeclaration> columns = {};
};

/// A file, folder or pattern as a source of which no more is said.
AttributeSource FileSource(const std::string& path);

/// OpenRows, with the format of the source or, where it has none, by the input's name; kUsage where that does not tell.
std::unique_ptr<RowSource> OpenAttributes(const std::string& input, const AttributeSource& source);
using AttributeOpener = std::function<std::unique_ptr<RowSource>(const std::string& input, const AttributeSource&)>;

struct AttributeSink {
  std::function<void(BadRow)> bad_row;
  /// Bytes of the input read so far, and in all (0: not known); may be empty.
  std::function<void(const std::string& input, int64_t read, int64_t total)> progress = {};
};

/// An attribute as it is read.
struct AttributeInput {
  std::string name;
  std::unique_ptr<AttributeValues> values;
};

/// What was read of a source.
struct AttributeRows {
  std::string label;
  std::string key;
  std::vector<AttributeInput> columns;
  std::vector<int32_t> keys;  // of each row, as `keys` interned it
  int64_t n_bad_rows = 0;
  std::vector<SourceInfo> files;
};

/// Reads a source to its end. `what` is "item" or "user", `usual_keys` are the columns where its key is looked for, in
/// this order.
///
/// A row is bad where its key is empty or was there before in the source, or where a field is not what its column was
/// declared to be; the rules for columns that nobody declared are in attribute_values.h. A column of untyped text that
/// is called "tags" is one of tags. Columns without a name are left out.
///
/// Throws what opening and reading throw, and kInvalidArgument naming the file and the column: no such column, a
/// column or name twice, a name that is not UTF-8, an undeclared column that two files type differently, a type that
/// the source's own does not convert to.
AttributeRows ReadAttributes(const AttributeSource& source, const std::string& what,
                             const std::vector<std::string>& usual_keys, IdMapBuilder& keys,
                             const AttributeOpener& open, const AttributeSink& sink);

}  // namespace kindred
