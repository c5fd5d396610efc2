#include "host/intake/record.h"

#include <fmt/format.h>

#include <algorithm>

namespace kindred {
namespace {

/// The '"' that closes the field whose content begins at `at`.
size_t ClosingQuote(std::string_view text, size_t at) {
  for (;;) {
    at = text.find('"', at);
    if (at == text.npos || at + 1 >= text.size() || text[at + 1] != '"') return at;
    at += 2;
  }
}

class EndFinder {
 public:
  EndFinder(std::string_view text, size_t begin, const RecordRules& rules, bool final)
      : text_(text), begin_(begin), rules_(rules), final_(final), line_end_(text.find('\n', begin)) {}

  RecordEnd Find() {
    const size_t first_end = std::min(line_end_, text_.size());
    if (first_end - begin_ > rules_.max_bytes) return End(RecordEnd::State::kTooLong);
    if (line_end_ == text_.npos && !final_) return {};
    line_end_ = first_end;
    if (!rules_.quotes) return End(RecordEnd::State::kWhole);
    for (size_t at = begin_;;) {
      const size_t quote = std::min(text_.substr(0, line_end_).find('"', at), line_end_);
      if (quote == line_end_) return End(RecordEnd::State::kWhole);
      if (quote > begin_ && text_[quote - 1] != rules_.delimiter) {
        at = quote + 1;
        continue;
      }
      const size_t closing = ClosingQuote(text_, quote + 1);
      // At the end of a text that goes on, a quote may be the first of two.
      if (closing == text_.npos || (closing + 1 == text_.size() && !final_)) return Unclosed(first_end);
      if (closing > line_end_ && !ExtendTo(closing)) return Unclosed(first_end);
      if (closing + 1 < ContentEnd() && text_[closing + 1] != rules_.delimiter)
        return End(RecordEnd::State::kTextAfterQuote);
      at = closing + 1;
    }
  }

 private:
  size_t ContentEnd() const { return line_end_ > begin_ && text_[line_end_ - 1] == '\r' ? line_end_ - 1 : line_end_; }

  RecordEnd End(RecordEnd::State state) {
    const bool open = line_end_ == text_.npos;  // too long, and its end is not there
    if (open) line_end_ = text_.size();
    return {state, ContentEnd() - begin_, std::min(line_end_ + 1, text_.size()), n_lines_};
  }

  RecordEnd Unclosed(size_t first_end) {
    if (!final_ && text_.size() - begin_ <= rules_.max_bytes) return {};
    line_end_ = first_end;
    n_lines_ = 1;
    return End(RecordEnd::State::kUnclosed);
  }

  /// Goes on to the end of the line that `at` is in; false where that is not there or too far.
  bool ExtendTo(size_t at) {
    const size_t end = text_.find('\n', at);
    if (end == text_.npos && !final_) return false;
    n_lines_ +=
        std::count(text_.begin() + static_cast<ptrdiff_t>(line_end_), text_.begin() + static_cast<ptrdiff_t>(at), '\n');
    line_end_ = std::min(end, text_.size());
    return line_end_ - begin_ <= rules_.max_bytes;
  }

  std::string_view text_;
  size_t begin_;
  const RecordRules& rules_;
  bool final_;
  size_t line_end_;
  int64_t n_lines_ = 1;
};

}  // namespace

RecordEnd FindRecordEnd(std::string_view text, size_t begin, const RecordRules& rules, bool final) {
  return EndFinder(text, begin, rules, final).Find();
}

size_t EndOfLastRecord(std::string_view text, const RecordRules& rules) {
  const size_t quote = rules.quotes ? text.find('"') : text.npos;
  const size_t line_end = text.substr(0, quote).rfind('\n');
  size_t end = line_end == text.npos ? 0 : line_end + 1;
  if (quote == text.npos) return end;
  for (;;) {
    const RecordEnd record = FindRecordEnd(text, end, rules, false);
    if (record.state == RecordEnd::State::kUnknown) return end;
    if (record.state == RecordEnd::State::kTooLong && text[record.next - 1] != '\n') return end;
    end = record.next;
    if (end == text.size()) return end;
  }
}

RecordProblem ProblemOf(const RecordEnd& end, size_t n_fields, int64_t line, size_t n_left, bool last,
                        const RecordRules& rules) {
  if (end.state == RecordEnd::State::kTooLong)
    return {"line too long", fmt::format("the line has more than {} bytes", rules.max_bytes)};
  if (end.state == RecordEnd::State::kTextAfterQuote)
    return {"text after a closing quote",
            fmt::format("field {} goes on after its closing quote; expected a delimiter or the line's end "
                        "(quotes within quotes are doubled)",
                        n_fields)};
  const std::string limit =
      last && n_left <= rules.max_bytes ? "never closed" : fmt::format("not closed within {} bytes", rules.max_bytes);
  return {"quote never closed", fmt::format("the quote that opens field {} in line {} is {}", n_fields, line, limit)};
}

void Record::Cut(std::string_view text) {
  text_ = text;
  fields_.clear();
  n_fields_ = 0;
  for (size_t at = 0;; ++at) {
    ++n_fields_;
    if (fields_.size() < max_fields_ + 1) fields_.emplace_back();  // one more, which all those too many share
    Span& field = fields_.back() = {at, at, false};
    if (rules_.quotes && at < text.size() && text[at] == '"') {
      field.begin = at + 1;
      field.end = std::min(ClosingQuote(text, at + 1), text.size());
      field.doubled = text.substr(0, field.end).find('"', at + 1) != text.npos;
      at = std::min(field.end + 1, text.size());
      if (at < text.size() && text[at] != rules_.delimiter) return;
    } else {
      at = field.end = std::min(text.find(rules_.delimiter, at), text.size());
    }
    if (at == text.size()) return;
  }
}

std::string_view Record::Field(size_t i, std::string& unquoted) const {
  const Span& span = fields_[i];
  const std::string_view content = text_.substr(span.begin, span.end - span.begin);
  if (!span.doubled) return content;
  unquoted.clear();
  for (size_t at = 0; at < content.size(); ++at) {
    unquoted += content[at];
    if (content[at] == '"') ++at;
  }
  return unquoted;
}

}  // namespace kindred
