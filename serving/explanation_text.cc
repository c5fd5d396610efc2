#include "serving/explanation_text.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cmath>

#include "host/text/text.h"

namespace kindred {
namespace {

std::string EventsText(const v1::Contribution& by) {
  constexpr int kShown = 3;
  std::string text;
  for (int e = 0; e < std::min(kShown, by.events_size()); ++e) {
    const v1::PastEvent& event = by.events(e);
    const std::string time = event.has_time() ? google::protobuf::util::TimeUtil::ToString(event.time()) : "";
    const std::string type = event.event().empty() ? "event" : Printable(event.event());
    text += fmt::format("{}{}{}{}", text.empty() ? "  " : ", ", type, time.empty() ? "" : " ", time);
  }
  if (by.n_events() > kShown) text += fmt::format(", {} before", by.n_events() - kShown);
  return text;
}

}  // namespace

void PrintExplanation(const v1::ItemExplanation& item) {
  fmt::print("  {}: score {:.6g}, position {}{}\n", Printable(item.item_id()), item.score(), item.position(),
             item.has_variance() ? fmt::format(", standard deviation {:.3g}", std::sqrt(item.variance())) : "");
  if (item.has_rating_parts())
    fmt::print("    {:>+12.4g}         mean {:.4g} and the item's bias {:+.4g}\n", item.base(),
               item.rating_parts().mean(), item.rating_parts().item_bias());
  else if (item.base() != 0)
    fmt::print("    {:>+12.4g}         whoever asks\n", item.base());
  size_t width = 0;
  for (const v1::Contribution& by : item.contributions()) width = std::max(width, Printable(by.item_id()).size());
  for (const v1::Contribution& by : item.contributions())
    fmt::print("    {:>+12.4g}  {:>4.0f} %  {:<{}}  position {} without{}\n", by.amount(), 100 * by.share(),
               Printable(by.item_id()), width,
               by.has_position_without() ? std::to_string(by.position_without()) : "none", EventsText(by));
  if (item.n_others() > 0) fmt::print("    {:>+12.4g}         {} others\n", item.others(), item.n_others());
  for (const v1::AttributeContribution& by : item.attributes())
    fmt::print("    {:>+12.4g}         of it by {}{}\n", by.amount(), by.is_of_user() ? "the user's " : "",
               Printable(by.attribute()));
}

}  // namespace kindred
