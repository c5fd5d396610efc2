#include "tests/host/expression/random_rows.h"

#include <limits>

namespace kindred {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const UntypedCell kCells[] = {
    {"1", 1, 1, true},
    {"0", 0, 0, false},
    {"12", 12, 12, {}},
    {"-3.5", -3.5, -4, {}},
    {"1e3", 1000, {}, {}},
    {"true", {}, {}, true},
    {"False", {}, {}, false},
    {"2024-11-24", {}, 1732406400, {}},
    {"2024-11-24T16:00:00Z", {}, 1732464000, {}},
    {"shoes", {}, {}, {}},
    {"red|blue", {}, {}, {}},
};

const char* const kWords[] = {"shoes", "bags", "Hats", "C123", "c", "\u00e9t\u00e9", " padded ", "red", "blue", "zz"};

}  // namespace

template <typename Fill>
void RandomRows::Add(const char* name, ColumnType type, Fill fill) {
  schema_.push_back({name, type});
  columns_.emplace_back();
  columns_.back().type = type;
  values_.emplace_back(static_cast<size_t>(n_rows_));
  cells_.emplace_back(static_cast<size_t>(n_rows_));
  for (size_t i = 0; i < static_cast<size_t>(n_rows_); ++i) fill(i, random_() % 5 == 0, &values_.back()[i]);
}

RandomRows::RandomRows(int64_t n_rows, uint64_t seed) : random_(seed), n_rows_(n_rows) {
  AddNumbers();
  AddTexts();
  AddTags();
  AddUntyped();
}

void RandomRows::AddNumbers() {
  const auto n = static_cast<size_t>(n_rows_);
  const auto small = [&] { return static_cast<double>(random_() % 41) / 4 - 3; };
  for (const bool time : {false, true}) {
    const ColumnType type = time ? ColumnType::kTime : ColumnType::kNumber;
    const auto value = [&] { return time ? 1.7e9 + static_cast<double>(random_() % 100000000) : small(); };
    auto& reals = reals_.emplace_back(n);
    Add(time ? "seen" : "price", type, [&](size_t i, bool missing, RowValue* is) {
      reals[i] = missing ? kNan : value();
      if (!missing) is->number = reals[i];
    });
    columns_.back().reals = reals;
    auto& integers = integers_.emplace_back(n);
    Add(time ? "made" : "stock", type, [&](size_t i, bool missing, RowValue* is) {
      integers[i] = missing ? kMissingInteger : static_cast<int64_t>(value());
      if (!missing) is->number = static_cast<double>(integers[i]);
    });
    columns_.back().integers = integers;
  }
  auto& floats = floats_.emplace_back(n);
  Add("item.weight", ColumnType::kNumber, [&](size_t i, bool missing, RowValue* is) {
    floats[i] = missing ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(small()) * 0.1f;
    if (!missing) is->number = static_cast<double>(floats[i]);
  });
  columns_.back().floats = floats;
  auto& booleans = booleans_.emplace_back(n);
  Add("in_stock", ColumnType::kBoolean, [&](size_t i, bool missing, RowValue* is) {
    booleans[i] = missing ? kMissingBoolean : static_cast<uint8_t>(random_() % 2);
    if (!missing) is->boolean = booleans[i] == 1;
  });
  columns_.back().booleans = booleans;
}

void RandomRows::AddTexts() {
  const auto n = static_cast<size_t>(n_rows_);
  auto& texts = texts_.emplace_back(n);
  Add("name", ColumnType::kText, [&](size_t i, bool missing, RowValue* is) {
    if (missing) return;
    texts[i] = kWords[random_() % std::size(kWords)];
    is->text = texts[i];
  });
  columns_.back().texts = texts;
  // Dictionaries that are smaller and larger than a tile, and than there are rows.
  for (const size_t n_entries : {size_t{7}, size_t{1500}, size_t{6000}}) {
    auto& dictionary = texts_.emplace_back();
    for (size_t entry = 0; entry < n_entries; ++entry)
      dictionary.push_back(entry < std::size(kWords) ? std::string_view(kWords[entry])
                                                     : kept_.emplace_back("Word " + std::to_string(entry)));
    auto& codes = codes_.emplace_back(n);
    const char* name = n_entries == 7 ? "category" : n_entries == 1500 ? "brand" : "Serial No.";
    Add(name, ColumnType::kText, [&](size_t i, bool missing, RowValue* is) {
      codes[i] = missing ? kMissingCode : static_cast<int32_t>(random_() % (random_() % 2 ? 7 : n_entries));
      if (!missing) is->text = dictionary[static_cast<size_t>(codes[i])];
    });
    columns_.back().codes = codes;
    columns_.back().dictionary = dictionary;
  }
}

void RandomRows::AddTags() {
  const auto n = static_cast<size_t>(n_rows_);
  auto& texts = texts_.emplace_back(n);
  Add("labels", ColumnType::kTags, [&](size_t i, bool missing, RowValue* is) {
    if (missing) return;
    std::string joined = random_() % 4 == 0 ? "|" : "";
    for (size_t j = random_() % 4; j > 0; --j) {
      is->tags.emplace_back(kWords[random_() % std::size(kWords)]);
      joined += is->tags.back() + (j > 1 || random_() % 4 == 0 ? "|" : "");
    }
    texts[i] = kept_.emplace_back(joined);
  });
  columns_.back().texts = texts;

  for (const bool large : {false, true}) {
    auto& dictionary = texts_.emplace_back(std::begin(kWords), std::end(kWords));
    if (large)
      while (dictionary.size() < 20000)
        dictionary.push_back(kept_.emplace_back("tag " + std::to_string(dictionary.size())));
    auto& codes = codes_.emplace_back(3);  // indptr need not begin at 0
    auto& indptr = integers_.emplace_back(1, 3);
    Add(large ? "topics" : "kinds", ColumnType::kTags, [&](size_t, bool missing, RowValue* is) {
      for (size_t j = missing ? 0 : random_() % 4; j > 0; --j) {
        codes.push_back(random_() % 8 == 0 ? kMissingCode : static_cast<int32_t>(random_() % std::size(kWords)));
        if (codes.back() != kMissingCode) is->tags.emplace_back(dictionary[static_cast<size_t>(codes.back())]);
      }
      indptr.push_back(static_cast<int64_t>(codes.size()));
    });
    columns_.back().codes = codes;
    columns_.back().indptr = indptr;
    columns_.back().dictionary = dictionary;
  }
}

void RandomRows::AddUntyped() {
  for (const char* name : {"Quantity", "Unit price"}) {
    auto& texts = texts_.emplace_back(static_cast<size_t>(n_rows_));
    std::vector<const UntypedCell*> cells(static_cast<size_t>(n_rows_));
    Add(name, ColumnType::kUntyped, [&](size_t i, bool missing, RowValue*) {
      if (missing) return;
      // Mostly cells that are readable as everything.
      cells[i] = &kCells[random_() % (random_() % 4 == 0 ? std::size(kCells) : 2)];
      texts[i] = cells[i]->text;
    });
    columns_.back().texts = texts;
    cells_.back() = cells;
  }
}

std::vector<Column> RandomRows::Columns(const Expression& expression) const {
  std::vector<Column> columns;
  for (const int column : expression.columns()) columns.push_back(columns_[static_cast<size_t>(column)]);
  return columns;
}

const UntypedCell* RandomRows::Untyped(int column, int64_t row) const {
  return cells_[static_cast<size_t>(column)][static_cast<size_t>(row)];
}

}  // namespace kindred
