#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/data/attribute_table.h"
#include "host/features/feature_program.h"
#include "host/features/feature_state.h"
#include "host/store/json_reader.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int64_t kMostIndices = int64_t{1} << 31;

/// The names of a program's arrays, by what they are of and their place.
struct ArrayName {
  std::string operator()(const char* what, size_t k) const { return fmt::format("{}_{}_{}", prefix, what, k); }

  const std::string& prefix;
};

/// A program from an artifact, checked.
class ProgramReader {
 public:
  ProgramReader(std::shared_ptr<const Artifact> artifact, const std::string& prefix, const json& described)
      : artifact_(std::move(artifact)),
        name_{prefix},
        reader_(described, fmt::format("'{}': {}", artifact_->path().string(), prefix)),
        state_(std::make_shared<FeatureState>()) {}

  std::shared_ptr<const FeatureState> Read() {
    state_->artifact = artifact_;
    state_->spec = ParseFeatureSpec(reader_.Get("spec"), reader_.where());
    state_->type_names = reader_.Texts("type_names");
    if (state_->type_names.size() > 256) reader_.Refuse("type_names", "at most 256 names");
    state_->has_times = reader_.Boolean("has_times");
    state_->reference = reader_.Integer("reference", kFirstTime, kLastTime);
    state_->n_items = reader_.Integer("n_items", 0, kMostIndices);
    state_->n_users = reader_.Integer("n_users", 0, kMostIndices);
    ReadItems();
    ReadUsers();
    ReadShares();
    try {
      state_->Link();
    } catch (const Error& error) {
      throw Error(ErrorCode::kCorrupt, fmt::format("{}: {}", reader_.where(), error.what()));
    }
    return std::move(state_);
  }

 private:
  [[noreturn]] void Refuse(const std::string& array, const char* what) const {
    throw Error(ErrorCode::kCorrupt, fmt::format("'{}': {}", (artifact_->path() / (array + ".npy")).string(), what));
  }

  template <class T>
  std::span<const T> Values(const std::string& array, int64_t size) const {
    const std::span<const T> values = artifact_->Array<T>(array);
    if (static_cast<int64_t>(values.size()) != size) Refuse(array, "another length than what it is of");
    return values;
  }

  template <class T>
  std::span<const T> Finite(const std::string& array, std::span<const T> values) const {
    if (std::ranges::any_of(values, [](T value) { return std::isinf(value); })) Refuse(array, "holds an infinity");
    return values;
  }

  FeatureArray<double> Numbers(const std::string& array, int64_t size) const {
    return FeatureArray<double>(Finite(array, Values<double>(array, size)));
  }

  void ReadItems() {
    for (const std::string& where : reader_.Texts("conditions"))
      state_->conditions.push_back({where, FeatureArray<uint8_t>(Values<uint8_t>(
                                               name_("conditions", state_->conditions.size()), state_->n_items))});
    for (const std::string& of : reader_.Texts("numbers"))
      state_->numbers.push_back({of, Numbers(name_("numbers", state_->numbers.size()), state_->n_items)});
    for (const json& entry : reader_.List("values")) {
      const JsonReader one(entry, reader_.where() + ": values");
      ItemValues values;
      values.of = one.Text("of");
      const std::string codes = name_("values", state_->values.size()), indptr = codes + "_indptr";
      const bool several = one.Boolean("several");
      values.codes = FeatureArray<int32_t>(artifact_->Array<int32_t>(codes));
      if (several) values.indptr = FeatureArray<int64_t>(Values<int64_t>(indptr, state_->n_items + 1));
      CheckOffsets(values, several, indptr, codes);
      if (std::ranges::any_of(values.codes.view(), [&](int32_t code) { return code < (several ? 0 : -1); }))
        Refuse(codes, "holds a code that is none");
      state_->values.push_back(std::move(values));
    }
  }

  void CheckOffsets(const ItemValues& values, bool several, const std::string& indptr, const std::string& codes) const {
    const std::span<const int64_t> offsets = values.indptr.view();
    const auto n_codes = static_cast<int64_t>(values.codes.view().size());
    if (!several && n_codes != state_->n_items) Refuse(codes, "another length than what it is of");
    if (several && (offsets.front() != 0 || offsets.back() != n_codes || !std::ranges::is_sorted(offsets)))
      Refuse(indptr, "falls, or does not go from 0 to the number of codes");
  }

  void ReadUsers() {
    for (const json& entry : reader_.List("user_numbers")) {
      const JsonReader one(entry, reader_.where() + ": user_numbers");
      state_->user_numbers.push_back({one.Text("of"), one.Boolean("time"),
                                      Numbers(name_("user_numbers", state_->user_numbers.size()), state_->n_users)});
    }
    for (const json& entry : reader_.List("factors")) {
      const JsonReader one(entry, reader_.where() + ": factors");
      const std::string array = name_("factors", state_->factors.size());
      const HostMatrix<const float> factors = artifact_->Matrix<float>(array);
      if (factors.n_rows != state_->n_users || factors.n_cols < 1 || factors.n_cols > FeatureProgram::kMaxColumns)
        Refuse(array, "of another shape than what it is of");
      state_->factors.push_back(
          {one.Text("model"), one.Text("version"), factors.n_cols, FeatureArray<float>(Finite(array, factors.all()))});
    }
  }

  void ReadShares() {
    const json& shares = reader_.Get("share_codes");
    const JsonReader codes_of(shares, reader_.where() + ": share_codes");
    for (const FeatureDeclaration& feature : state_->spec.features) {
      if (feature.kind != FeatureKind::kCategoryShares) continue;
      std::vector<int32_t>& codes = state_->share_codes[feature.name];
      for (const json& code : codes_of.List(feature.name)) {
        const bool fits = code.is_number_integer() && code >= -1 && code < kMostIndices;
        if (!fits) codes_of.Refuse(feature.name, "a list of codes");
        codes.push_back(code.get<int32_t>());
      }
      if (codes.size() != feature.values.size()) codes_of.Refuse(feature.name, "one for each of its values");
    }
  }

  std::shared_ptr<const Artifact> artifact_;
  const ArrayName name_;
  const JsonReader reader_;
  std::shared_ptr<FeatureState> state_;
};

}  // namespace

json FeatureProgram::AddTo(ArtifactWriter& writer, const std::string& prefix) const {
  const FeatureState& state = *state_;
  const ArrayName name{prefix};
  json conditions = json::array(), numbers = json::array(), values = json::array(), user_numbers = json::array(),
       factors = json::array();
  for (const ItemCondition& entry : state.conditions) {
    writer.AddArray<uint8_t>(name("conditions", conditions.size()), entry.holds.view());
    conditions.push_back(entry.where);
  }
  for (const ItemNumbers& entry : state.numbers) {
    writer.AddArray<double>(name("numbers", numbers.size()), entry.numbers.view());
    numbers.push_back(entry.of);
  }
  for (const ItemValues& entry : state.values) {
    const std::string codes = name("values", values.size());
    writer.AddArray<int32_t>(codes, entry.codes.view());
    if (!entry.indptr.empty()) writer.AddArray<int64_t>(codes + "_indptr", entry.indptr.view());
    values.push_back({{"of", entry.of}, {"several", !entry.indptr.empty()}});
  }
  for (const UserNumbers& entry : state.user_numbers) {
    writer.AddArray<double>(name("user_numbers", user_numbers.size()), entry.numbers.view());
    user_numbers.push_back({{"of", entry.of}, {"time", entry.is_time}});
  }
  for (const UserFactors& entry : state.factors) {
    writer.AddArray<float>(name("factors", factors.size()), entry.factors.view(), {state.n_users, entry.n_factors});
    factors.push_back({{"model", entry.model}, {"version", entry.version}});
  }
  return {{"spec", FeatureSpecJson(state.spec)},
          {"type_names", state.type_names},
          {"has_times", state.has_times},
          {"reference", state.reference},
          {"n_items", state.n_items},
          {"n_users", state.n_users},
          {"conditions", std::move(conditions)},
          {"numbers", std::move(numbers)},
          {"values", std::move(values)},
          {"user_numbers", std::move(user_numbers)},
          {"factors", std::move(factors)},
          {"share_codes", state.share_codes}};
}

FeatureProgram FeatureProgram::FromArtifact(std::shared_ptr<const Artifact> artifact, const std::string& prefix,
                                            const json& described) {
  return FeatureProgram(ProgramReader(std::move(artifact), prefix, described).Read());
}

}  // namespace kindred
