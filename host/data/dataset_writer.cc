#include "host/data/dataset_writer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <numeric>

#include "host/data/dataset.h"
#include "host/data/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr int64_t kMaxTypes = 256;  // an event's type is one byte

std::vector<int64_t> Indptr(const std::vector<int32_t>& rows, int64_t n_rows) {
  std::vector<int64_t> indptr(static_cast<size_t>(n_rows) + 1, 0);
  for (const int32_t row : rows) ++indptr[static_cast<size_t>(row) + 1];
  std::partial_sum(indptr.begin(), indptr.end(), indptr.begin());
  return indptr;
}

int64_t DistinctPairs(const std::vector<int64_t>& indptr, const std::vector<int32_t>& items, int64_t n_items) {
  int64_t n = 0;
  std::vector<int32_t> last_user(static_cast<size_t>(n_items), -1);
  for (size_t user = 0; user + 1 < indptr.size(); ++user)
    for (int64_t at = indptr[user]; at < indptr[user + 1]; ++at)
      n += std::exchange(last_user[items[at]], static_cast<int32_t>(user)) != static_cast<int32_t>(user);
  return n;
}

nlohmann::json TimeRange(const std::vector<int64_t>& times) {
  if (times.empty()) return nullptr;
  const auto [first, last] = std::minmax_element(times.begin(), times.end());
  return {*first, *last};
}

}  // namespace

template <class T>
void DatasetWriter::Column<T>::Set(size_t at, T value) {
  if (values.empty() && value == fill) return;
  if (values.size() < at) values.resize(at, fill);
  values.push_back(value);
}

template <class T>
std::vector<T> DatasetWriter::Column<T>::Take(const std::vector<int64_t>& order) {
  std::vector<T> out(order.size(), fill);
  if (!values.empty())
    for (size_t i = 0; i < order.size(); ++i) out[i] = values[order[i]];
  values = {};
  return out;
}

void DatasetWriter::Add(const Event& event) {
  const size_t at = users_.size();
  int32_t type = type_names_.view().Find(event.type);
  if (type < 0 && type_names_.size() == kMaxTypes)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("more than {} types of event (the next is '{}'): is this the right column?", kMaxTypes,
                            Printable(event.type)));
  if (type < 0) type = type_names_.Intern(event.type);
  users_.push_back(user_ids_.Intern(event.user));
  items_.push_back(item_ids_.Intern(event.item));
  values_.Set(at, event.value);
  times_.Set(at, event.time);
  types_.Set(at, static_cast<uint8_t>(type));
}

std::vector<int64_t> DatasetWriter::Sort() {
  const std::vector<int64_t> indptr = Indptr(users_, user_ids_.size());
  std::vector<int64_t> order(users_.size());
  std::vector<int64_t> next(indptr.begin(), indptr.end() - 1);
  for (size_t i = 0; i < users_.size(); ++i) order[next[users_[i]]++] = static_cast<int64_t>(i);
  if (times_.values.empty()) return order;
  const auto earlier = [&](int64_t a, int64_t b) { return times_.values[a] < times_.values[b]; };
  for (size_t user = 0; user + 1 < indptr.size(); ++user) {
    const auto first = order.begin() + indptr[user], last = order.begin() + indptr[user + 1];
    if (!std::is_sorted(first, last, earlier)) std::stable_sort(first, last, earlier);
  }
  return order;
}

nlohmann::json DatasetWriter::EventTypes(const std::vector<uint8_t>& types) const {
  std::vector<int64_t> counts(kMaxTypes, 0);
  for (const uint8_t type : types) ++counts[type];
  nlohmann::json out = nlohmann::json::array();
  for (int64_t i = 0; i < type_names_.size(); ++i)
    out.push_back({{"name", std::string(type_names_.view().Id(i))}, {"n_events", counts[i]}});
  return out;
}

nlohmann::json DatasetWriter::Write(const std::filesystem::path& path, bool has_times, bool has_types,
                                    nlohmann::json manifest, bool overwrite) {
  ArtifactWriter writer(path, kDatasetKind);
  manifest["schema_version"] = kDatasetSchema;
  manifest["kindred_version"] = KINDRED_VERSION;
  manifest["created_at"] = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  manifest["n_users"] = user_ids_.size();
  manifest["n_items"] = item_ids_.size();
  manifest["n_events"] = n_events();
  manifest["time_range"] = nullptr;
  manifest["event_types"] = nlohmann::json::array();

  user_ids_.view().AddTo(writer, "user_ids");
  item_ids_.view().AddTo(writer, "item_ids");
  const std::vector<int64_t> indptr = Indptr(users_, user_ids_.size());
  writer.AddArray<int64_t>("event_indptr", indptr);
  const std::vector<int64_t> order = Sort();
  users_ = {};
  {
    const std::vector<int32_t> items = Column<int32_t>{0, std::move(items_)}.Take(order);
    writer.AddArray<int32_t>("event_items", items);
    manifest["n_entries"] = DistinctPairs(indptr, items, item_ids_.size());
  }
  writer.AddArray<float>("event_values", values_.Take(order));
  if (has_times) {
    const std::vector<int64_t> times = times_.Take(order);
    writer.AddArray<int64_t>("event_times", times);
    manifest["time_range"] = TimeRange(times);
  }
  if (has_types) {
    const std::vector<uint8_t> types = types_.Take(order);
    writer.AddArray<uint8_t>("event_types", types);
    manifest["event_types"] = EventTypes(types);
  }
  *this = DatasetWriter();
  writer.Commit(manifest, overwrite);
  return manifest;
}

}  // namespace kindred
