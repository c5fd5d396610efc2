#include "training/list_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "host/intake/unpacker.h"
#include "host/text/text.h"

namespace kindred {
namespace {

constexpr std::array kNames = {"csv", "jsonl", "parquet"};

class TextLists : public ListFormat {
 public:
  TextLists(ListContent content, Packing packing) : content_(std::move(content)), packing_(packing) {}

  ListPiece Piece(std::span<const WrittenList> lists) const override {
    std::string text;
    for (const WrittenList& list : lists) Put(list, text);
    const auto bytes = static_cast<int64_t>(text.size());
    return {{packing_ == Packing::kNone ? std::move(text) : Pack(text, packing_)}, {bytes}};
  }
  std::string End(int64_t, std::span<const TileColumns>) const override { return {}; }

 protected:
  virtual void Put(const WrittenList& list, std::string& to) const = 0;

  const ListFileColumns& columns() const { return content_.columns; }
  Packing packing() const { return packing_; }
  std::string_view Item(int32_t item) const { return content_.items.Id(item); }
  float Probability(float score) const { return content_.calibration.Probability(score); }

 private:
  ListContent content_;
  Packing packing_;
};

class CsvLists : public TextLists {
 public:
  using TextLists::TextLists;

  std::string Head() const override {
    std::string line = columns().of + ",position," + columns().item;
    if (columns().scores) line += ",score";
    if (columns().probabilities) line += ",probability";
    return Pack(line + "\n", packing());
  }

 private:
  void Put(const WrittenList& list, std::string& to) const override {
    const std::string id = CsvField(list.id);
    for (size_t j = 0; j < list.items.size(); ++j) {
      fmt::format_to(std::back_inserter(to), "{},{},", id, j + 1);
      to += CsvField(Item(list.items[j]));
      if (columns().scores) fmt::format_to(std::back_inserter(to), ",{}", list.scores[j]);
      if (columns().probabilities) to += ',';
      if (columns().probabilities && list.has_probabilities)
        fmt::format_to(std::back_inserter(to), "{}", Probability(list.scores[j]));
      to += '\n';
    }
  }
};

void PutJsonText(std::string_view text, std::string& to) {
  const auto is_plain = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; };
  if (std::ranges::all_of(text, is_plain))
    fmt::format_to(std::back_inserter(to), "\"{}\"", text);
  else
    to += nlohmann::json(text).dump();
}

/// JSON has no infinity.
void PutJsonNumber(float value, std::string& to) {
  if (std::isfinite(value))
    fmt::format_to(std::back_inserter(to), "{}", value);
  else
    to += "null";
}

class JsonLists : public TextLists {
 public:
  using TextLists::TextLists;

  std::string Head() const override { return Pack("", packing()); }

 private:
  void Put(const WrittenList& list, std::string& to) const override {
    fmt::format_to(std::back_inserter(to), "{{\"{}\":", columns().of);
    PutJsonText(list.id, to);
    fmt::format_to(std::back_inserter(to), ",\"served_by\":\"{}\",\"{}s\":[", list.served_by, columns().item);
    for (size_t j = 0; j < list.items.size(); ++j) {
      to += j == 0 ? "{\"item\":" : ",{\"item\":";
      PutJsonText(Item(list.items[j]), to);
      if (columns().scores) {
        to += ",\"score\":";
        PutJsonNumber(list.scores[j], to);
      }
      if (columns().probabilities && list.has_probabilities) {
        to += ",\"probability\":";
        PutJsonNumber(Probability(list.scores[j]), to);
      }
      to += '}';
    }
    to += "]}\n";
  }
};

}  // namespace

const char* ListFileFormatName(ListFileFormat format) {
  return kNames[static_cast<size_t>(format)];
}

std::optional<ListFileFormat> ListFileFormatNamed(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<ListFileFormat>(found - kNames.begin());
}

std::optional<ListFileFormat> ListFileFormatOf(std::string_view path) {
  const std::string_view name = WithoutPacking(path);
  if (name.ends_with(".ndjson")) return ListFileFormat::kJsonLines;
  const size_t dot = name.rfind('.');
  return dot == name.npos ? std::nullopt : ListFileFormatNamed(name.substr(dot + 1));
}

std::unique_ptr<ListFormat> NewListFormat(ListFileFormat format, ListContent content, Packing packing) {
  if (format == ListFileFormat::kCsv) return std::make_unique<CsvLists>(std::move(content), packing);
  if (format == ListFileFormat::kJsonLines) return std::make_unique<JsonLists>(std::move(content), packing);
  return NewParquetLists(std::move(content));
}

}  // namespace kindred
