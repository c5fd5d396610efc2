#include "tests/host/expression/random_expression.h"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace kindred {
namespace {

using Value = RowValue;

Value NumberOf(double number) {
  Value value;
  if (std::isfinite(number)) value.number = number;
  return value;
}
Value BooleanOf(bool boolean) {
  Value value;
  value.boolean = boolean;
  return value;
}
Value TextOf(std::string text) {
  Value value;
  if (!text.empty()) value.text = std::move(text);
  return value;
}

bool Present(const Value& value) {
  return value.number || value.text || value.boolean || !value.tags.empty();
}
bool Holds(const Value& value) {
  return value.boolean.value_or(false);
}

template <typename T>
bool Ordered(const T& a, const T& b, const std::string& symbol) {
  if (symbol == "=" || symbol == "==") return a == b;
  if (symbol == "!=") return a != b;
  if (symbol == "<") return a < b;
  if (symbol == "<=") return a <= b;
  return symbol == ">" ? a > b : a >= b;
}
bool Compared(const Value& a, const Value& b, const std::string& symbol) {
  if (!Present(a) || !Present(b)) return false;
  if (a.number) return Ordered(*a.number, *b.number, symbol);
  if (a.text) return Ordered(*a.text, *b.text, symbol);
  return Ordered(*a.boolean, *b.boolean, symbol);
}

}  // namespace

std::string RandomExpressions::In(const RandomExpression& part, int level) {
  return part.level < level || Below(8) == 0 ? "(" + part.text + ")" : part.text;
}

RandomExpression RandomExpressions::Next(ValueType type, int depth) {
  if (depth <= 0) return Leaf(type);
  if (Below(8) == 0) return Either(type, depth - 1);
  switch (type) {
    case ValueType::kBoolean:
      return Boolean(depth - 1);
    case ValueType::kNumber:
      return Number(depth - 1);
    case ValueType::kText:
      return Text(depth - 1);
    case ValueType::kTime:
      return Time(depth - 1);
    default:
      return Duration(depth - 1);
  }
}

RandomExpression RandomExpressions::Leaf(ValueType type) {
  return type == ValueType::kDuration || Below(3) == 0 ? Literal(type) : Attribute(type);
}

RandomExpression RandomExpressions::Literal(ValueType type) {
  const auto constant = [&](std::string text, Value value, int level = 8) {
    return RandomExpression{std::move(text), level, type, [value](int64_t) { return value; }};
  };
  switch (type) {
    case ValueType::kBoolean:
      return Below(2) == 0 ? constant("true", BooleanOf(true)) : constant("false", BooleanOf(false));
    case ValueType::kNumber: {
      static const std::pair<const char*, double> kNumbers[] = {{"0", 0},     {"1", 1}, {"2.5", 2.5},    {".25", 0.25},
                                                                {"1e3", 1e3}, {"7", 7}, {"1e308", 1e308}};
      const auto& [text, number] = kNumbers[Below(std::size(kNumbers))];
      return constant(text, NumberOf(number));
    }
    case ValueType::kTime: {
      static const std::pair<const char*, double> kTimes[] = {{"2024-11-24", 1732406400},
                                                              {"2024-11-24T16:00:00Z", 1732464000},
                                                              {"2024-11-24T17:30+01:30", 1732464000},
                                                              {"now()", kRandomNow}};
      const auto& [text, number] = kTimes[Below(std::size(kTimes))];
      return constant(text, NumberOf(number));
    }
    case ValueType::kDuration: {
      static const std::pair<const char*, double> kDurations[] = {{"90s", 90},    {"30m", 1800},   {"12h", 43200},
                                                                  {"7d", 604800}, {"2w", 1209600}, {"1.5d", 129600}};
      const auto& [text, number] = kDurations[Below(std::size(kDurations))];
      return constant(text, NumberOf(number));
    }
    default: {
      static const std::pair<const char*, const char*> kTexts[] = {
          {"\"shoes\"", "shoes"},           {"'C'", "C"},
          {"\"\\x20padded \"", " padded "}, {"'red'", "red"},
          {"\"Word 77\"", "Word 77"},       {"\"\u00e9\"", "\u00e9"}};
      const auto& [text, meant] = kTexts[Below(std::size(kTexts))];
      return constant(text, TextOf(meant));
    }
  }
}

RandomExpression RandomExpressions::Attribute(ValueType type) {
  static const std::pair<ColumnType, ValueType> kTypes[] = {{ColumnType::kText, ValueType::kText},
                                                            {ColumnType::kNumber, ValueType::kNumber},
                                                            {ColumnType::kBoolean, ValueType::kBoolean},
                                                            {ColumnType::kTime, ValueType::kTime}};
  std::vector<int> candidates;
  for (size_t i = 0; i < rows_.schema().size(); ++i)
    for (const auto& [column_type, value_type] : kTypes)
      if (value_type == type &&
          (rows_.schema()[i].type == column_type || rows_.schema()[i].type == ColumnType::kUntyped))
        candidates.push_back(static_cast<int>(i));
  const int column = candidates[Below(candidates.size())];
  const ColumnInfo& info = rows_.schema()[static_cast<size_t>(column)];
  std::string name(info.name);
  if (name.find(' ') != name.npos || Below(4) == 0) name = "`" + name + "`";
  if (info.type != ColumnType::kUntyped)
    return {name, 8, type, [this, column](int64_t row) { return rows_.At(column, row); }};

  reads_.emplace_back(column, type);
  return {std::string(NameOf(type)) + "(" + name + ")", 8, type, [this, column, type](int64_t row) {
            const UntypedCell* cell = rows_.Untyped(column, row);
            Value value;
            if (cell == nullptr) return value;
            if (type == ValueType::kText) return TextOf(cell->text);
            if (type == ValueType::kBoolean) value.boolean = cell->boolean;
            if (type == ValueType::kNumber) value.number = cell->number;
            if (type == ValueType::kTime) value.number = cell->time;
            return value;
          }};
}

RandomExpression RandomExpressions::Boolean(int depth) {
  switch (Below(8)) {
    case 0: {
      const RandomExpression part = Next(ValueType::kBoolean, depth);
      return {"not " + In(part, 3), 3, ValueType::kBoolean,
              [part](int64_t row) { return BooleanOf(!Holds(part.value(row))); }};
    }
    case 1:
    case 2: {
      const bool conjunction = Below(2) == 0;
      const RandomExpression a = Next(ValueType::kBoolean, depth), b = Next(ValueType::kBoolean, depth);
      const int level = conjunction ? 2 : 1;
      return {In(a, level) + (conjunction ? " and " : "\tor\n") + In(b, level), level, ValueType::kBoolean,
              [=](int64_t row) {
                const bool x = Holds(a.value(row)), y = Holds(b.value(row));
                return BooleanOf(conjunction ? x && y : x || y);
              }};
    }
    case 3:
      return InList(depth);
    case 4:
      return Below(2) == 0 ? Range(depth) : Presence(depth);
    case 5:
      return TextTest(depth);
    case 6:
      return TagTest(depth);
    default:
      return Comparison(depth);
  }
}

RandomExpression RandomExpressions::Comparison(int depth) {
  static const ValueType kTypes[] = {ValueType::kNumber, ValueType::kNumber,   ValueType::kText,
                                     ValueType::kTime,   ValueType::kDuration, ValueType::kBoolean};
  static const char* const kSymbols[] = {"=", "==", "!=", "<", "<=", ">", ">="};
  const ValueType type = kTypes[Below(std::size(kTypes))];
  const std::string symbol = kSymbols[Below(type == ValueType::kBoolean ? 3 : std::size(kSymbols))];
  const RandomExpression a = Next(type, depth), b = Next(type, depth);
  return {In(a, 5) + symbol + In(b, 5), 4, ValueType::kBoolean,
          [=](int64_t row) { return BooleanOf(Compared(a.value(row), b.value(row), symbol)); }};
}

RandomExpression RandomExpressions::InList(int depth) {
  static const ValueType kTypes[] = {ValueType::kNumber, ValueType::kText, ValueType::kTime, ValueType::kDuration};
  const ValueType type = kTypes[Below(std::size(kTypes))];
  const RandomExpression a = Next(type, depth);
  std::vector<Value> values;
  std::string list;
  for (size_t i = Below(3) == 0 ? 30 : 1 + Below(4); i > 0; --i) {
    RandomExpression literal = Literal(type);
    while (literal.text == "now()") literal = Literal(type);
    values.push_back(literal.value(0));
    const bool negative = type == ValueType::kNumber && Below(3) == 0;
    if (negative) values.back().number = -*values.back().number;
    if (type == ValueType::kNumber && Below(2) == 0) {
      values.back().number = static_cast<double>(i) / 4;
      list += (list.empty() ? "" : ",") + std::to_string(*values.back().number);
    } else {
      list += (list.empty() ? "" : ",") + std::string(negative ? "-" : "") + literal.text;
    }
  }
  const bool negated = Below(3) == 0;
  return {In(a, 5) + (negated ? " not in [" : " in [") + list + "]", 4, ValueType::kBoolean, [=](int64_t row) {
            const Value value = a.value(row);
            const bool found =
                std::any_of(values.begin(), values.end(), [&](const Value& one) { return Compared(value, one, "="); });
            return BooleanOf(found != negated);
          }};
}

RandomExpression RandomExpressions::Range(int depth) {
  static const ValueType kTypes[] = {ValueType::kNumber, ValueType::kText, ValueType::kTime, ValueType::kDuration};
  const ValueType type = kTypes[Below(std::size(kTypes))];
  const RandomExpression a = Next(type, depth), least = Next(type, depth - 1), most = Next(type, depth - 1);
  const bool negated = Below(3) == 0, words = Below(2) == 0;
  return {In(a, 5) + (negated ? " not" : "") + (words ? " between " : " in ") + In(least, 5) +
              (words ? " and " : " .. ") + In(most, 5),
          4, ValueType::kBoolean, [=](int64_t row) {
            const Value value = a.value(row);
            const bool in = Compared(value, least.value(row), ">=") && Compared(value, most.value(row), "<=");
            return BooleanOf(in != negated);
          }};
}

int RandomExpressions::TagsColumn() {
  std::vector<int> tags;
  for (size_t i = 0; i < rows_.schema().size(); ++i)
    if (rows_.schema()[i].type == ColumnType::kTags) tags.push_back(static_cast<int>(i));
  return tags[Below(tags.size())];
}

RandomExpression RandomExpressions::Presence(int depth) {
  const bool missing = Below(2) == 0;
  const char* words = missing ? " is missing" : " is present";
  if (Below(4) == 0) {
    const int column = TagsColumn();
    return {std::string(rows_.schema()[static_cast<size_t>(column)].name) + words, 4, ValueType::kBoolean,
            [=, this](int64_t row) { return BooleanOf(Present(rows_.At(column, row)) != missing); }};
  }
  static const ValueType kTypes[] = {ValueType::kNumber, ValueType::kText, ValueType::kTime, ValueType::kDuration,
                                     ValueType::kBoolean};
  const RandomExpression a = Next(kTypes[Below(std::size(kTypes))], depth);
  return {In(a, 5) + words, 4, ValueType::kBoolean,
          [=](int64_t row) { return BooleanOf(Present(a.value(row)) != missing); }};
}

RandomExpression RandomExpressions::TextTest(int depth) {
  const RandomExpression a = Next(ValueType::kText, depth), b = Next(ValueType::kText, depth - 1);
  static const char* const kNames[] = {"starts_with", "ends_with", "contains"};
  const size_t which = Below(3);
  return {kNames[which] + ("(" + a.text) + " , " + b.text + ")", 8, ValueType::kBoolean, [=](int64_t row) {
            const Value x = a.value(row), y = b.value(row);
            if (!x.text || !y.text) return BooleanOf(false);
            const size_t at = which == 1 ? x.text->rfind(*y.text) : x.text->find(*y.text);
            if (at == std::string::npos) return BooleanOf(false);
            return BooleanOf(which == 2 || (which == 0 ? at == 0 : at + y.text->size() == x.text->size()));
          }};
}

RandomExpression RandomExpressions::TagTest(int depth) {
  const int column = TagsColumn();
  const std::string name(rows_.schema()[static_cast<size_t>(column)].name);
  if (Below(3) == 0)
    return {name + " in ['red', \"zz\"]", 4, ValueType::kBoolean, [=, this](int64_t row) {
              const auto& tags = rows_.At(column, row).tags;
              return BooleanOf(std::any_of(tags.begin(), tags.end(),
                                           [](const std::string& tag) { return tag == "red" || tag == "zz"; }));
            }};
  const RandomExpression a = Next(ValueType::kText, depth);
  const bool call = Below(2) == 0;
  return {call ? "contains(" + name + "," + a.text + ")" : In(a, 5) + " in " + name, call ? 8 : 4, ValueType::kBoolean,
          [=, this](int64_t row) {
            const auto& tags = rows_.At(column, row).tags;
            const Value text = a.value(row);
            return BooleanOf(text.text && std::find(tags.begin(), tags.end(), *text.text) != tags.end());
          }};
}

RandomExpression RandomExpressions::Arithmetic(int depth) {
  const size_t which = Below(5);
  const int level = which < 2 ? 5 : 6;
  const RandomExpression a = Next(ValueType::kNumber, depth), b = Next(ValueType::kNumber, depth);
  return {In(a, level) + " " + "+-*/%"[which] + " " + In(b, level + 1), level, ValueType::kNumber, [=](int64_t row) {
            const Value x = a.value(row), y = b.value(row);
            if (!x.number || !y.number) return Value();
            const double results[] = {*x.number + *y.number, *x.number - *y.number, *x.number * *y.number,
                                      *x.number / *y.number, std::fmod(*x.number, *y.number)};
            return NumberOf(results[which]);
          }};
}

RandomExpression RandomExpressions::Number(int depth) {
  const auto apply = [](const char* name, RandomExpression a, double (*function)(double)) {
    return RandomExpression{std::string(name) + "(" + a.text + ")", 8, ValueType::kNumber, [=](int64_t row) {
                              const Value x = a.value(row);
                              return x.number ? NumberOf(function(*x.number)) : Value();
                            }};
  };
  const auto calendar = [&](const char* name, int (*field)(const std::tm&)) {
    const RandomExpression a = Next(ValueType::kTime, depth);
    return RandomExpression{std::string(name) + "(" + a.text + ")", 8, ValueType::kNumber, [=](int64_t row) {
                              const Value x = a.value(row);
                              if (!x.number || *x.number < -62135596800.0 || *x.number >= 253402300800.0)
                                return Value();
                              const auto seconds = static_cast<time_t>(std::floor(*x.number));
                              std::tm parts{};
                              gmtime_r(&seconds, &parts);
                              return NumberOf(field(parts));
                            }};
  };
  switch (Below(14)) {
    case 0: {
      RandomExpression a = Next(ValueType::kNumber, depth);
      return {"-" + In(a, 7), 7, ValueType::kNumber, [=](int64_t row) {
                const Value x = a.value(row);
                return x.number ? NumberOf(-*x.number) : Value();
              }};
    }
    case 1:
      return apply("abs", Next(ValueType::kNumber, depth), [](double x) { return std::abs(x); });
    case 2:
      return apply("round", Next(ValueType::kNumber, depth), [](double x) { return std::round(x); });
    case 3:
      return apply("floor", Next(ValueType::kNumber, depth), [](double x) { return std::floor(x); });
    case 4:
      return apply("ceil", Next(ValueType::kNumber, depth), [](double x) { return std::ceil(x); });
    case 5:
      return MinMax(ValueType::kNumber, depth);
    case 6: {
      const RandomExpression a = Next(ValueType::kText, depth);
      return {"length(" + a.text + ")", 8, ValueType::kNumber, [=](int64_t row) {
                const Value x = a.value(row);
                if (!x.text) return Value();
                return NumberOf(static_cast<double>(std::count_if(x.text->begin(), x.text->end(), [](char c) {
                  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
                })));
              }};
    }
    case 7: {
      const int column = TagsColumn();
      return {"length(" + std::string(rows_.schema()[static_cast<size_t>(column)].name) + ")", 8, ValueType::kNumber,
              [=, this](int64_t row) {
                const size_t n = rows_.At(column, row).tags.size();
                return n > 0 ? NumberOf(static_cast<double>(n)) : Value();
              }};
    }
    case 8: {
      const RandomExpression a = Next(ValueType::kDuration, depth), b = Next(ValueType::kDuration, depth);
      return {In(a, 6) + "/" + In(b, 7), 6, ValueType::kNumber, [=](int64_t row) {
                const Value x = a.value(row), y = b.value(row);
                return x.number && y.number ? NumberOf(*x.number / *y.number) : Value();
              }};
    }
    case 9:
      switch (Below(5)) {
        case 0:
          return calendar("year", [](const std::tm& parts) { return parts.tm_year + 1900; });
        case 1:
          return calendar("month", [](const std::tm& parts) { return parts.tm_mon + 1; });
        case 2:
          return calendar("day", [](const std::tm& parts) { return parts.tm_mday; });
        case 3:
          return calendar("weekday", [](const std::tm& parts) { return parts.tm_wday == 0 ? 7 : parts.tm_wday; });
        default:
          return calendar("hour", [](const std::tm& parts) { return parts.tm_hour; });
      }
    default:
      return Arithmetic(depth);
  }
}

RandomExpression RandomExpressions::Text(int depth) {
  const RandomExpression a = Next(ValueType::kText, depth);
  static const char* const kNames[] = {"lower", "upper", "trim"};
  const size_t which = Below(3);
  return {kNames[which] + ("(" + a.text + ")"), 8, ValueType::kText, [=](int64_t row) {
            const Value x = a.value(row);
            if (!x.text) return Value();
            std::string text = *x.text;
            if (which == 2) {
              const size_t first = text.find_first_not_of(" \t\r\n"), last = text.find_last_not_of(" \t\r\n");
              return TextOf(first == text.npos ? "" : text.substr(first, last - first + 1));
            }
            for (char& c : text) {
              if (which == 0 && c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
              if (which == 1 && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
            }
            return TextOf(text);
          }};
}

RandomExpression RandomExpressions::Time(int depth) {
  if (Below(4) == 0) return MinMax(ValueType::kTime, depth);
  const RandomExpression a = Next(ValueType::kTime, depth), b = Next(ValueType::kDuration, depth);
  const size_t which = Below(3);
  const std::string text = which == 0   ? In(a, 5) + " + " + In(b, 6)
                           : which == 1 ? In(b, 5) + " + " + In(a, 6)
                                        : In(a, 5) + " - " + In(b, 6);
  return {text, 5, ValueType::kTime, [=](int64_t row) {
            const Value x = a.value(row), y = b.value(row);
            if (!x.number || !y.number) return Value();
            return NumberOf(which == 2 ? *x.number - *y.number : *x.number + *y.number);
          }};
}

RandomExpression RandomExpressions::Duration(int depth) {
  const auto both = [](const RandomExpression& a, const RandomExpression& b, std::string text, int level,
                       double (*function)(double, double)) {
    return RandomExpression{std::move(text), level, ValueType::kDuration, [=](int64_t row) {
                              const Value x = a.value(row), y = b.value(row);
                              return x.number && y.number ? NumberOf(function(*x.number, *y.number)) : Value();
                            }};
  };
  switch (Below(6)) {
    case 0: {
      const RandomExpression a = Next(ValueType::kDuration, depth), b = Next(ValueType::kNumber, depth);
      return both(a, b, In(a, 6) + "*" + In(b, 7), 6, [](double x, double y) { return x * y; });
    }
    case 1: {
      const RandomExpression a = Next(ValueType::kNumber, depth), b = Next(ValueType::kDuration, depth);
      return both(a, b, In(a, 6) + "*" + In(b, 7), 6, [](double x, double y) { return x * y; });
    }
    case 2: {
      const RandomExpression a = Next(ValueType::kDuration, depth), b = Next(ValueType::kDuration, depth);
      return both(a, b, In(a, 5) + " + " + In(b, 6), 5, [](double x, double y) { return x + y; });
    }
    case 3:
      return MinMax(ValueType::kDuration, depth);
    default: {
      const RandomExpression a = Next(ValueType::kTime, depth), b = Next(ValueType::kTime, depth);
      return both(a, b, In(a, 5) + " - " + In(b, 6), 5, [](double x, double y) { return x - y; });
    }
  }
}

RandomExpression RandomExpressions::MinMax(ValueType type, int depth) {
  std::vector<RandomExpression> parts;
  std::string text;
  for (size_t i = 2 + Below(2); i > 0; --i) {
    parts.push_back(Next(type, depth));
    text += (text.empty() ? "" : ", ") + parts.back().text;
  }
  const bool least = Below(2) == 0;
  return {(least ? "min(" : "max(") + text + ")", 8, type, [=](int64_t row) {
            Value result = parts[0].value(row);
            for (const RandomExpression& part : parts) {
              const Value value = part.value(row);
              if (!value.number || !result.number) return Value();
              if (least ? *value.number < *result.number : *value.number > *result.number) result = value;
            }
            return result;
          }};
}

RandomExpression RandomExpressions::Either(ValueType type, int depth) {
  const RandomExpression a = Next(type, depth), b = Next(type, depth);
  if (Below(2) == 0)
    return {"coalesce(" + a.text + "," + b.text + ")", 8, type, [=](int64_t row) {
              const Value x = a.value(row), y = b.value(row);
              return Present(x) ? x : y;
            }};
  const RandomExpression condition = Next(ValueType::kBoolean, depth);
  return {"if(" + condition.text + "," + a.text + "," + b.text + ")", 8, type, [=](int64_t row) {
            const bool holds = Holds(condition.value(row));
            const Value x = a.value(row), y = b.value(row);
            return holds ? x : y;
          }};
}

}  // namespace kindred
