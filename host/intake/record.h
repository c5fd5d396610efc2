// The records of a CSV or TSV text: where they end, and the fields of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kindred {

struct RecordRules {
  char delimiter = ',';
  bool quotes = true;  // a field that starts with '"' is quoted (RFC 4180)
  size_t max_bytes = size_t{64} << 20;
};

/// Where a record ends, and whether it is one.
struct RecordEnd {
  enum class State : uint8_t {
    kWhole,
    kTooLong,         // the first line has more than max_bytes
    kUnclosed,        // a quote is not closed within the text or max_bytes: the record is its first line
    kTextAfterQuote,  // something other than a delimiter follows a closing quote (RFC 4180, 2.5)
    kUnknown,         // the text ends before the record does
  };

  State state = State::kUnknown;
  size_t length = 0;    // without the line's end
  size_t next = 0;      // where the next record begins
  int64_t n_lines = 1;  // that it goes over
};

/// Of the record that begins at `begin`. Lines end with LF or CRLF. `final`: nothing follows the text.
RecordEnd FindRecordEnd(std::string_view text, size_t begin, const RecordRules& rules, bool final);

/// The end of the last record that is whole in the text, 0 where there is none.
/// Cost: a search backwards where there are no quotes, else one pass over the records.
size_t EndOfLastRecord(std::string_view text, const RecordRules& rules);

/// Why a record that is not whole is none: a kind, to count by, and the reason. `n_fields`: of what Record cut from it;
/// `last`: the text ends with the file.
struct RecordProblem {
  std::string kind;
  std::string reason;
};
RecordProblem ProblemOf(const RecordEnd& end, size_t n_fields, int64_t line, size_t n_left, bool last,
                        const RecordRules& rules);

/// A record of the state kWhole (or, as far as it goes, kTextAfterQuote and kUnclosed) cut into its fields.
class Record {
 public:
  /// At most `max_fields` are kept; all are counted.
  Record(const RecordRules& rules, size_t max_fields) : rules_(rules), max_fields_(max_fields) {}

  void Cut(std::string_view text);

  size_t n_fields() const { return n_fields_; }
  /// The content of a kept field. `unquoted` holds it where quotes were doubled.
  std::string_view Field(size_t i, std::string& unquoted) const;

 private:
  struct Span {
    size_t begin = 0;
    size_t end = 0;
    bool doubled = false;
  };

  RecordRules rules_;
  size_t max_fields_;
  std::string_view text_;
  std::vector<Span> fields_;
  size_t n_fields_ = 0;
};

}  // namespace kindred
