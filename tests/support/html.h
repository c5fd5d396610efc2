// A strict reader of the HTML that reports are made of: tests see what a browser would.
#pragma once

#include <algorithm>
#include <cctype>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kindred {

/// What a text of HTML holds. `problem` is empty where every tag is closed in order, every attribute is quoted and
/// there once, and every & is one of the five entities that escaping makes.
struct HtmlContent {
  std::string problem;
  std::set<std::string> tags;
  std::vector<std::string> links;  // values of src, href and the like
  std::set<std::string> attributes;
  std::string text;  // what is shown, with entities replaced
};

class HtmlReader {
 public:
  explicit HtmlReader(std::string_view html) : html_(html) {}

  HtmlContent Read() {
    constexpr std::string_view kDoctype = "<!DOCTYPE html>";
    if (html_.starts_with(kDoctype)) at_ = kDoctype.size();
    while (at_ < html_.size() && content_.problem.empty()) {
      if (html_[at_] == '<')
        Tag();
      else
        content_.text += Character();
    }
    if (content_.problem.empty() && !open_.empty()) Fail("<" + open_.back() + "> is not closed");
    return std::move(content_);
  }

 private:
  void Fail(const std::string& what) {
    if (content_.problem.empty())
      content_.problem = what + " at byte " + std::to_string(at_) + ": " + std::string(html_.substr(at_, 60));
    at_ = html_.size();
  }
  bool Take(std::string_view what) {
    if (!html_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  std::string Name() {
    const size_t first = at_;
    while (at_ < html_.size() && (std::isalnum(static_cast<unsigned char>(html_[at_])) != 0 || html_[at_] == '-'))
      ++at_;
    if (first == at_) Fail("no name");
    return std::string(html_.substr(first, at_ - first));
  }
  std::string Character() {
    if (html_[at_] != '&') return std::string(1, html_[at_++]);
    for (const auto& [entity, character] :
         {std::pair("&amp;", "&"), {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}})
      if (Take(entity)) return character;
    Fail("an unknown entity");
    return "";
  }
  void Tag() {
    if (Take("</")) {
      const std::string name = Name();
      if (open_.empty() || open_.back() != name) return Fail("</" + name + "> closes nothing");
      open_.pop_back();
      if (!Take(">")) Fail("no >");
      return;
    }
    Take("<");
    const std::string name = Name();
    content_.tags.insert(name);
    std::set<std::string> seen;
    while (Take(" ")) {
      const std::string attribute = Name();
      content_.attributes.insert(attribute);
      if (!seen.insert(attribute).second) return Fail("the attribute " + attribute + " twice");
      if (!Take("=\"")) return Fail("an attribute without quotes");
      std::string value;
      while (at_ < html_.size() && html_[at_] != '"' && html_[at_] != '<') value += Character();
      if (!Take("\"")) return Fail("a quote that is not closed");
      if (attribute == "src" || attribute == "href" || attribute == "action") content_.links.push_back(value);
    }
    if (Take("/>")) return;
    if (!Take(">")) return Fail("no >");
    if (name != "meta") open_.push_back(name);
    if (name == "style") at_ = std::min(html_.find("</style>", at_), html_.size());
  }

  std::string_view html_;
  size_t at_ = 0;
  std::vector<std::string> open_;
  HtmlContent content_;
};

inline HtmlContent ReadHtml(std::string_view html) {
  return HtmlReader(html).Read();
}

}  // namespace kindred
