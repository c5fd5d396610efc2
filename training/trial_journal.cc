#include "training/trial_journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "training/json_journal.h"
#include "training/report_values.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr JournalKind kKind = {"kindred_tune", 2, "trials", "another search"};  // 1 had no devices, and less of a split
constexpr std::array<const char*, 3> kStates = {"complete", "stopped", "failed"};

/// Members of a trial's line, of which each must be there and fit.
class TrialReader {
 public:
  TrialReader(const json& line, const SearchSpace& space, std::string where)
      : line_(line), space_(space), where_(std::move(where)) {}

  Trial Read(int64_t number) const {
    Trial trial;
    trial.number = Whole(line_, "trial");
    if (trial.number != number) Refuse(fmt::format("trial {} where {} is expected", trial.number, number));
    ReadPoint(trial);
    const auto state = std::ranges::find(kStates, TextOf(line_, "state"));
    if (state == kStates.end()) Refuse("'state' is none");
    trial.state = static_cast<TrialState>(state - kStates.begin());
    if (trial.state == TrialState::kComplete) trial.value = Number(line_, "value");
    if (trial.state != TrialState::kFailed) trial.sample_value = Number(line_, "sample_value");
    if (line_.contains("epochs")) trial.epochs = Whole(line_, "epochs");
    ReadCurve(trial);
    if (const json& why = Member(line_, "why"); why.is_string()) trial.why = why.get<std::string>();
    trial.seconds = Number(line_, "seconds");
    trial.device = Member(line_, "device");
    if (!trial.device.is_object()) Refuse("'device' is none");
    return trial;
  }

 private:
  [[noreturn]] void Refuse(const std::string& what) const { throw Error(ErrorCode::kCorrupt, where_ + ": " + what); }

  double Number(const json& from, const char* name) const {
    const double value = NumberOf(from, name);
    if (!std::isfinite(value)) Refuse(fmt::format("'{}' is no number", name));
    return value;
  }
  int64_t Whole(const json& from, const char* name) const {
    const double value = Number(from, name);
    if (!(value >= 1 && value < 1e9) || value != std::floor(value)) Refuse(fmt::format("'{}' is no count", name));
    return static_cast<int64_t>(value);
  }

  void ReadPoint(Trial& trial) const {
    const json& parameters = Member(line_, "parameters");
    for (const SearchParameter& parameter : space_.parameters) {
      const double value = NumberOf(parameters, parameter.name);
      if (!(value >= parameter.least && value <= parameter.most))
        Refuse(fmt::format("the parameter '{}' is no number that train takes", parameter.name));
      trial.point.push_back(value);
    }
  }

  void ReadCurve(Trial& trial) const {
    const json& curve = Member(line_, "curve");
    if (curve.is_null()) return;
    if (!curve.is_array()) Refuse("'curve' is no list");
    for (const json& place : curve) {
      const int64_t epoch = Whole(place, "epoch");
      if (!trial.curve.empty() && epoch <= trial.curve.back().first) Refuse("the epochs of 'curve' do not rise");
      trial.curve.emplace_back(epoch, Number(place, "value"));
    }
  }

  const json& line_;
  const SearchSpace& space_;
  const std::string where_;
};

}  // namespace

json TrialJson(const Trial& trial, const SearchSpace& space) {
  json line = {{"trial", trial.number},
               {"parameters", space.Json(trial.point)},
               {"state", kStates[static_cast<size_t>(trial.state)]},
               {"seconds", trial.seconds},
               {"device", trial.device}};
  if (trial.state == TrialState::kComplete) line["value"] = trial.value;
  if (trial.state != TrialState::kFailed) line["sample_value"] = trial.sample_value;
  if (trial.epochs > 0) line["epochs"] = trial.epochs;
  for (const auto& [epoch, value] : trial.curve) line["curve"].push_back({{"epoch", epoch}, {"value", value}});
  if (!trial.why.empty()) line["why"] = trial.why;
  return line;
}

JournalContent ParseJournal(std::string_view text, const SearchSpace& space, const std::string& name) {
  JournalContent content;
  JournalFrame frame =
      ParseJournalLines(text, kKind, name, [&](const json& line, int64_t number, const std::string& where) {
        content.trials.push_back(TrialReader(line, space, where).Read(number - 1));
      });
  content.settings = std::move(frame.settings);
  content.bytes = frame.bytes;
  return content;
}

TrialJournal::TrialJournal(fs::path path) : path_(std::move(path)), file_(OpenLocked(path_)) {}

TrialJournal TrialJournal::Start(const fs::path& path, const json& settings, bool overwrite) {
  std::error_code ignored;
  Descriptor old;
  if (overwrite && fs::is_regular_file(path, ignored)) old = OpenLocked(path);
  WriteNewFile(path, JournalHead(kKind, settings), overwrite);
  TrialJournal journal(path);
  journal.content_.settings = settings;
  return journal;
}

TrialJournal TrialJournal::Resume(const fs::path& path, const json& settings, const SearchSpace& space) {
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    throw Error(ErrorCode::kNotFound,
                fmt::format("nothing to resume: '{}' is not there; without --resume the search starts", path.string()));
  TrialJournal journal(path);
  const std::string name = JournalName(path);
  const std::string text = ReadJournal(path);
  json theirs = ParseJournal(text.substr(0, text.find('\n') + 1), space, name).settings;
  json ours = settings;
  ours.erase(kSpreadSetting);
  theirs.erase(kSpreadSetting);
  CheckSameSettings(theirs, ours, kKind, name);
  journal.content_ = ParseJournal(text, space, name);
  if (!Member(journal.settings(), kSpreadSetting).is_number_integer())
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: line 1: '{}' is no count", name, kSpreadSetting));
  CutFile(journal.file_, journal.content_.bytes, path);
  return journal;
}

void TrialJournal::Append(Trial trial, const SearchSpace& space) {
  AppendLine(file_, TrialJson(trial, space), path_);
  content_.trials.push_back(std::move(trial));
}

}  // namespace kindred
