#include "host/report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/html.h"

namespace kindred {
namespace {

using testing::HasSubstr;

const std::string kHostile = "</title></style><script>alert('1')</script>\" onload=\"x &amp; \x1b[31m\xE2\x80\xAEgpj";

TEST(EscapeHtml, LeavesNothingThatCouldBeMarkup) {
  EXPECT_EQ(EscapeHtml("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(EscapeHtml("&lt;"), "&amp;lt;");
  EXPECT_EQ(EscapeHtml("\u65e5\u672c \u20ac"), "\u65e5\u672c \u20ac");
  EXPECT_EQ(EscapeHtml("a\tb\n"), "a\tb\n");
  EXPECT_EQ(EscapeHtml(std::string_view("\0\x1f\x7f", 3)), "\ufffd\ufffd\ufffd");
  for (const char* turn : {"\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"})
    EXPECT_EQ(EscapeHtml("a" + std::string(turn) + "b"), "a\ufffdb");
  for (const char* other : {"\u2029", "\u202f", "\u2065", "\u206a"}) EXPECT_EQ(EscapeHtml(other), other);
  EXPECT_EQ(EscapeHtml("\xE2"), "\xE2") << "bytes that are cut off are left alone";
}

TEST(Page, ForeignTextsStayTexts) {
  Table table = {kHostile, {{kHostile}, {kHostile, TableColumn::kNumber}, {kHostile, TableColumn::kCode}}, {}};
  table.rows.push_back({kHostile, TableCell(kHostile, 0.5), kHostile});
  Page page = {kHostile, kHostile, {kHostile, kHostile}, ""};
  page.html = NoticesHtml(kHostile, {kHostile}) + TilesHtml({{kHostile, kHostile, kHostile}}) +
              SectionHtml(kHostile, kHostile, BesideHtml({TableHtml(table), TableHtml(table)}));
  const HtmlContent content = ReadHtml(PageHtml(page));
  EXPECT_EQ(content.problem, "");
  EXPECT_EQ(content.tags.count("script"), 0u);
  EXPECT_EQ(content.attributes.count("onload"), 0u);
  EXPECT_THAT(content.links, testing::IsEmpty());
  EXPECT_THAT(content.text,
              HasSubstr("</title></style><script>alert('1')</script>\" onload=\"x &amp; \ufffd[31m\ufffdgpj"));
}

TEST(Page, LoadsNothing) {
  const std::string html = PageHtml({"title", "subject", {}, ""});
  EXPECT_THAT(html, HasSubstr("content=\"default-src 'none'; style-src 'unsafe-inline'\""));
  for (const char* what : {"http:", "https:", "@import", "url(", "<script", "<link"})
    EXPECT_THAT(html, testing::Not(HasSubstr(what)));
}

TEST(Page, PartsThatAreEmpty) {
  EXPECT_EQ(NoticesHtml("title", {}), "");
  EXPECT_EQ(ReadHtml(TilesHtml({})).problem, "");
  EXPECT_EQ(ReadHtml(TableHtml({"", {{"a"}, {"b"}}, {}})).problem, "");
}

TEST(Page, BarsStayInTheirCells) {
  const std::string html = TableHtml({"", {{"a"}, {"b", TableColumn::kNumber}}, {{"x", TableCell("y", 7)}}});
  EXPECT_THAT(html, HasSubstr("width:100.00%"));
  EXPECT_THAT(html, HasSubstr("<td class=\"n barred\">"));
  EXPECT_THAT(html, testing::Not(HasSubstr("scope=\"col\" class=\"barred\"")));
}

TEST(HtmlReader, FindsWhatIsWrong) {
  for (const char* wrong : {"<p>", "<p></b>", "</p>", "<p class=x></p>", "<p class=\"a\" class=\"b\"></p>", "a & b",
                            "<p title=\"<\"></p>", "<", "&nbsp;", "<p title=\"a></p>"})
    EXPECT_NE(ReadHtml(wrong).problem, "") << wrong;
  EXPECT_EQ(ReadHtml("<!DOCTYPE html><p class=\"a\">x &amp; y<meta a=\"b\"><i x=\"1\"/></p>").problem, "");
}

TEST(TableHtml, ColoursBehindTextsKeepThemReadable) {
  const std::string html = TableHtml({"", {{"a"}, {"b"}}, {{"x", HeatedCell("+1", 0.5)}, {"y", HeatedCell("-9", -3)}}});
  EXPECT_EQ(ReadHtml(html).problem, "");
  EXPECT_THAT(html, HasSubstr("<table class=\"heated\">"));
  EXPECT_THAT(html, HasSubstr("<span class=\"heat above\" style=\"opacity:0.275\"></span><bdi>+1</bdi>"));
  EXPECT_THAT(html, HasSubstr("<span class=\"heat below\" style=\"opacity:0.550\"></span><bdi>-9</bdi>"));
  EXPECT_THAT(TableHtml({"", {{"a"}, {"b"}}, {{"x", HeatedCell("0", 0)}}}), testing::Not(HasSubstr("heat")));
}

TEST(TableHtml, LongHeadingsMayTakeLines) {
  EXPECT_THAT(TableHtml({"", {{"a"}, {std::string(23, 'b')}}, {}}), HasSubstr("<th scope=\"col\" class=\"long\">"));
  EXPECT_THAT(TableHtml({"", {{"a"}, {std::string(22, 'b')}}, {}}), testing::Not(HasSubstr("long")));
}

}  // namespace
}  // namespace kindred
