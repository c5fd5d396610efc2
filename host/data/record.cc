#include "host/data/record.h"

#include <algorithm>

namespace kindred {

Record::Span& Record::AddField(size_t begin) {
  ++n_fields_;
  if (fields_.size() < max_fields_ + 1) fields_.emplace_back();  // one more, which all those too many share
  fields_.back() = {begin, begin, false};
  return fields_.back();
}

Record::State Record::Cut(std::string_view text) {
  fields_.clear();
  n_fields_ = 0;
  at_ = 0;
  inside_quotes_ = false;
  return Resume(text);
}

Record::State Record::Resume(std::string_view text) {
  for (;;) {
    if (!inside_quotes_ && quotes_ && at_ < text.size() && text[at_] == '"') {
      AddField(++at_);
      inside_quotes_ = true;
    }
    if (inside_quotes_) {
      Span& field = fields_.back();
      for (;;) {
        field.end = text.find('"', at_);
        if (field.end == text.npos) {
          at_ = text.size();
          return State::kOpenQuote;
        }
        at_ = field.end + 1;
        if (at_ == text.size() || text[at_] != '"') break;
        field.doubled = true;
        ++at_;
      }
      inside_quotes_ = false;
      if (at_ < text.size() && text[at_] != delimiter_) return State::kTextAfterQuote;
    } else {
      Span& field = AddField(at_);
      at_ = field.end = std::min(text.find(delimiter_, at_), text.size());
    }
    if (at_ == text.size()) return State::kWhole;
    ++at_;
  }
}

std::string_view Record::Field(size_t i, std::string_view text, std::string& unquoted) const {
  const Span& span = fields_[i];
  const std::string_view content = text.substr(span.begin, span.end - span.begin);
  if (!span.doubled) return content;
  unquoted.clear();
  for (size_t at = 0; at < content.size(); ++at) {
    unquoted += content[at];
    if (content[at] == '"') ++at;
  }
  return unquoted;
}

}  // namespace kindred
