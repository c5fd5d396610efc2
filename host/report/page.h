// Reports as one HTML page: a frame, tiles, notices and tables. It loads nothing and runs no script, which its
// content security policy makes a browser enforce; it follows the reader's light or dark scheme, fits a phone, and
// prints. Charts: host/report/chart.h.
//
// Every text given here is foreign: it is escaped where it is put into the page. Texts are UTF-8. What functions
// return is HTML, to be put together and given to a Section.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kindred {

/// The text as content or as an attribute in double quotes. Control characters, which HTML has no way to write, and
/// those that turn the direction of writing become U+FFFD.
std::string EscapeHtml(std::string_view text);

struct Tile {
  std::string name;
  std::string value;
  std::string note = {};
};
/// Key figures, side by side.
std::string TilesHtml(const std::vector<Tile>& tiles);

/// What needs attention, as a list; nothing where there is none.
std::string NoticesHtml(const std::string& title, const std::vector<std::string>& notices);

struct TableColumn {
  enum Kind {
    kText,
    kNumber,  // to the right
    kCode,    // digests, paths
    kProse,   // sentences: wide enough to be read, also where the table must scroll
  };
  std::string name;
  Kind kind = kText;
};
struct TableCell {
  TableCell(std::string cell_text, double cell_bar = -1) : text(std::move(cell_text)), bar(cell_bar) {}
  TableCell(const char* cell_text) : TableCell(std::string(cell_text)) {}

  std::string text;
  double bar;       // 0 to 1: the length of a bar behind the text; below 0 none
  double heat = 0;  // -1 to 1: a colour behind the text, of one kind below 0, of another above, none at 0
};
inline TableCell HeatedCell(std::string text, double heat) {
  TableCell cell(std::move(text));
  cell.heat = heat;
  return cell;
}
struct Table {
  std::string caption;  // may be empty
  std::vector<TableColumn> columns;
  std::vector<std::vector<TableCell>> rows;
};
/// The first column heads its rows; a row has a cell a column. Wide ones scroll.
std::string TableHtml(const Table& table);

/// A heading with what stands below it. `note` explains, and may be empty.
std::string SectionHtml(const std::string& title, const std::string& note, const std::string& html);

/// Several side by side where there is room.
std::string BesideHtml(const std::vector<std::string>& parts);

struct Page {
  std::string title;
  std::string subject;              // what it is about: a path, a name
  std::vector<std::string> origin;  // digest, time, version: small, below
  std::string html;                 // notices, tiles and sections
};
std::string PageHtml(const Page& page);

}  // namespace kindred
