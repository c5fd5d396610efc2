#include "host/intake/parquet_cells.h"

#include <arrow/array.h>
#include <arrow/extension_type.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

#include "host/text/text.h"

namespace kindred {
namespace {

constexpr double kMissingReal = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kUuidBytes = 16;

/// Calls present(row, position) or missing() for each row.
template <class Present, class Missing>
void ForEach(const ArrowCells& from, const Present& present, const Missing& missing) {
  for (size_t p = 0; p < from.rows.size(); ++p) {
    const int64_t row = from.rows[p];
    if (row < 0 || from.array.IsNull(row))
      missing();
    else
      present(row, static_cast<int64_t>(p));
  }
}

template <class Array>
const Array& As(const ArrowCells& from) {
  return static_cast<const Array&>(from.array);
}

void AddNothing(const ArrowCells& from, CellColumn& to, BadCells&) {
  for (size_t p = 0; p < from.rows.size(); ++p) to.AddText({});
}

void AddBooleans(const ArrowCells& from, CellColumn& to, BadCells&) {
  ForEach(
      from, [&](int64_t row, int64_t) { to.AddBoolean(As<arrow::BooleanArray>(from).Value(row)); },
      [&] { to.AddBoolean(kMissingBoolean); });
}

template <class Array>
void AddIntegers(const ArrowCells& from, CellColumn& to, BadCells& bad) {
  ForEach(
      from,
      [&](int64_t row, int64_t position) {
        const int64_t value = As<Array>(from).Value(row);
        if (value == kMissingInteger) bad.Add(position, from.column, fmt::to_string(value), "too small");
        to.AddInteger(value);
      },
      [&] { to.AddInteger(kMissingInteger); });
}

/// Numbers that no other kind holds exactly.
void AddUint64s(const ArrowCells& from, CellColumn& to, BadCells&) {
  ForEach(
      from, [&](int64_t row, int64_t) { to.AddOwnText(fmt::to_string(As<arrow::UInt64Array>(from).Value(row))); },
      [&] { to.AddText({}); });
}

float FloatOf(const arrow::HalfFloatArray& array, int64_t row) {
  return arrow::util::Float16::FromBits(array.Value(row)).ToFloat();
}
float FloatOf(const arrow::FloatArray& array, int64_t row) {
  return array.Value(row);
}

template <class Array>
void AddFloats(const ArrowCells& from, CellColumn& to, BadCells&) {
  ForEach(
      from, [&](int64_t row, int64_t) { to.AddFloat(FloatOf(As<Array>(from), row)); },
      [&] { to.AddFloat(std::numeric_limits<float>::quiet_NaN()); });
}

void AddDoubles(const ArrowCells& from, CellColumn& to, BadCells&) {
  ForEach(
      from, [&](int64_t row, int64_t) { to.AddReal(As<arrow::DoubleArray>(from).Value(row)); },
      [&] { to.AddReal(kMissingReal); });
}

/// All digits behind the point, without an exponent: as databases write them.
template <class Array, class Decimal>
void AddDecimals(const ArrowCells& from, CellColumn& to, BadCells&) {
  const auto scale = static_cast<size_t>(static_cast<const arrow::DecimalType&>(*from.array.type()).scale());
  ForEach(
      from,
      [&](int64_t row, int64_t) {
        std::string digits = Decimal(As<Array>(from).GetValue(row)).ToIntegerString();
        const size_t sign = digits.starts_with('-');
        if (digits.size() - sign <= scale) digits.insert(sign, scale + 1 - (digits.size() - sign), '0');
        if (scale > 0) digits.insert(digits.size() - scale, ".");
        to.AddOwnText(std::move(digits));
      },
      [&] { to.AddText({}); });
}

template <class Array>
void AddTexts(const ArrowCells& from, CellColumn& to, BadCells& bad) {
  ForEach(
      from,
      [&](int64_t row, int64_t position) {
        const std::string_view text = As<Array>(from).GetView(row);
        if (from.check_utf8 && !IsUtf8(text)) bad.Add(position, from.column, text, "expected UTF-8");
        to.AddText(text);
      },
      [&] { to.AddText({}); });
}

void AddUuids(const ArrowCells& from, CellColumn& to, BadCells&) {
  const bool wrapped = from.array.type_id() == arrow::Type::EXTENSION;
  const arrow::Array& storage = wrapped ? *As<arrow::ExtensionArray>(from).storage() : from.array;
  ForEach(
      from,
      [&](int64_t row, int64_t) {
        const std::string_view bytes = static_cast<const arrow::FixedSizeBinaryArray&>(storage).GetView(row);
        std::string text;
        for (size_t i = 0; i < kUuidBytes; ++i) {
          if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
          text += fmt::format("{:02x}", static_cast<unsigned char>(bytes[i]));
        }
        to.AddOwnText(std::move(text));
      },
      [&] { to.AddText({}); });
}

/// Of a time in so many units a second; NaN outside the years 1 to 9999. Parts of a microsecond are dropped
/// (downwards): rounded, they could make a second full.
double SecondsOf(int64_t time, int64_t units) {
  constexpr int64_t kFirst = -62135596800, kEnd = 253402300800, kMicros = 1000000;
  const int64_t parts = (time % units + units) % units;
  const int64_t seconds = time / units - (time % units < 0 ? 1 : 0);
  if (seconds < kFirst || seconds >= kEnd) return kMissingReal;
  const int64_t micros = units > kMicros ? parts / (units / kMicros) : parts * (kMicros / units);
  return static_cast<double>(seconds * kMicros + micros) / kMicros;
}

int64_t UnitsOf(const arrow::DataType& type) {
  switch (static_cast<const arrow::TimestampType&>(type).unit()) {
    case arrow::TimeUnit::SECOND:
      return 1;
    case arrow::TimeUnit::MILLI:
      return 1000;
    case arrow::TimeUnit::MICRO:
      return 1000000;
    case arrow::TimeUnit::NANO:
      break;
  }
  return 1000000000;
}

template <class Array>
void AddTimes(const ArrowCells& from, CellColumn& to, BadCells& bad) {
  constexpr int64_t kSecondsADay = 86400;
  constexpr bool kDays = std::is_same_v<Array, arrow::Date32Array>;
  const int64_t units = std::is_same_v<Array, arrow::TimestampArray> ? UnitsOf(*from.array.type()) : kDays ? 1 : 1000;
  ForEach(
      from,
      [&](int64_t row, int64_t position) {
        const int64_t time = As<Array>(from).Value(row);
        const double seconds = SecondsOf(kDays ? time * kSecondsADay : time, units);
        if (std::isnan(seconds))
          bad.Add(position, from.column, fmt::to_string(time), "a time outside the years 1 to 9999");
        to.AddReal(seconds);
      },
      [&] { to.AddReal(kMissingReal); });
}

template <class Array>
void AddLists(const ArrowCells& from, CellColumn& to, BadCells& bad) {
  const auto& lists = As<Array>(from);
  const arrow::Array& values = *lists.values();
  const ArrowConversion element = ConversionOf(*values.type());
  CellColumn tags(ColumnType::kText);
  std::vector<int64_t> rows;
  ForEach(
      from,
      [&](int64_t row, int64_t position) {
        rows.resize(static_cast<size_t>(lists.value_length(row)));
        std::iota(rows.begin(), rows.end(), static_cast<int64_t>(lists.value_offset(row)));
        tags.Clear();
        BadCells bad_tags;
        element.add({values, rows, from.column, from.check_utf8}, tags, bad_tags);
        for (const auto& [tag, cell] : bad_tags.cells()) bad.Add(position, cell);
        if (const char* wrong = AddTags(tags.View().texts, to))
          bad.Add(position, from.column, to.View().texts.back(), wrong);
      },
      [&] { to.AddText({}); });
}

void AddOfDictionary(const ArrowCells& from, CellColumn& to, BadCells& bad) {
  const auto& array = As<arrow::DictionaryArray>(from);
  std::vector<int64_t> rows;
  ForEach(
      from, [&](int64_t row, int64_t) { rows.push_back(array.GetValueIndex(row)); }, [&] { rows.push_back(-1); });
  const arrow::Array& dictionary = *array.dictionary();
  ConversionOf(*dictionary.type()).add({dictionary, rows, from.column, from.check_utf8}, to, bad);
}

void AddOfExtension(const ArrowCells& from, CellColumn& to, BadCells& bad) {
  const arrow::Array& storage = *As<arrow::ExtensionArray>(from).storage();
  ConversionOf(*storage.type()).add({storage, from.rows, from.column, from.check_utf8}, to, bad);
}

/// Of numbers and booleans.
ArrowConversion ConversionOfNumbers(arrow::Type::type type) {
  switch (type) {
    case arrow::Type::BOOL:
      return {ColumnType::kBoolean, AddBooleans};
    case arrow::Type::INT8:
      return {ColumnType::kNumber, AddIntegers<arrow::Int8Array>};
    case arrow::Type::INT16:
      return {ColumnType::kNumber, AddIntegers<arrow::Int16Array>};
    case arrow::Type::INT32:
      return {ColumnType::kNumber, AddIntegers<arrow::Int32Array>};
    case arrow::Type::INT64:
      return {ColumnType::kNumber, AddIntegers<arrow::Int64Array>};
    case arrow::Type::UINT8:
      return {ColumnType::kNumber, AddIntegers<arrow::UInt8Array>};
    case arrow::Type::UINT16:
      return {ColumnType::kNumber, AddIntegers<arrow::UInt16Array>};
    case arrow::Type::UINT32:
      return {ColumnType::kNumber, AddIntegers<arrow::UInt32Array>};
    case arrow::Type::UINT64:
      return {ColumnType::kUntyped, AddUint64s};
    case arrow::Type::HALF_FLOAT:
      return {ColumnType::kNumber, AddFloats<arrow::HalfFloatArray>};
    case arrow::Type::FLOAT:
      return {ColumnType::kNumber, AddFloats<arrow::FloatArray>};
    case arrow::Type::DOUBLE:
      return {ColumnType::kNumber, AddDoubles};
    case arrow::Type::DECIMAL128:
      return {ColumnType::kUntyped, AddDecimals<arrow::Decimal128Array, arrow::Decimal128>};
    case arrow::Type::DECIMAL256:
      return {ColumnType::kUntyped, AddDecimals<arrow::Decimal256Array, arrow::Decimal256>};
    default:
      return {};
  }
}

/// Of texts and times.
ArrowConversion ConversionOfTexts(arrow::Type::type type) {
  switch (type) {
    case arrow::Type::NA:
      return {ColumnType::kUntyped, AddNothing};
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return {ColumnType::kText, AddTexts<arrow::BinaryArray>};
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return {ColumnType::kText, AddTexts<arrow::LargeBinaryArray>};
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return {ColumnType::kText, AddTexts<arrow::BinaryViewArray>};
    case arrow::Type::FIXED_SIZE_BINARY:
      return {ColumnType::kText, AddTexts<arrow::FixedSizeBinaryArray>};
    case arrow::Type::DATE32:
      return {ColumnType::kTime, AddTimes<arrow::Date32Array>};
    case arrow::Type::DATE64:
      return {ColumnType::kTime, AddTimes<arrow::Date64Array>};
    case arrow::Type::TIMESTAMP:
      return {ColumnType::kTime, AddTimes<arrow::TimestampArray>};
    default:
      return {};
  }
}

}  // namespace

ArrowConversion ConversionOfUuids() {
  return {ColumnType::kText, AddUuids};
}

ArrowConversion ConversionOf(const arrow::DataType& type) {
  using Add = decltype(ArrowConversion::add);
  const auto through = [](const arrow::DataType& inner, Add add) {
    const ArrowConversion conversion = ConversionOf(inner);
    return conversion.add != nullptr ? ArrowConversion{conversion.type, add} : ArrowConversion{};
  };
  const auto list = [](const arrow::DataType& element, Add add) {
    return ConversionOf(element).type == ColumnType::kText ? ArrowConversion{ColumnType::kTags, add}
                                                           : ArrowConversion{};
  };
  switch (type.id()) {
    case arrow::Type::LIST:
      return list(*static_cast<const arrow::ListType&>(type).value_type(), AddLists<arrow::ListArray>);
    case arrow::Type::LARGE_LIST:
      return list(*static_cast<const arrow::LargeListType&>(type).value_type(), AddLists<arrow::LargeListArray>);
    case arrow::Type::DICTIONARY:
      return through(*static_cast<const arrow::DictionaryType&>(type).value_type(), AddOfDictionary);
    case arrow::Type::EXTENSION:
      return through(*static_cast<const arrow::ExtensionType&>(type).storage_type(), AddOfExtension);
    default:
      break;
  }
  const ArrowConversion number = ConversionOfNumbers(type.id());
  return number.add != nullptr ? number : ConversionOfTexts(type.id());
}

}  // namespace kindred
