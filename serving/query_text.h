// Answers as text, for people.
#pragma once

#include <fmt/format.h>

#include <string>

#include "host/text/text.h"
#include "kindred/v1/recommender.pb.h"

namespace kindred {

inline constexpr size_t kMaxLine = 2000;

/// Best first.
void PrintTable(const google::protobuf::RepeatedPtrField<v1::ScoredItem>& items);
/// `before` users were printed already.
void PrintTable(const google::protobuf::RepeatedPtrField<v1::ScoredUser>& users, int before = 0);

/// "user NAME", or that there is none.
std::string AboutUser(const std::string& user);
void PrintRecommendation(const std::string& user, const v1::RecommendReply& reply);
/// Of a batch or a stream.
void PrintResult(const std::string& user, const v1::BatchResult& result);
void PrintUsersHead(const std::string& item, const v1::UsersForItemReply& reply);

template <class Reply>
void PrintHead(const std::string& about, const Reply& reply) {
  fmt::print("{}: {}, by {} version {}\n", about, v1::ServedBy_Name(reply.served_by()), reply.model().name(),
             reply.model().version());
}

template <class Reply>
void PrintShortfall(const char* of, const Reply& reply) {
  if (reply.has_shortfall())
    fmt::print("  {} of {} {}: {}\n", reply.shortfall().returned(), reply.shortfall().requested(), of,
               Printable(reply.shortfall().reason(), kMaxLine));
}

template <class Reply>
void PrintFoot(const Reply& reply) {
  if (!reply.why().empty()) fmt::print("  because: {}\n", Printable(reply.why(), kMaxLine));
  PrintShortfall("items", reply);
}

template <class Reply>
void PrintItems(const Reply& reply) {
  PrintTable(reply.items());
  PrintFoot(reply);
}

}  // namespace kindred
