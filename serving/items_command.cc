#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "host/intake/inputs.h"
#include "host/text/counted.h"
#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/client.h"
#include "serving/commands.h"
#include "serving/json.h"
#include "serving/update_file.h"

namespace kindred {
namespace {

constexpr int kBatchUpdates = 1000;
constexpr int kBatchChanges = 50000;
constexpr size_t kBatchBytes = size_t{1} << 20;
constexpr size_t kMaxValue = 200;
constexpr size_t kMaxUnknownShown = 10;

struct ItemsOptions : ClientOptions {
  std::string item;
  std::vector<std::string> assignments;  // attribute=value
  std::vector<std::string> resets;
  bool allow_unknown = false;
  UpdateFileOptions file;
  std::string format;  // of the file; empty: as its name says
};

/// What was sent so far.
struct Sent {
  int64_t n_updates = 0, n_values = 0, epoch = 0, n_unknown = 0;
  std::vector<std::string> unknown;  // the first of them
  v1::ModelVersion model;
};

AttributeTypes TypesOf(const ItemsOptions& options) {
  const auto info = Call(options, &v1::Recommender::Stub::GetServerInfo, v1::GetServerInfoRequest());
  if (!info.has_model()) throw Error(ErrorCode::kIo, "UNAVAILABLE: no model is loaded yet");
  AttributeTypes types;
  for (const v1::AttributeInfo& attribute : info.model().item_attributes())
    if (const auto type = AttributeTypeNamed(attribute.type())) types[attribute.name()] = *type;
  return types;
}

/// Sends updates as they come, so many a call.
class UpdateSender {
 public:
  UpdateSender(const ItemsOptions& options, std::string from)
      : options_(options), from_(std::move(from)), stub_(v1::Recommender::NewStub(Connect(options))) {
    request_.set_allow_unknown(options.allow_unknown);
  }

  void Add(int64_t line, v1::ItemUpdate update) {
    const size_t bytes = update.ByteSizeLong();
    const int changes = update.attributes_size() + update.reset_size();
    if (request_.updates_size() == kBatchUpdates ||
        (bytes_ > 0 && (bytes_ + bytes > kBatchBytes || changes_ + changes > kBatchChanges)))
      Send();
    bytes_ += bytes;
    changes_ += changes;
    lines_.push_back(line);
    *request_.add_updates() = std::move(update);
  }

  void Send() {
    if (request_.updates().empty()) return;
    grpc::ClientContext context;
    SetDeadline(options_, context);
    v1::UpdateItemsReply reply;
    const grpc::Status status = stub_->UpdateItems(&context, request_, &reply);
    if (!status.ok()) throw Error(ErrorCode::kIo, Place(status.error_message()) + Text(status));
    sent_.n_updates += request_.updates_size();
    sent_.n_values += reply.n_values();
    sent_.epoch = reply.epoch();
    sent_.model = reply.model();
    sent_.n_unknown += reply.unknown_item_ids_size();
    for (const std::string& id : reply.unknown_item_ids())
      if (sent_.unknown.size() < kMaxUnknownShown) sent_.unknown.push_back(id);
    request_.clear_updates();
    lines_.clear();
    bytes_ = 0;
    changes_ = 0;
  }

  const Sent& sent() const { return sent_; }

 private:
  static std::string Text(const grpc::Status& status) {
    return DescribeStatus(status.error_code(), status.error_message());
  }

  /// The lines that the message is about, as the server names updates by their place in the call.
  std::string Place(const std::string& message) const {
    if (from_.empty()) return {};
    size_t at = 0;
    if (std::sscanf(message.c_str(), "updates[%zu]", &at) == 1 && at < lines_.size())
      return fmt::format("{}: line {}: ", from_, lines_[at]);
    return fmt::format("{}: lines {} to {}: ", from_, lines_.front(), lines_.back());
  }

  const ItemsOptions& options_;
  const std::string from_;  // the file, for messages
  const std::unique_ptr<v1::Recommender::Stub> stub_;
  v1::UpdateItemsRequest request_;
  std::vector<int64_t> lines_;
  size_t bytes_ = 0;
  int changes_ = 0;  // attributes and resets
  Sent sent_;
};

v1::ItemUpdate UpdateOf(const ItemsOptions& options) {
  v1::ItemUpdate update;
  update.set_item_id(options.item);
  for (const std::string& name : options.resets) update.add_reset(name);
  if (options.assignments.empty()) return update;
  const AttributeTypes types = TypesOf(options);
  for (const std::string& assignment : options.assignments) {
    const size_t equals = assignment.find('=');
    const std::string name = assignment.substr(0, equals);
    if (update.attributes().contains(name))
      throw Error(ErrorCode::kUsage, fmt::format("'{}' is set twice", Printable(name)));
    const AttributeType type = TypeOf(types, name);
    try {
      (*update.mutable_attributes())[name] = ValueOf(std::string_view(assignment).substr(equals + 1), type);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", Printable(name), error.what()));
    }
  }
  return update;
}

void PrintSent(const ItemsOptions& options, const Sent& sent) {
  if (options.json) {
    PrintJson({{"n_updates", sent.n_updates},
               {"n_values", sent.n_values},
               {"epoch", sent.epoch},
               {"n_unknown_items", sent.n_unknown},
               {"unknown_item_ids", sent.unknown},
               {"model", ToJson(sent.model)}});
    return;
  }
  if (sent.n_updates == 0) {
    fmt::print("nothing to update\n");
    return;
  }
  fmt::print("updated   {} by {}, by {} version {}; epoch {}\n", Counted(sent.n_values, "value"),
             Counted(sent.n_updates, "update"), sent.model.name(), sent.model.version(), sent.epoch);
  if (sent.n_unknown == 0) return;
  fmt::print("kept      updates of {} that the model does not have:", Counted(sent.n_unknown, "item"));
  for (const std::string& id : sent.unknown) fmt::print(" {}", Printable(id));
  fmt::print("{}\n", sent.n_unknown > static_cast<int64_t>(sent.unknown.size()) ? " ..." : "");
}

void CheckUpdate(const ItemsOptions& options) {
  CheckClientOptions(options);
  const bool one = !options.item.empty();
  if (one == !options.file.path.empty())
    throw Error(ErrorCode::kUsage, "expected either --item ID with attribute=value, or --file FILE");
  if (one && options.assignments.empty() && options.resets.empty())
    throw Error(ErrorCode::kUsage, "expected attribute=value, or --reset ATTRIBUTE, for the item");
  if (!one && (!options.assignments.empty() || !options.resets.empty()))
    throw Error(ErrorCode::kUsage, "attribute=value and --reset are for --item, and not for --file");
  ExpectUtf8("--item", options.item);
  ExpectUtf8("--key", options.file.key);
  for (const std::string& name : options.resets) ExpectUtf8("--reset", name);
  for (const std::string& assignment : options.assignments) {
    ExpectUtf8("the attribute", assignment);
    if (assignment.find('=') == std::string::npos || assignment[0] == '=')
      throw Error(ErrorCode::kUsage, fmt::format("'{}': expected attribute=value", Printable(assignment)));
  }
}

InputFormat FormatOfFile(const ItemsOptions& options) {
  const std::optional<InputFormat> format =
      options.format.empty() ? FormatOf(options.file.path) : ParseInputFormat(options.format);
  if (!format || (*format != InputFormat::kCsv && *format != InputFormat::kTsv && *format != InputFormat::kJsonLines))
    throw Error(ErrorCode::kUsage, fmt::format("'{}': expected a file of CSV, TSV or JSON lines; --format says which",
                                               Printable(options.file.path)));
  return *format;
}

int UpdateItems(ItemsOptions options) {
  CheckUpdate(options);
  if (!options.item.empty()) {
    UpdateSender sender(options, {});
    sender.Add(0, UpdateOf(options));
    sender.Send();
    PrintSent(options, sender.sent());
    return 0;
  }
  options.file.format = FormatOfFile(options);
  UpdateSender sender(options, Printable(options.file.path, kMaxValue));
  try {
    ReadUpdates(options.file, TypesOf(options),
                [&](int64_t line, v1::ItemUpdate update) { sender.Add(line, std::move(update)); });
    sender.Send();
  } catch (const Error& error) {
    if (sender.sent().n_updates == 0) throw;
    throw Error(error.code(), fmt::format("{}\nwhat is before is done, {}; the same file can be sent again",
                                          error.what(), Counted(sender.sent().n_updates, "update")));
  }
  PrintSent(options, sender.sent());
  return 0;
}

std::string ValueText(const google::protobuf::Value& value) {
  if (value.kind_case() == google::protobuf::Value::kStringValue) return Printable(value.string_value(), kMaxValue);
  if (value.kind_case() == google::protobuf::Value::kNullValue) return "-";
  if (value.kind_case() != google::protobuf::Value::kListValue) return ToJson(value).dump();
  std::string tags;
  for (const auto& tag : value.list_value().values()) tags += (tags.empty() ? "" : "|") + tag.string_value();
  return Printable(tags, kMaxValue);
}

/// In whole seconds.
std::string TimeText(google::protobuf::Timestamp time) {
  time.set_nanos(0);
  return google::protobuf::util::TimeUtil::ToString(time);
}

void PrintItem(const v1::Item& item) {
  fmt::print("item {}: {}{} version {}\n", Printable(item.item_id()), item.is_in_model() ? "" : "not in ",
             item.model().name(), item.model().version());
  size_t name_width = 0;
  for (const v1::ItemAttribute& attribute : item.attributes())
    name_width = std::max(name_width, attribute.name().size());
  for (const v1::ItemAttribute& attribute : item.attributes()) {
    fmt::print("  {:<{}}  {:<8}  {}", attribute.name(), name_width, attribute.type(), ValueText(attribute.value()));
    if (attribute.has_updated_at())
      fmt::print("  (updated {}; the version has {})", TimeText(attribute.updated_at()),
                 ValueText(attribute.version_value()));
    fmt::print("\n");
  }
  for (const v1::UnusedUpdate& unused : item.unused_updates())
    fmt::print("  kept, not used: {} = {} (updated {}): {}\n", Printable(unused.attribute()), ValueText(unused.value()),
               TimeText(unused.updated_at()), unused.reason());
}

int ShowItem(const ItemsOptions& options) {
  CheckClientOptions(options);
  ExpectUtf8("--item", options.item);
  v1::GetItemRequest request;
  request.set_item_id(options.item);
  const auto item = Call(options, &v1::Recommender::Stub::GetItem, request);
  options.json ? PrintJson(ToJson(item)) : PrintItem(item);
  return 0;
}

}  // namespace

void AddItemsCommand(CommandLine& program) {
  const auto options = std::make_shared<ItemsOptions>();
  CLI::App* items = program.Add("items", "Look at and change the attributes of a running server's items.", nullptr);

  CLI::App* update = program.AddTo(items, "update", "Change attributes, for good and at once: price, stock, dates.",
                                   [options] { return UpdateItems(*options); });
  AddClientOptions(update, *options);
  update->add_option("--item", options->item, "the item's id");
  update->add_option("values", options->assignments,
                     "attribute=value, for each new value of the item; nothing after the '=': it has no such value");
  update->add_option("--reset", options->resets, "an attribute that gets back what the version has; repeat for more")
      ->allow_extra_args(false);  // what follows may be attribute=value
  update->add_option(
      "--file", options->file.path,
      "updates of many items: CSV or TSV with a column an attribute, or JSON lines; '-': standard input");
  update->add_option("--format", options->format, "of the file: csv, tsv or jsonl; default: as its name says")
      ->check(CLI::IsMember({"csv", "tsv", "jsonl"}));
  update->add_option("--key", options->file.key, "the file's column with the items' ids");
  update->add_flag("--empty-is-missing", options->file.empty_is_missing,
                   "an empty cell of CSV or TSV makes the value missing; else it leaves it alone");
  update->add_flag("--allow-unknown", options->allow_unknown,
                   "keep updates of items that the model does not have, for a version that will");

  CLI::App* show = program.AddTo(items, "show", "An item's attributes as calls see them, and where each is from.",
                                 [options] { return ShowItem(*options); });
  AddClientOptions(show, *options);
  show->add_option("--item", options->item, "the item's id")->required();
}

}  // namespace kindred
