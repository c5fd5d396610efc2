// Tables of TOML whose keys are known: files that people write, read with errors that name the place in them.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kindred {

/// Where a table stands.
struct TomlPlace {
  std::string file;
  std::string name = {};  // of the table: "scenarios.homepage"; empty: not said in messages

  /// "FILE: line 3, column 10: scenarios.homepage.n: "
  std::string Prefix(const toml::source_region& at) const;
  /// Throws kUsage with the prefix before what is wrong.
  [[noreturn]] void Refuse(const toml::source_region& at, const std::string& what) const;
  [[noreturn]] void Refuse(const toml::node& at, const std::string& what) const { Refuse(at.source(), what); }
  /// Throws kUsage for a key that is none of those known, with the nearest that is.
  [[noreturn]] void RefuseKey(const toml::key& key, std::span<const std::string_view> known) const;
  TomlPlace In(const std::string& key) const { return {file, name.empty() ? key : name + "." + key}; }
};

/// Throws kUsage with the place of what is no TOML.
toml::table ParseToml(std::string_view text, const std::string& file);

/// The file's schema_version must be there, and at least 1. Throws kUsage, and kUnsupported for one above `known`. To
/// be asked first: what is an unknown key here may be known to a newer program.
void CheckTomlSchema(const toml::table& table, const std::string& file, int64_t known);

/// "a text", "a number", "true or false", "a list", "a table" or "a date or time".
const char* TomlKind(const toml::node& node);

/// One table, whose keys are known. Everything that reads leaves alone what is to be set where the key is absent, and
/// throws kUsage with the place where its value is of another type than expected. Views the table.
class TomlTable {
 public:
  /// Throws for a key that is not known.
  TomlTable(const toml::table& table, TomlPlace place, std::span<const std::string_view> known);
  TomlTable(const toml::table& table, TomlPlace place, std::initializer_list<std::string_view> known)
      : TomlTable(table, std::move(place), std::span<const std::string_view>(known.begin(), known.size())) {}

  const toml::table& table() const { return table_; }
  const TomlPlace& place() const { return place_; }
  const toml::node* Find(std::string_view key) const { return table_.get(key); }
  /// Of the value of a key that is there, or of the table.
  [[noreturn]] void Refuse(std::string_view key, const std::string& what) const;

  /// Null where the key is absent. An empty text is refused.
  const std::string* Text(std::string_view key) const;
  /// Of a text, or a list of one or more. None where the key is absent.
  std::vector<std::string> Texts(std::string_view key) const;
  /// The table of that key; null where it is absent.
  const toml::table* Table(std::string_view key) const;
  /// Those that are written as [[key]].
  std::vector<const toml::table*> Tables(std::string_view key) const;

  void Read(std::string_view key, std::string& value) const;
  void Read(std::string_view key, bool& value) const;
  /// Whole numbers from `least` to `most`.
  void Read(std::string_view key, int64_t& value, int64_t least, int64_t most) const;
  /// Numbers from `least` to `most`, with or without a point.
  void Read(std::string_view key, double& value, double least, double most) const;
  /// A text that is one of several names.
  template <class T>
  void Read(std::string_view key, T& value, std::initializer_list<std::pair<std::string_view, T>> names) const {
    const std::string* text = Text(key);
    if (text == nullptr) return;
    std::vector<std::string_view> known;
    for (const auto& [name, meaning] : names) {
      known.push_back(name);
      if (*text == name) value = meaning;
    }
    CheckName(key, *text, known);
  }

 private:
  void CheckName(std::string_view key, std::string_view found, std::span<const std::string_view> known) const;

  const toml::table& table_;
  TomlPlace place_;
};

}  // namespace kindred
