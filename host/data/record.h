// One line of a CSV or TSV file, cut into its fields.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kindred {

/// Fields are kept as offsets, so that the text may grow and move while a quoted field goes over line ends.
class Record {
 public:
  enum class State {
    kWhole,
    kOpenQuote,       // the text ends within a quoted field
    kTextAfterQuote,  // something other than a delimiter follows a closing quote (RFC 4180, 2.5)
  };

  /// `quotes`: a field that starts with '"' is quoted. At most `max_fields` are kept; all are counted.
  Record(char delimiter, bool quotes, size_t max_fields)
      : delimiter_(delimiter), quotes_(quotes), max_fields_(max_fields) {}

  State Cut(std::string_view text);
  /// After kOpenQuote, with the text lengthened: goes on where the text ended before.
  State Resume(std::string_view text);

  size_t n_fields() const { return n_fields_; }
  /// The content of a kept field of the text last given. `unquoted` holds it where quotes were doubled.
  std::string_view Field(size_t i, std::string_view text, std::string& unquoted) const;

 private:
  struct Span {
    size_t begin = 0;
    size_t end = 0;
    bool doubled = false;
  };

  Span& AddField(size_t begin);

  char delimiter_;
  bool quotes_;
  size_t max_fields_;
  std::vector<Span> fields_;
  size_t n_fields_ = 0;
  size_t at_ = 0;
  bool inside_quotes_ = false;
};

}  // namespace kindred
