// Any bytes as a call of UpdateItems, or as a file of `kindred items update`: refused with a status, or an error, that
// blames it; or done, and then every item can be looked at.
//
// Input: one byte that picks what it is (a message, CSV, TSV, JSON lines), then that.
#include <google/protobuf/stubs/logging.h>

#include <cstdlib>

#include "kernels/cpu/backend.h"
#include "serving/item_handlers.h"
#include "serving/update_file.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

class Target {
 public:
  Target() {
    google::protobuf::SetLogHandler(nullptr);
    for (const auto& column : served_->items->own().columns()) types_[column->name()] = column->type();
    state_.Attach(served_->items);
  }

  void Run(uint8_t what, std::string_view bytes) {
    v1::UpdateItemsRequest request;
    if (what % 4 == 0) {
      if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
    } else if (!Read(what, bytes, &request)) {
      return;
    }
    const int64_t epoch = state_.info().epoch;
    v1::UpdateItemsReply reply;
    const grpc::Status status = HandleUpdateItems(&state_, served_.get(), request, &reply);
    const bool blamed = status.error_code() == grpc::StatusCode::INVALID_ARGUMENT ||
                        status.error_code() == grpc::StatusCode::NOT_FOUND ||
                        status.error_code() == grpc::StatusCode::UNIMPLEMENTED;
    Require(status.ok() || blamed);
    Require(state_.info().epoch == epoch + (status.ok() && request.updates_size() > 0 ? 1 : 0));
    for (const v1::ItemUpdate& update : request.updates())
      if (status.ok()) Look(update.item_id());
  }

 private:
  bool Read(uint8_t what, std::string_view bytes, v1::UpdateItemsRequest* request) {
    static constexpr InputFormat kFormats[] = {InputFormat::kCsv, InputFormat::kTsv, InputFormat::kJsonLines};
    const UpdateFileOptions options = {folder_.Write("updates", bytes), kFormats[what % 4 - 1], "item_id", what > 127};
    try {
      ReadUpdates(options, types_, [&](int64_t line, v1::ItemUpdate update) {
        Require(line > 0 && !update.item_id().empty());
        *request->add_updates() = std::move(update);
      });
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  void Look(const std::string& item) {
    v1::GetItemRequest request;
    request.set_item_id(item);
    v1::Item found;
    const grpc::Status status = HandleGetItem(&state_, served_.get(), request, &found);
    Require(status.ok() || status.error_code() == grpc::StatusCode::NOT_FOUND);  // an unknown one may be reset
    Require(v1::Item().ParseFromString(found.SerializeAsString()));
  }

  TemporaryFolder folder_;
  CpuBackend backend_{1};
  Failover failover_{Chosen(std::make_unique<CpuBackend>(1))};
  TinyModel model_{backend_, {.n_users = 6, .n_items = 9, .n_factors = 3, .max_history = 3, .described = true}};
  std::unique_ptr<ServedModel> served_ = model_.Serve(failover_);
  ItemState state_{folder_.path()};
  AttributeTypes types_;
};

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static kindred::Target target;
  if (size > 0) target.Run(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
