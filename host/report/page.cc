#include "host/report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/report/style.h"

namespace kindred {
namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD

const char* Entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return nullptr;
  }
}

/// U+202A to U+202E and U+2066 to U+2069: a text with them shows what it is not.
bool TurnsWriting(std::string_view character) {
  return (character >= "\xE2\x80\xAA" && character <= "\xE2\x80\xAE") ||
         (character >= "\xE2\x81\xA6" && character <= "\xE2\x81\xA9");
}

/// A text whose direction of writing does not reach out of it.
std::string Foreign(std::string_view text) {
  return fmt::format("<bdi>{}</bdi>", EscapeHtml(text));
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (const char* entity = Entity(text[at]); entity != nullptr) {
      out += entity;
    } else if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F) {
      out += kReplacement;
    } else if (TurnsWriting(text.substr(at, 3))) {
      out += kReplacement;
      at += 2;
    } else {
      out += text[at];
    }
  }
  return out;
}

std::string TilesHtml(const std::vector<Tile>& tiles) {
  std::string out = "<dl class=\"tiles\">\n";
  for (const Tile& tile : tiles) {
    out += fmt::format("<div><dt>{}</dt><dd>{}", EscapeHtml(tile.name), EscapeHtml(tile.value));
    if (!tile.note.empty()) out += fmt::format("<small>{}</small>", EscapeHtml(tile.note));
    out += "</dd></div>\n";
  }
  return out + "</dl>\n";
}

std::string NoticesHtml(const std::string& title, const std::vector<std::string>& notices) {
  if (notices.empty()) return "";
  std::string out = fmt::format("<section class=\"notices\">\n<h2>{}</h2>\n<ul>\n", EscapeHtml(title));
  for (const std::string& notice : notices) out += fmt::format("<li>{}</li>\n", Foreign(notice));
  return out + "</ul>\n</section>\n";
}

namespace {

constexpr size_t kLongHeading = 22;  // bytes from which on a heading may take several lines

/// The classes of a column: of its kind, whether there are bars in it, and whether its heading is long.
std::string ColumnClass(const Table& table, size_t column) {
  const TableColumn::Kind kind = table.columns[column].kind;
  std::string names = kind == TableColumn::kNumber  ? "n"
                      : kind == TableColumn::kCode  ? "code"
                      : kind == TableColumn::kProse ? "prose"
                                                    : "";
  if (std::any_of(table.rows.begin(), table.rows.end(), [&](const auto& row) { return row[column].bar >= 0; }))
    names += " barred";
  if (table.columns[column].name.size() > kLongHeading) names += names.empty() ? "long" : " long";
  return names.empty() ? "" : fmt::format(" class=\"{}\"", names);
}

std::string CellHtml(const TableCell& cell) {
  constexpr double kStrongest = 0.55;  // the text must be read before it
  if (cell.heat != 0)
    return fmt::format("<span class=\"heat {}\" style=\"opacity:{:.3f}\"></span>", cell.heat < 0 ? "below" : "above",
                       kStrongest * std::min(std::fabs(cell.heat), 1.0)) +
           Foreign(cell.text);
  if (cell.bar < 0) return Foreign(cell.text);
  return fmt::format("<span class=\"bar\" style=\"width:{:.2f}%\"></span>", 100 * std::min(cell.bar, 1.0)) +
         Foreign(cell.text);
}

}  // namespace

std::string TableHtml(const Table& table) {
  // What scrolls must be reachable without a mouse.
  const bool is_heated = std::any_of(table.rows.begin(), table.rows.end(), [](const auto& row) {
    return std::any_of(row.begin(), row.end(), [](const TableCell& cell) { return cell.heat != 0; });
  });
  std::string out = fmt::format("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table{}>\n",
                                EscapeHtml(table.caption.empty() ? table.columns[0].name : table.caption),
                                is_heated ? " class=\"heated\"" : "");
  if (!table.caption.empty()) out += fmt::format("<caption>{}</caption>\n", EscapeHtml(table.caption));
  out += "<thead><tr>";
  std::vector<std::string> classes;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    classes.push_back(ColumnClass(table, i));
    out += fmt::format("<th scope=\"col\"{}>{}</th>", classes[i], EscapeHtml(table.columns[i].name));
  }
  out += "</tr></thead>\n<tbody>\n";
  for (const std::vector<TableCell>& row : table.rows) {
    out += fmt::format("<tr><th scope=\"row\"{}>{}</th>", classes[0], CellHtml(row[0]));
    for (size_t i = 1; i < row.size(); ++i) out += fmt::format("<td{}>{}</td>", classes[i], CellHtml(row[i]));
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string SectionHtml(const std::string& title, const std::string& note, const std::string& html) {
  std::string out = fmt::format("<section>\n<h2>{}</h2>\n", EscapeHtml(title));
  if (!note.empty()) out += fmt::format("<p class=\"note\">{}</p>\n", EscapeHtml(note));
  return out + html + "</section>\n";
}

std::string BesideHtml(const std::vector<std::string>& parts) {
  std::string out = "<div class=\"beside\">\n";
  for (const std::string& part : parts) out += "<div>\n" + part + "</div>\n";
  return out + "</div>\n";
}

std::string PageHtml(const Page& page) {
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>{}: {}</title>\n<style>\n{}</style>\n</head>\n"
      "<body>\n<header>\n<h1>{}</h1>\n<p class=\"subject\">{}</p>\n</header>\n<main>\n{}</main>\n<footer>\n",
      EscapeHtml(page.title), EscapeHtml(page.subject), kPageStyle, EscapeHtml(page.title), Foreign(page.subject),
      page.html);
  for (const std::string& line : page.origin) out += fmt::format("<p>{}</p>\n", Foreign(line));
  return out + "</footer>\n</body>\n</html>\n";
}

}  // namespace kindred
