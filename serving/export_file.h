// Rows of ExportSegment as text, for `kindred query segments export`.
//
// CSV: a header, then a line a row, fields in quotes where RFC 4180 asks for them; lines end in "\n". Lists (rules,
// tags) stand with '|' between their texts, as `prepare` reads them; what is missing is empty. A text that a
// spreadsheet would take for a formula ("=1+1", "+49 30 1234", "@name") is written as it is, for the tools that send
// mails: a mark before it would reach the customer.
//
// JSON lines: an object a row, by the names of the header; rules and tags are lists, what is missing is null.
#pragma once

#include <string>

#include "kindred/v1/segments.pb.h"

namespace kindred {

enum class ExportFormat { kCsv, kJsonLines };

/// The header of a CSV; empty of JSON lines.
std::string ExportHead(ExportFormat format, const v1::ExportPage& page);
/// The rows of a page.
std::string ExportLines(ExportFormat format, const v1::ExportPage& page);

}  // namespace kindred
