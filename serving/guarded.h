// The frame that every handler stands in.
#pragma once

#include <grpcpp/support/status.h>

#include <new>
#include <type_traits>

#include "host/text/text.h"
#include "serving/handlers.h"
#include "serving/served_fields.h"

namespace kindred {

/// Statuses travel in headers, and those are limited.
inline constexpr size_t kMaxStatusMessage = 2000;

/// Runs `answer`, which may return a status, where a version is loaded and the request sets only served fields; errors
/// become a status.
template <class Served, class Answer>
grpc::Status Guarded(const Served* served_from, const google::protobuf::Message& request, const Answer& answer) {
  try {
    if (grpc::Status served = CheckServed(request); !served.ok()) return served;
    if (served_from == nullptr)
      return {grpc::StatusCode::UNAVAILABLE,
              std::is_same_v<Served, ServedModel> ? "no model is loaded yet" : "no segments are loaded yet"};
    if constexpr (std::is_void_v<decltype(answer())>)
      answer();
    else
      return answer();
    return grpc::Status::OK;
  } catch (const Error& error) {
    return ToStatus(error);
  } catch (const std::bad_alloc&) {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, "out of memory"};
  } catch (const std::exception& error) {
    return {grpc::StatusCode::INTERNAL, Printable(error.what(), kMaxStatusMessage)};
  }
}

}  // namespace kindred
