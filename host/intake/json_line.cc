#include "host/intake/json_line.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "host/intake/record_blocks.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

namespace json = simdjson::ondemand;

static_assert(TextBlock::kPaddingBytes >= simdjson::SIMDJSON_PADDING);

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

/// By the grammar of RFC 8259.
bool IsNumber(std::string_view text) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t begin = at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    return at > begin;
  };
  const auto take = [&](std::string_view any) {
    const bool there = at < text.size() && any.find(text[at]) != any.npos;
    at += there ? 1 : 0;
    return there;
  };
  take("-");
  if (!take("0") && !digits()) return false;
  if (take(".") && !digits()) return false;
  if (take("eE")) {
    take("+-");
    if (!digits()) return false;
  }
  return at == text.size();
}

/// What lies between the quotes of a string, of which the parser has seen that it ends.
std::string_view Quoted(const char* begin, const char* end) {
  const char* at = begin;
  for (;;) {
    at = static_cast<const char*>(std::memchr(at, '"', static_cast<size_t>(end - at)));
    if (at == nullptr) return {begin, static_cast<size_t>(end - begin)};
    const char* slash = at;
    while (slash > begin && slash[-1] == '\\') --slash;
    if ((at - slash) % 2 == 0) return {begin, static_cast<size_t>(at - begin)};
    ++at;
  }
}

}  // namespace

int JsonKeys::Find(int node, size_t position, std::string_view key) const {
  const Node& parent = nodes_[static_cast<size_t>(node)];
  if (position < parent.children.size()) {
    const int child = parent.children[position];
    if (nodes_[static_cast<size_t>(child)].key == key) return child;
  }
  const auto found = parent.by_key.find(key);
  return found != parent.by_key.end() ? found->second : kUnknown;
}

int JsonKeys::Add(int node, std::string_view key) {
  const std::string& parent_path = nodes_[static_cast<size_t>(node)].path;
  std::string path = node == kRoot ? std::string(key) : fmt::format("{}.{}", parent_path, key);
  if (full() || path.size() > kMaxNameBytes) return kUnknown;
  const auto child = static_cast<int>(nodes_.size());
  Node& added = nodes_.emplace_back();
  Node& parent = nodes_[static_cast<size_t>(node)];
  added.key = key;
  added.path = std::move(path);
  parent.children.push_back(child);
  parent.by_key.emplace(added.key, child);
  return child;
}

void JsonKeys::AddColumn(int node) {
  Node& added = nodes_[static_cast<size_t>(node)];
  if (added.column >= 0) return;
  const auto [at, is_new] = columns_.emplace(added.path, static_cast<int>(names_.size()));
  if (is_new) names_.push_back(added.path);
  added.column = at->second;
}

struct JsonLineReader::Parser {
  json::parser parser;
  std::string unescaped;  // of keys, and of texts that nobody reads
  std::string list;
  std::vector<bool> seen;
};

/// Goes through one line. Functions return false where something is wrong with it, and have said what.
class JsonLineReader::Walk {
 public:
  Walk(JsonLineReader& reader, std::string_view line) : reader_(reader), parser_(*reader.parser_), line_(line) {}

  /// Where set, keys are added to it.
  JsonKeys* explored = nullptr;
  const JsonKeys* keys = nullptr;
  const std::vector<int>* slots = nullptr;
  RowWriter* row = nullptr;

  bool Run() {
    const simdjson::padded_string_view padded(line_, line_.size() + TextBlock::kPaddingBytes);
    json::document document;
    if (const auto error = parser_.parser.iterate(padded).get(document)) return NoJson(error);
    document_ = &document;
    json::object object;
    if (const auto error = document.get_object().get(object)) return NoJson(error);
    if (!Object(object, JsonKeys::kRoot, 0)) return false;
    const char* behind = nullptr;
    if (document.current_location().get(behind) != simdjson::OUT_OF_BOUNDS)
      return Refuse("no JSON object: it goes on behind its end",
                    fmt::format("no JSON object: it goes on behind its end, at byte {}", behind - line_.data() + 1));
    return true;
  }

 private:
  bool Object(json::object object, int node, int depth) {
    if (depth > kMaxDepth) return TooDeep();
    size_t position = 0;
    for (simdjson::simdjson_result<json::field> next : object) {
      json::field field;
      if (const auto error = std::move(next).get(field)) return NoJson(error);
      std::string_view key;
      if (!Text(field.key(), parser_.unescaped, key)) return false;
      int child = node == JsonKeys::kUnknown ? node : keys->Find(node, position++, key);
      if (child == JsonKeys::kUnknown && explored != nullptr && node >= 0) child = explored->Add(node, key);
      if (!Value(field.value(), child, depth)) return false;
    }
    return true;
  }

  bool Value(json::value value, int node, int depth) {
    json::json_type type;
    if (const auto error = value.type().get(type)) return NoJson(error);
    if (type == json::json_type::object) {
      const int slot = Slot(node);
      if (slot >= 0) return RefuseColumn(node, "an object", "holds an object; expected a text, a number or an array");
      json::object object;
      if (const auto error = value.get_object().get(object)) return NoJson(error);
      return Object(object, node, depth + 1);
    }
    if (explored != nullptr && node >= 0) explored->AddColumn(node);
    const int slot = Slot(node);
    if (slot >= 0 && parser_.seen[static_cast<size_t>(slot)]) return RefuseColumn(node, "twice", "is there twice");
    if (slot >= 0) parser_.seen[static_cast<size_t>(slot)] = true;
    std::string_view text;
    if (type == json::json_type::array) {
      if (!Array(value, slot >= 0 ? node : JsonKeys::kUnknown, depth + 1)) return false;
      if (slot >= 0) text = row->NewText() = parser_.list;
    } else if (!Scalar(value, type, slot >= 0, text)) {
      return false;
    }
    if (slot >= 0) row->Cell(static_cast<size_t>(slot)) = text;
    return true;
  }

  /// Of null, the text is empty. A text with escapes lives in the writer if it is `kept`.
  bool Scalar(json::value& value, json::json_type type, bool kept, std::string_view& text) {
    if (type == json::json_type::string) {
      json::raw_json_string raw;
      if (const auto error = value.get_raw_json_string().get(raw)) return NoJson(error);
      if (!Text(raw, parser_.unescaped, text)) return false;
      if (kept && text.data() == parser_.unescaped.data()) text = row->NewText() = text;
      return true;
    }
    text = value.raw_json_token();
    text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
    const bool good = type == json::json_type::number    ? IsNumber(text)
                      : type == json::json_type::boolean ? text == "true" || text == "false"
                                                         : text == "null";
    if (!good)
      return Refuse("no JSON object: a value is none",
                    fmt::format("no JSON object: '{}' is no value, at byte {}", Printable(text), Byte(text.data())));
    if (type == json::json_type::null) text = {};
    return true;
  }

  /// Checks an array; that of a column (`node` >= 0) goes to parser_.list.
  bool Array(json::value& value, int node, int depth) {
    if (depth > kMaxDepth) return TooDeep();
    const bool kept = node >= 0;
    if (kept) parser_.list.clear();
    json::array array;
    if (const auto error = value.get_array().get(array)) return NoJson(error);
    for (simdjson::simdjson_result<json::value> next : array) {
      json::value element;
      if (const auto error = std::move(next).get(element)) return NoJson(error);
      json::json_type type;
      if (const auto error = element.type().get(type)) return NoJson(error);
      const bool nested = type == json::json_type::object || type == json::json_type::array;
      if (nested && kept)
        return RefuseColumn(node, "an array with more than scalars", "has arrays or objects in its array");
      std::string_view text;
      if (nested) {
        if (!Value(element, JsonKeys::kUnknown, depth)) return false;
      } else if (!Scalar(element, type, false, text)) {
        return false;
      }
      if (!kept || text.empty()) continue;
      if (text.find('|') != text.npos)
        return RefuseColumn(node, "'|' in an array", "has '|' within an element, which stands between elements");
      if (!parser_.list.empty()) parser_.list += '|';
      parser_.list += text;
    }
    return true;
  }

  /// A string, from the line as it is or unescaped into the buffer.
  bool Text(json::raw_json_string raw, std::string& buffer, std::string_view& text) {
    text = Quoted(raw.raw(), line_.data() + line_.size());
    if (text.find('\\') == text.npos) return true;
    buffer.resize(text.size() + simdjson::SIMDJSON_PADDING);
    auto* to = reinterpret_cast<uint8_t*>(buffer.data());
    std::string_view unescaped;
    if (parser_.parser.unescape(raw, to).get(unescaped) != simdjson::SUCCESS)
      return Refuse("no JSON object: an escape in a string is none",
                    fmt::format("no JSON object: an escape in the string '{}' is none, at byte {}", Printable(text),
                                Byte(text.data())));
    text = unescaped;
    return true;
  }

  int Slot(int node) const {
    if (node < 0 || slots == nullptr) return -1;
    const int column = keys->column(node);
    return column >= 0 ? (*slots)[static_cast<size_t>(column)] : -1;
  }

  int64_t Byte(const char* at) const { return at - line_.data() + 1; }

  bool NoJson(simdjson::error_code error) {
    if (error == simdjson::MEMALLOC) throw std::bad_alloc();
    const char* what = error == simdjson::INCORRECT_TYPE && document_ != nullptr ? "the line is no object"
                       : error == simdjson::EMPTY                                ? "there is nothing in the line"
                                                                                 : simdjson::error_message(error);
    const char* at = nullptr;
    std::string where;
    if (document_ != nullptr && document_->current_location().get(at) == simdjson::SUCCESS)
      where = fmt::format(", near byte {}", Byte(at));
    return Refuse(fmt::format("no JSON object: {}", what), fmt::format("no JSON object: {}{}", what, where));
  }

  bool TooDeep() {
    const std::string what = fmt::format("no JSON object: nested more than {} deep", kMaxDepth);
    return Refuse(what, what);
  }

  bool RefuseColumn(int node, const char* kind, const char* what) {
    const std::string& name = keys->columns()[static_cast<size_t>(keys->column(node))];
    return Refuse(fmt::format("a column: {}", kind), fmt::format("column '{}' {}", Printable(name), what));
  }

  bool Refuse(std::string kind, std::string reason) {
    reader_.fault_ = {std::move(kind), std::move(reason)};
    return false;
  }

  JsonLineReader& reader_;
  Parser& parser_;
  std::string_view line_;
  json::document* document_ = nullptr;
};

JsonLineReader::JsonLineReader() : parser_(std::make_unique<Parser>()) {}

JsonLineReader::~JsonLineReader() = default;

bool JsonLineReader::Explore(std::string_view line, JsonKeys& keys) {
  Walk walk(*this, line);
  walk.keys = walk.explored = &keys;
  return walk.Run();
}

bool JsonLineReader::Read(std::string_view line, const JsonKeys& keys, const std::vector<int>& slots, size_t n_cells,
                          RowWriter& row) {
  parser_->seen.assign(n_cells, false);
  for (size_t i = 0; i < n_cells; ++i) row.Cell(i) = {};
  Walk walk(*this, line);
  walk.keys = &keys;
  walk.slots = &slots;
  walk.row = &row;
  return walk.Run();
}

}  // namespace kindred
