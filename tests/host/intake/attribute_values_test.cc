// How fields become attributes, and what columns are that nobody declared.
#include "host/intake/attribute_values.h"

#include "tests/host/intake/attribute_fixture.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Type = AttributeType;

class AttributeColumns : public AttributeTables {
 protected:
  /// Adds the column "x" with keys beside it and reads both; `as`: what is declared.
  Texts Of(RowTable table, int n, std::optional<Type> as = {}, char separator = '|') {
    Texts keys;
    for (int i = 0; i < n; ++i) keys.push_back(std::to_string(i));
    table.Texts("id", keys);
    files_["x"] = std::move(table);
    builder_ = {"item", {"id"}};
    ids_ = {};
    bad_.clear();
    Read({"x"},
         as ? std::vector<AttributeDeclaration>{{"x", "", {as, separator}}} : std::vector<AttributeDeclaration>{});
    return Finish();
  }
  Texts Of(const Texts& texts, std::optional<Type> as = {}, ColumnType type = ColumnType::kUntyped) {
    return Of(RowTable().Texts("x", texts, type), static_cast<int>(texts.size()), as);
  }
  std::string TypeOf(const Texts& texts, ColumnType type = ColumnType::kUntyped) {
    Of(texts, {}, type);
    EXPECT_TRUE(table_.columns()[0].inferred);
    return AttributeTypeName(table_.columns()[0].type);
  }
};

TEST_F(AttributeColumns, DeclaredTexts) {
  EXPECT_THAT(Of({"1", "", "-2.5e3", "+7", "NaN", "nan", ".5", "007"}, Type::kNumber),
              ElementsAre("x number: 1 - -2500 7 - - 0.5 7"));
  EXPECT_THAT(Of({"true", "F", "YES", "n", "1", "0", "", "No", "t"}, Type::kBoolean),
              ElementsAre("x boolean: true false true false true false - false true"));
  EXPECT_THAT(Of({"2017-11-24", "", "2017-11-24 01:00+01:00"}, Type::kTime),
              ElementsAre("x time: 1511481600 - 1511481600"));
  EXPECT_THAT(Of({"", "0", "1511539200.5", "-1"}, Type::kTime), ElementsAre("x time: - 0 1511539200 -1"));
  EXPECT_THAT(Of({"b", "", "a", "b"}, Type::kCategory), ElementsAre("x category: b - a b"));
  EXPECT_THAT(Of({"b", "", "a", "b"}, Type::kText), ElementsAre("x text: b - a b"));
  EXPECT_THAT(BadRows(), IsEmpty());
  EXPECT_FALSE(table_.columns()[0].inferred);
}

TEST_F(AttributeColumns, DeclaredTextsThatDoNotFit) {
  const struct {
    Type type;
    const char* text;
    const char* wrong;
  } cases[] = {
      {Type::kNumber, "1,5", "expected a number"},
      {Type::kNumber, "1 ", "expected a number"},
      {Type::kNumber, "0x10", "expected a number"},
      {Type::kNumber, "+-1", "expected a number"},
      {Type::kNumber, "1,234.5", "expected a number; thousands separators are not read"},
      {Type::kNumber, "null", "expected a number"},
      {Type::kNumber, "inf", "expected a number"},
      {Type::kNumber, "-Infinity", "expected a number"},
      {Type::kNumber, "1e999", "larger than a number may be (1.8e308)"},
      {Type::kBoolean, "2", "expected true, false, yes, no, 1 or 0"},
      {Type::kBoolean, "tru", "expected true"},
      {Type::kTime, "24/11/2017", "expected unix seconds or an ISO 8601 date"},
      {Type::kTime, "2017-02-30", "there is no such date"},
      {Type::kTime, "1511539200000", "looks like milliseconds"},
      {Type::kTime, "-99999999999", "too large: after the year 5138, or before the year 1"},
  };
  for (const auto& [type, text, wrong] : cases) {
    SCOPED_TRACE(text);
    EXPECT_THAT(Of({text, ""}, type), ElementsAre(fmt::format("x {}: -", AttributeTypeName(type))));
    ASSERT_EQ(bad_.size(), 1u);
    EXPECT_THAT(bad_[0].Message(), testing::StartsWith(fmt::format("x: line 2: '{}' in column 'x': {}", text, wrong)));
  }
}

TEST_F(AttributeColumns, TimesAreOfOneForm) {
  EXPECT_THAT(Of({"", "x", "2017-11-24", "2017-11-25", "1511539200"}, Type::kTime),
              ElementsAre("x time: - 1511481600 1511568000"));
  EXPECT_EQ(bad_.size(), 2u);
  EXPECT_THAT(Of({"1511539200", "0", "2017-11-24", "2017-11-25"}, Type::kTime), ElementsAre("x time: 1511539200 0"));
  EXPECT_EQ(bad_.size(), 2u);
}

TEST_F(AttributeColumns, FormatsOfTheSource) {
  files_["x"] = RowTable().Texts("id", {"a", "b", "c"}).Texts("price", {"1,5", "", "2"});
  files_["x"].Texts("since", {"24.11.2017", "25.11.2017", ""}).Texts("other", {"1.5", "1.5", "1.5"});
  files_["x"].Texts("until", {"11/24/17", "", ""});
  AttributeSource source = Source({"x"}, {{"until", "", {Type::kTime, '|', {}, TimeFormat("%m/%d/%y")}}});
  source.rules.number.decimal = ',';
  source.rules.time = TimeFormat("%d.%m.%Y");
  Read(source);
  EXPECT_THAT(Finish(), ElementsAre("until time: 1511481600 - -", "price number: 1.5 - 2",
                                    "since time: 1511481600 1511568000 -", "other category: 1.5 1.5 1.5"));
}

TEST_F(AttributeColumns, Tags) {
  EXPECT_THAT(Of({"a|b", "", "|", " b | c d||b", "a"}, Type::kTags), ElementsAre("x tags: [a][b] - - [b][c d] [a]"));
  EXPECT_THAT(Of(RowTable().Texts("x", {"a|b,c", ","}), 2, Type::kTags, ','), ElementsAre("x tags: [a|b][c] -"));
  EXPECT_THAT(Of(RowTable().Tags("x", {0, 2, 2, 4}, {1, 0, 0, 0}, {"p", "q"}), 3), ElementsAre("x tags: [q][p] - [p]"));
  EXPECT_THAT(Of({"a,b|c", ""}, {}, ColumnType::kTags), ElementsAre("x tags: [a,b][c] -"));
  EXPECT_FALSE(table_.columns()[0].inferred);
}

TEST_F(AttributeColumns, ATextOfManyTags) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += fmt::format("t{}|", i % 50000);
  Of({text}, Type::kTags);
  EXPECT_EQ(table_.columns()[0].codes.size(), 50000u);
}

TEST_F(AttributeColumns, TypedColumns) {
  const double nan = std::nan("");
  EXPECT_THAT(Of(RowTable().Reals("x", {1.5, nan, -0.0}), 3), ElementsAre("x number: 1.5 - -0"));
  EXPECT_THAT(Of(RowTable().Floats("x", {0.5f, NAN}), 2), ElementsAre("x number: 0.5 -"));
  EXPECT_THAT(Of(RowTable().Integers("x", {3, kMissingInteger}), 2), ElementsAre("x number: 3 -"));
  EXPECT_THAT(Of(RowTable().Integers("x", {3, kMissingInteger}, ColumnType::kTime), 2), ElementsAre("x time: 3 -"));
  EXPECT_THAT(Of(RowTable().Reals("x", {3.9, nan, -0.5}, ColumnType::kTime), 3), ElementsAre("x time: 3 - -1"));
  EXPECT_THAT(Of(RowTable().Booleans("x", {0, 1, kMissingBoolean}), 3), ElementsAre("x boolean: false true -"));
  EXPECT_THAT(Of(RowTable().Codes("x", {1, -1, 1, 0, 0}, {"p", "q"}), 5), ElementsAre("x category: q - q p p"));
  EXPECT_THAT(BadRows(), IsEmpty());
}

TEST_F(AttributeColumns, TypedColumnsAsOtherTypes) {
  const auto integers = RowTable().Integers("x", {1, 0, kMissingInteger});
  EXPECT_THAT(Of(integers, 3, Type::kBoolean), ElementsAre("x boolean: true false -"));
  EXPECT_THAT(Of(integers, 3, Type::kCategory), ElementsAre("x category: 1 0 -"));
  EXPECT_THAT(Of(integers, 3, Type::kTime), ElementsAre("x time: 1 0 -"));
  EXPECT_THAT(Of(RowTable().Floats("x", {0.5f, NAN, 3}), 3, Type::kText), ElementsAre("x text: 0.5 - 3.0"));
  EXPECT_THAT(Of(RowTable().Reals("x", {0.1, std::nan(""), 3}), 3, Type::kText), ElementsAre("x text: 0.1 - 3.0"));
  EXPECT_THAT(Of(RowTable().Booleans("x", {0, 1, 2}), 3, Type::kNumber), ElementsAre("x number: 0 1 -"));
  EXPECT_THAT(Of(RowTable().Booleans("x", {0, 1, 2}), 3, Type::kText), ElementsAre("x text: false true -"));
  EXPECT_THAT(Of({"1", "", "2"}, Type::kNumber, ColumnType::kText), ElementsAre("x number: 1 - 2"));
  EXPECT_THAT(BadRows(), IsEmpty());
  EXPECT_THAT(Of(RowTable().Integers("x", {1, 2}), 2, Type::kBoolean), ElementsAre("x boolean: true"));
  EXPECT_THAT(BadRows(), ElementsAre("x:3: '2' in column 'x': expected true, false, yes, no, 1 or 0"));
  EXPECT_THAT(Of(RowTable().Reals("x", {1, INFINITY}), 2), ElementsAre("x number: 1"));
  EXPECT_THAT(BadRows(), ElementsAre("x:3: 'inf' in column 'x': expected a finite number"));
  EXPECT_THAT(Of(RowTable().Reals("x", {1, 1e300}, ColumnType::kTime), 2), ElementsAre("x time: 1"));
  EXPECT_THAT(BadRows(), ElementsAre("x:3: '1e+300 s' in column 'x': expected a time of the years 1 to 9999"));
}

TEST_F(AttributeColumns, TypesThatDoNotConvert) {
  const auto refused = [&](const RowTable& table, Type type, const std::string& message) {
    ExpectError(ErrorCode::kInvalidArgument, message, [&] { Of(table, 1, type); });
  };
  refused(RowTable().Booleans("x", {1}), Type::kTime,
          "x: the column 'x' is of type boolean, which is not read as time");
  refused(RowTable().Integers("x", {1}), Type::kTags, "of type number, which is not read as tags");
  refused(RowTable().Integers("x", {1}, ColumnType::kTime), Type::kText, "of type time, which is not read as text");
  refused(RowTable().Tags("x", {0, 0}, {}, {}), Type::kNumber, "of type tags, which is not read as number");
}

TEST_F(AttributeColumns, Inference) {
  EXPECT_EQ(TypeOf({"1", "2.5", "-3e5", "", "NaN", "0", "0.25"}), "number");
  EXPECT_EQ(TypeOf({"0", "1"}), "number");
  EXPECT_EQ(TypeOf({"true", "FALSE", ""}), "boolean");
  EXPECT_EQ(TypeOf({"Yes", "no"}), "boolean");
  EXPECT_EQ(TypeOf({"2017-11-24", "", "2017-11-24T16:00Z"}), "time");
  EXPECT_EQ(TypeOf({"a", "a", "b", "b", ""}), "category");
  EXPECT_EQ(TypeOf({"a", "a", "b", "c"}), "text");
  EXPECT_EQ(TypeOf({"a"}), "text");
  EXPECT_EQ(TypeOf({}), "category");
  EXPECT_EQ(TypeOf({"", ""}), "category");
  EXPECT_EQ(table_.columns()[0].n_missing, 2);
}

TEST_F(AttributeColumns, WhatIsNotInferred) {
  EXPECT_EQ(TypeOf({"007", "123"}), "text");                     // codes
  EXPECT_EQ(TypeOf({"-01"}), "text");                            // likewise
  EXPECT_EQ(TypeOf({"90071992547409931", "1"}), "text");         // no float64 holds it
  EXPECT_EQ(TypeOf({"9007199254740992", "1e300"}), "number");    // this one does
  EXPECT_EQ(TypeOf({"inf"}), "text");                            // not finite
  EXPECT_EQ(TypeOf({"1,234", "2"}), "text");                     // separators of thousands
  EXPECT_EQ(TypeOf({"2017-11-24", "24/11/2017"}), "text");       // two formats
  EXPECT_EQ(TypeOf({"2017-13-24"}), "text");                     // no date
  EXPECT_EQ(TypeOf({"t", "f"}), "text");                         // too short to say
  EXPECT_EQ(TypeOf({"true", "1"}), "text");                      // two kinds
  EXPECT_EQ(TypeOf({"1", "2017-11-24"}), "text");                // likewise
  EXPECT_EQ(TypeOf({"1", "1"}, ColumnType::kText), "category");  // the source says text
  EXPECT_THAT(BadRows(), IsEmpty());
}

TEST_F(AttributeColumns, AColumnCalledTags) {
  files_["items"].Texts("id", {"a", "b"}).Texts("tags", {"x|y", "y"});
  Read({"items"});
  EXPECT_THAT(Finish(), ElementsAre("tags tags: [x][y] [y]"));
}

TEST_F(AttributeColumns, WhereInferenceBroke) {
  Of({"1", "2", "12 EUR", "n/a"});
  const nlohmann::json expected = {
      {"column", "x"}, {"file", "x"}, {"line", 4}, {"text", "12 EUR"}, {"before", "numbers"}};
  EXPECT_EQ(builder_.report()["near_types"], nlohmann::json::array({expected}));
  Of({"a", "1", "b"});
  EXPECT_EQ(builder_.report()["near_types"], nlohmann::json::array());
  Of({"1", "", "2"});
  EXPECT_EQ(builder_.report()["near_types"], nlohmann::json::array());
}

TEST_F(AttributeColumns, TypesOfFilesThatHaveNothingInCommonOrNoText) {
  const auto read = [&](const Texts& first, const Texts& second) {
    builder_ = {"item", {"id"}};
    ids_ = {};
    files_["1"] = RowTable().Texts("id", {"a", "b"}).Texts("x", first);
    files_["2"] = RowTable().Texts("id", {"c", "d"}).Texts("x", second);
    Read({"1", "2"});
    return Finish()[0];
  };
  EXPECT_EQ(read({"1", "2"}, {"", ""}), "x number: 1 2 - -");
  EXPECT_EQ(read({"", ""}, {"1", "2"}), "x number: - - 1 2");
  EXPECT_EQ(read({"1", "p"}, {"1", "q"}), "x text: 1 p 1 q");
  EXPECT_EQ(read({"p", "q"}, {"p", "q"}), "x category: p q p q");
  EXPECT_EQ(read({"", ""}, {"", ""}), "x category: - - - -");
  ExpectError(ErrorCode::kInvalidArgument, "holds texts in '1' and times in '2'", [&] {
    read({"1", "p"}, {"2017-11-24", ""});
  });
  ExpectError(ErrorCode::kInvalidArgument, "holds numbers in '1' and booleans in '2'", [&] {
    read({"1", ""}, {"", "true"});
  });
}

/// Longer than the dictionary that is kept in any case, so that texts are kept as they are in between.
TEST_F(AttributeColumns, InferenceOverManyDifferentTexts) {
  constexpr int kMany = 70000;
  batch_rows_ = kMaxBatchRows;
  for (const char* form : {"{}", "{}.5", "2017-11-24T{:02}:00", "v{}"}) {
    SCOPED_TRACE(form);
    const bool time = std::string_view(form).starts_with("2017");
    Texts once;
    for (int i = 0; i < kMany; ++i) once.push_back(fmt::format(fmt::runtime(form), time ? i % 24 : i));
    once[5] = "";
    Texts twice = once;
    twice.insert(twice.end(), once.begin(), once.end());
    const bool text = form[0] == 'v';
    EXPECT_EQ(TypeOf(once), text ? "text" : time ? "time" : "number");
    EXPECT_EQ(table_.columns()[0].n_missing, 1);
    if (text) {
      EXPECT_EQ(table_.columns()[0].texts[kMany - 1], once.back());
    }
    if (form == std::string_view("{}.5")) {
      EXPECT_EQ(table_.columns()[0].numbers[kMany - 1], kMany - 0.5);
    }
    EXPECT_EQ(TypeOf(twice), text ? "category" : time ? "time" : "number");
    EXPECT_EQ(table_.columns()[0].n_missing, 2);
    if (text) {
      EXPECT_EQ(table_.columns()[0].dictionary.size(), kMany - 1);
    }
    once.push_back("end");
    EXPECT_EQ(TypeOf(once), time ? "category" : "text");
    EXPECT_EQ(builder_.report()["near_types"].size(), text ? 0u : 1u);
    const Texts cells = Cells(table_, 0);
    EXPECT_EQ(cells[7], once[7]);
    EXPECT_EQ(cells.back(), "end");
  }
}

}  // namespace
}  // namespace kindred
