// Members of a manifest, read with errors that say which one is wrong.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace kindred {

/// Members of one object. Everything throws kCorrupt, beginning with `where`, for a member that is absent, of another
/// type, or out of range. Views the object.
class JsonReader {
 public:
  JsonReader(const nlohmann::json& object, std::string where);

  [[noreturn]] void Refuse(std::string_view key, std::string_view expected) const;
  const std::string& where() const { return where_; }
  const nlohmann::json& Get(const char* key) const;
  /// Whether it is there and not null.
  bool Has(const char* key) const;

  std::string Text(const char* key) const;
  /// Finite, from `least` to `most`.
  double Number(const char* key, double least, double most) const;
  int64_t Integer(const char* key, int64_t least, int64_t most) const;
  bool Boolean(const char* key) const;
  std::vector<std::string> Texts(const char* key) const;
  std::vector<double> Numbers(const char* key) const;
  const nlohmann::json& List(const char* key) const;

 private:
  const nlohmann::json& object_;
  std::string where_;
};

}  // namespace kindred
