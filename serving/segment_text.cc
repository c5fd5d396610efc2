#include "serving/segment_text.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <string>

#include "host/text/counted.h"
#include "host/text/text.h"
#include "serving/query_text.h"

namespace kindred {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int kParts = 5;  // of a likelihood

std::string Number(double value) {
  return fmt::format("{:.4g}", value);
}

/// " version 3 as of 2011-12-09T12:50:00Z"
template <class Reply>
std::string OfVersion(const Reply& reply) {
  std::string text = fmt::format("{} version {}", reply.segments().name(), reply.segments().version());
  if (reply.has_reference()) text += " as of " + TimeUtil::ToString(reply.reference());
  return text;
}

void PrintLine(const char* what, const std::string& text) {
  fmt::print("  {:<12}{}\n", what, Printable(text, kMaxLine));
}

std::string Reasons(const v1::RuleMembership& rule) {
  std::string text = rule.name();
  for (int i = 0; i < rule.reasons_size(); ++i) text += (i == 0 ? ": " : "; ") + rule.reasons(i);
  return text;
}

std::string ClusterText(const v1::UserSegments& user) {
  if (!user.has_cluster()) return "in none";
  const v1::ClusterMembership& cluster = user.cluster();
  std::string text = fmt::format("{} {}, {} from its centre", cluster.id(), cluster.name(), Number(cluster.distance()));
  if (cluster.has_next())
    text += fmt::format("; the next is {} {}, at {}", cluster.next().id(), cluster.next().name(),
                        Number(cluster.next().distance()));
  return text;
}

std::string LikelihoodText(const v1::PurchaseLikelihood& likelihood) {
  std::string text = fmt::format("{:.3f}{}", likelihood.probability(), likelihood.likely() ? ", likely to buy" : "");
  for (int i = 0; i < std::min(likelihood.parts_size(), kParts); ++i)
    text += fmt::format("{}{} {:+.2f}", i == 0 ? "; log odds: " : ", ", likelihood.parts(i).feature(),
                        likelihood.parts(i).log_odds());
  return text;
}

void PrintMemberships(const v1::UserSegments& user) {
  PrintLine("cluster", ClusterText(user));
  for (const v1::RuleMembership& rule : user.rules()) PrintLine("rule", Reasons(rule));
  if (user.has_stage()) PrintLine("stage", Reasons(user.stage()));
  if (user.has_likelihood()) PrintLine("likelihood", LikelihoodText(user.likelihood()));
  for (const v1::UserTrait& trait : user.traits())
    PrintLine("trait", fmt::format("{} {}, {:+.2f} deviations from the mean", trait.feature(),
                                   trait.has_value() ? Number(trait.value()) : "missing", trait.deviations()));
}

void PrintProfile(const v1::SegmentDescription& reply) {
  size_t width = 7;
  for (const v1::FeatureProfile& feature : reply.profile()) width = std::max(width, feature.feature().size());
  if (reply.profile_size() > 0)
    fmt::print("  {:<{}}  {:>12}  {:>12}  {:>10}\n", "feature", width, "mean", "median", "deviations");
  for (const v1::FeatureProfile& feature : reply.profile())
    fmt::print("  {:<{}}  {:>12}  {:>12}  {:>10}\n", feature.feature(), width,
               feature.has_mean() ? Number(feature.mean()) : "", feature.has_median() ? Number(feature.median()) : "",
               feature.has_deviations() ? fmt::format("{:+.2f}", feature.deviations()) : "");
  for (const v1::ExampleUser& example : reply.examples()) {
    std::string text =
        fmt::format("user {}, {} from the centre:", Printable(example.user_id()), Number(example.distance()));
    for (const v1::FeatureValue& value : example.features())
      if (value.has_value()) text += fmt::format(" {} {}", value.feature(), Number(value.value()));
    PrintLine("such as", text);
  }
}

void PrintLikelihood(const v1::LikelihoodFacts& facts) {
  PrintLine("event", fmt::format("{} within {}", facts.event(),
                                 Number(static_cast<double>(facts.horizon_seconds()) / 86400) + " days"));
  PrintLine("members", fmt::format("enter at {}, leave below {}", facts.enter(), facts.leave()));
  PrintLine("quality", fmt::format("{}base rate {:.3f}, on {} held out",
                                   facts.has_auc() ? fmt::format("AUC {:.3f}, ", facts.auc()) : "", facts.base_rate(),
                                   Counted(facts.n_test(), "user")));
  for (const v1::LikelihoodCoefficient& one : facts.coefficients())
    PrintLine("coefficient",
              fmt::format("{} {:+.3f}: odds times {}", one.feature(), one.coefficient(), Number(one.odds_ratio())));
}

}  // namespace

const char* KindName(v1::SegmentKind kind) {
  switch (kind) {
    case v1::CLUSTER:
      return "cluster";
    case v1::RULE:
      return "rule";
    case v1::STAGE:
      return "stage";
    case v1::LIKELY:
      return "likely";
    default:
      return "?";
  }
}

void PrintUserSegments(const v1::UserSegments& user) {
  fmt::print("{}, by {}\n", AboutUser(user.user_id()), OfVersion(user));
  PrintMemberships(user);
}

void PrintSegments(const v1::ListSegmentsReply& reply) {
  fmt::print("{}: {}, {} of them in no cluster\n", OfVersion(reply), Counted(reply.n_users(), "user"),
             reply.n_in_no_cluster());
  size_t width = 0;
  for (const v1::SegmentSummary& segment : reply.list()) width = std::max(width, Printable(segment.name()).size());
  for (const v1::SegmentSummary& segment : reply.list()) {
    const bool is_cluster = segment.id().kind() == v1::CLUSTER;
    fmt::print("  {:<8}{:>3}  {:<{}}  {:>9}  {:>6.1f}%  {}\n", KindName(segment.id().kind()),
               is_cluster ? segment.id().id() : "", Printable(segment.name()), width, segment.size(),
               100 * segment.share(), Printable(segment.in_words(), kMaxLine));
  }
}

void PrintDescription(const v1::SegmentDescription& reply) {
  const v1::SegmentSummary& segment = reply.segment();
  const v1::SegmentKind kind = segment.id().kind();
  const std::string of = kind == v1::LIKELY ? "" : std::string(KindName(kind)) + " ";
  fmt::print("{}{}{}, by {}\n", of, kind == v1::CLUSTER ? segment.id().id() + " " : "", Printable(segment.name()),
             OfVersion(reply));
  PrintLine("size", fmt::format("{}, {:.1f}%", Counted(segment.size(), "user"), 100 * segment.share()));
  PrintLine("in words", segment.in_words());
  if (reply.has_mean_silhouette()) PrintLine("silhouette", fmt::format("{:.3f}", reply.mean_silhouette()));
  for (const v1::RuleThreshold& threshold : reply.thresholds()) {
    std::string text = fmt::format("{} = {}", threshold.name(), Number(threshold.value()));
    if (threshold.has_quantile()) text += fmt::format(", quantile {} of {}", threshold.quantile(), threshold.feature());
    if (threshold.wanted() != threshold.value()) text += fmt::format(", held back from {}", Number(threshold.wanted()));
    if (threshold.has_last()) text += fmt::format("; {} in the last version", Number(threshold.last()));
    PrintLine("threshold", text);
  }
  PrintProfile(reply);
  if (reply.has_likelihood()) PrintLikelihood(reply.likelihood());
}

void PrintAssignment(const v1::AssignEventsReply& reply) {
  PrintUserSegments(reply.user());
  std::string text = fmt::format("{} stored and {} given", reply.n_stored_events(), reply.n_given_events());
  if (reply.n_later_events() > 0) text += fmt::format("; {} later than that left out", reply.n_later_events());
  PrintLine("events", text);
  for (const std::string& id : reply.unknown_item_ids()) fmt::print("  not in the version: {}\n", Printable(id));
}

}  // namespace kindred
