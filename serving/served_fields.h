// Which fields of requests are served. No request is answered as if a field of it were not there.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/support/status.h>

#include <span>

namespace kindred {

/// Whether the request sets only fields that are served; else UNIMPLEMENTED, naming the first that is not.
/// A field added to the proto is refused until it is listed in served_fields.cc.
grpc::Status CheckServed(const google::protobuf::Message& request);
/// Those fields, by their full names.
std::span<const char* const> ServedFields();

}  // namespace kindred
