#include "serving/segment_export.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "host/data/attribute_table.h"
#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/recommender.h"
#include "serving/segment_handlers.h"

namespace kindred {
namespace {

using google::protobuf::Value;
using google::protobuf::util::TimeUtil;

/// Fields of ExportRow, as headers have them.
constexpr const char* kRowFields[] = {"user_id", "cluster_id", "cluster_name", "rules",
                                      "stage",   "likelihood", "likely"};

[[noreturn]] void Refuse(const std::string& wrong) {
  throw Error(ErrorCode::kInvalidArgument, wrong);
}

/// Exports may be read as any bytes; messages are UTF-8.
void SetText(std::string_view text, Value* to) {
  to->set_string_value(IsUtf8(text) ? std::string(text) : Printable(text, 4 * text.size()));
}

void FillNumber(double value, Value* to) {
  if (std::isfinite(value))
    to->set_number_value(value);
  else
    to->set_null_value(google::protobuf::NULL_VALUE);
}

void FillAttribute(const AttributeColumn& column, int64_t user, Value* to) {
  const auto row = static_cast<size_t>(user);
  to->set_null_value(google::protobuf::NULL_VALUE);
  switch (column.type) {
    case AttributeType::kNumber:
      return FillNumber(column.numbers[row], to);
    case AttributeType::kBoolean:
      if (column.booleans[row] < 2) to->set_bool_value(column.booleans[row] == 1);
      return;
    case AttributeType::kTime:
      if (column.times[row] >= kFirstTime && column.times[row] <= kLastTime)
        to->set_string_value(TimeUtil::ToString(TimeUtil::SecondsToTimestamp(column.times[row])));
      return;
    case AttributeType::kCategory:
      if (column.codes[row] >= 0) SetText(column.dictionary[column.codes[row]], to);
      return;
    case AttributeType::kTags:
      for (int64_t k = column.indptr[row]; k < column.indptr[row + 1]; ++k)
        SetText(column.dictionary[column.codes[static_cast<size_t>(k)]], to->mutable_list_value()->add_values());
      return;
    case AttributeType::kText:
      if (!column.texts[user].empty()) SetText(column.texts[user], to);
      return;
  }
}

/// Whether all are asked for.
bool IsAll(const google::protobuf::RepeatedPtrField<std::string>& names) {
  return names.size() == 1 && names[0] == "*";
}

}  // namespace

SegmentExport::SegmentExport(std::shared_ptr<const ServedSegments> served, const v1::ExportSegmentRequest& request)
    : served_(std::move(served)) {
  if (request.has_segment()) members_ = MembersOf(*served_->model, FindSegment(*served_, request.segment()));
  AddFeatures(request);
  AddAttributes(request);
  if (std::ssize(columns_) > kMaxExportColumns)
    Refuse(fmt::format("features and attributes: are {} together, expected at most {}", columns_.size(),
                       kMaxExportColumns));
  NameColumns();
}

void SegmentExport::AddFeatures(const v1::ExportSegmentRequest& request) {
  const std::vector<std::string>& known = served_->catalogue.features();
  std::vector<int64_t> features;
  if (IsAll(request.features()))
    for (size_t f = 0; f < known.size(); ++f) features.push_back(static_cast<int64_t>(f));
  else
    for (const std::string& name : request.features())
      features.push_back(served_->catalogue.FindFeature("features", name));
  for (const int64_t feature : features) {
    if (std::ranges::find(columns_, feature, &ExportedColumn::feature) != columns_.end())
      Refuse(fmt::format("features: '{}' is there twice", known[static_cast<size_t>(feature)]));
    columns_.push_back({feature, -1});
    described_.emplace_back().set_feature(known[static_cast<size_t>(feature)]);
  }
}

void SegmentExport::AddAttributes(const v1::ExportSegmentRequest& request) {
  const AttributeTable& users = served_->model->user_attributes();
  std::vector<std::string> names;
  for (const AttributeColumn& column : users.columns()) names.push_back(Printable(column.name));
  std::vector<std::string> asked(request.attributes().begin(), request.attributes().end());
  if (IsAll(request.attributes())) asked = names;
  for (const std::string& name : asked) {
    const int64_t place = std::ranges::find(names, name) - names.begin();
    if (place == std::ssize(names)) {
      const std::vector<std::string_view> known(names.begin(), names.end());
      Refuse(fmt::format("attributes: users have no attribute '{}'{}", Printable(name), NearestText(name, known)));
    }
    if (std::ranges::find(columns_, place, &ExportedColumn::attribute) != columns_.end())
      Refuse(fmt::format("attributes: '{}' is there twice", name));
    columns_.push_back({-1, place});
    described_.emplace_back().set_attribute(name);
  }
}

void SegmentExport::NameColumns() {
  std::set<std::string> taken(std::begin(kRowFields), std::end(kRowFields));
  for (v1::ExportColumn& column : described_) {
    const bool is_feature = !column.feature().empty();
    std::string name = is_feature ? column.feature() : column.attribute();
    if (taken.contains(name)) name.insert(0, is_feature ? "feature." : "user.");
    while (!taken.insert(name).second) name += '_';
    column.set_name(name);
  }
}

int64_t SegmentExport::size() const {
  return members_ ? std::ssize(*members_) : served_->model->users().size();
}

bool SegmentExport::Fill(v1::ExportPage* page) {
  if (!std::exchange(first_, false) && n_filled_ == size()) return false;
  page->Clear();
  FillVersion(*served_, page->mutable_segments());
  page->set_size(size());
  page->mutable_columns()->Add(described_.begin(), described_.end());
  for (size_t bytes = 0; n_filled_ < size() && page->rows_size() < kMaxN; ++n_filled_) {
    v1::ExportRow* row = page->add_rows();
    FillRow(members_ ? (*members_)[static_cast<size_t>(n_filled_)] : n_filled_, row);
    bytes += row->ByteSizeLong();
    if (bytes <= kMaxPageBytes || page->rows_size() == 1) continue;
    page->mutable_rows()->RemoveLast();  // it is the first of the next page
    break;
  }
  return true;
}

void SegmentExport::FillRow(int64_t user, v1::ExportRow* row) const {
  const SegmentModel& model = *served_->model;
  const auto place = static_cast<size_t>(user);
  row->set_user_id(std::string(model.users().Id(user)));
  if (const int32_t cluster = model.labels()[place]; cluster >= 0) {
    row->set_cluster_id(model.id(cluster));
    row->set_cluster_name(model.segment_name(cluster));
  }
  const BehaviourRules& rules = model.rules();
  for (int64_t rule = 0; rule < rules.n_rules(); ++rule)
    if (model.RuleHolds(rule, user)) row->add_rules(rules.Name(rule));
  if (!model.stages().empty() && model.stages()[place] >= 0)
    row->set_stage(rules.Name(rules.n_rules() + model.stages()[place]));
  if (!model.likelihood().empty() && std::isfinite(model.likelihood()[place]))
    row->set_likelihood(model.likelihood()[place]);
  row->set_likely(model.IsLikely(user));
  for (const ExportedColumn& column : columns_) {
    if (column.feature >= 0)
      FillNumber(model.values().row(user)[static_cast<size_t>(column.feature)], row->add_values());
    else
      FillAttribute(model.user_attributes().columns()[static_cast<size_t>(column.attribute)], user, row->add_values());
  }
}

}  // namespace kindred
