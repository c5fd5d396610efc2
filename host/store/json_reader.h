// Members of a manifest, read with errors that say which one is wrong.
#pragma once

#include <cstdint>
#include <limits>
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
  const nlohmann::json& Get(std::string_view key) const;
  /// Whether it is there and not null.
  bool Has(std::string_view key) const;

  std::string Text(std::string_view key) const;
  /// Finite, from `least` to `most`.
  double Number(std::string_view key, double least = std::numeric_limits<double>::lowest(),
                double most = std::numeric_limits<double>::max()) const;
  int64_t Integer(std::string_view key, int64_t least, int64_t most) const;
  bool Boolean(std::string_view key) const;
  std::vector<std::string> Texts(std::string_view key) const;
  std::vector<double> Numbers(std::string_view key) const;
  const nlohmann::json& List(std::string_view key) const;
  const nlohmann::json& Object(std::string_view key) const;

 private:
  const nlohmann::json& object_;
  std::string where_;
};

}  // namespace kindred
