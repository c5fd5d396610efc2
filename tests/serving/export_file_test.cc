#include "serving/export_file.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace kindred {
namespace {

v1::ExportPage Page() {
  v1::ExportPage page;
  for (const char* name : {"amount", "e,mail", "tags", "ok"}) page.add_columns()->set_name(name);
  v1::ExportRow* row = page.add_rows();
  row->set_user_id("a\"b");
  row->set_cluster_id("1");
  row->set_cluster_name("buys often, recent");
  row->add_rules("Big");
  row->add_rules("Quiet\nones");
  row->set_stage("buyer");
  row->set_likelihood(0.1);
  row->set_likely(true);
  row->add_values()->set_number_value(12345678.25);
  row->add_values()->set_string_value("\"X\" <x@example.com>");
  google::protobuf::ListValue* tags = row->add_values()->mutable_list_value();
  tags->add_values()->set_string_value("new");
  tags->add_values()->set_string_value("red");
  row->add_values()->set_bool_value(false);
  v1::ExportRow* none = page.add_rows();
  none->set_user_id("caf\xc3\xa9");
  for (int c = 0; c < 4; ++c) none->add_values()->set_null_value(google::protobuf::NULL_VALUE);
  return page;
}

TEST(ExportFile, CsvQuotesWhatItMust) {
  EXPECT_EQ(ExportHead(ExportFormat::kCsv, Page()),
            "user_id,cluster_id,cluster_name,rules,stage,likelihood,likely,amount,\"e,mail\",tags,ok\n");
  EXPECT_EQ(ExportLines(ExportFormat::kCsv, Page()),
            "\"a\"\"b\",1,\"buys often, recent\",\"Big|Quiet\nones\",buyer,0.1,true,12345678.25,"
            "\"\"\"X\"\" <x@example.com>\",new|red,false\n"
            "caf\xc3\xa9,,,,,,false,,,,\n");
  EXPECT_EQ(ExportLines(ExportFormat::kCsv, v1::ExportPage()), "");
}

TEST(ExportFile, TextsThatASpreadsheetWouldRunAreWrittenAsTheyAre) {
  v1::ExportPage page;
  page.add_columns()->set_name("=name");
  for (const char* text : {"=1+1", "+49 30 1234", "-x", "@name", "\tx"}) {
    v1::ExportRow* row = page.add_rows();
    row->set_user_id(text);
    row->add_values()->set_string_value(text);
  }
  EXPECT_EQ(ExportHead(ExportFormat::kCsv, page),
            "user_id,cluster_id,cluster_name,rules,stage,likelihood,likely,=name\n");
  EXPECT_EQ(ExportLines(ExportFormat::kCsv, page),
            "=1+1,,,,,,false,=1+1\n+49 30 1234,,,,,,false,+49 30 1234\n-x,,,,,,false,-x\n"
            "@name,,,,,,false,@name\n\tx,,,,,,false,\tx\n");
}

TEST(ExportFile, JsonLinesKeepTypes) {
  EXPECT_EQ(ExportHead(ExportFormat::kJsonLines, Page()), "");
  EXPECT_EQ(ExportLines(ExportFormat::kJsonLines, Page()),
            "{\"user_id\":\"a\\\"b\",\"cluster_id\":\"1\",\"cluster_name\":\"buys often, recent\","
            "\"rules\":[\"Big\",\"Quiet\\nones\"],\"stage\":\"buyer\",\"likelihood\":0.1,\"likely\":true,"
            "\"amount\":12345678.25,\"e,mail\":\"\\\"X\\\" <x@example.com>\",\"tags\":[\"new\",\"red\"],\"ok\":false}\n"
            "{\"user_id\":\"caf\xc3\xa9\",\"cluster_id\":null,\"cluster_name\":null,\"rules\":[],\"stage\":null,"
            "\"likelihood\":null,\"likely\":false,\"amount\":null,\"e,mail\":null,\"tags\":null,\"ok\":null}\n");
}

}  // namespace
}  // namespace kindred
